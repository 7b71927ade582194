import { Channels } from './channels.tsx'
import { Models } from './models.tsx'
import { Order } from './order.tsx'
import { Realtime } from './realtime.tsx'

export function Revenue() {
  return (
    <>
      <h1 class="visually-hidden">Revenue</h1>
      <Realtime />
      <Channels />
      <Models />
      <Order />
    </>
  )
}
