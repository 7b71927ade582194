import type { OrderModel } from './model.ts'

export const firstTouch: OrderModel<Record<never, never>> = {
  name: 'first_touch',
  version: '1.0.0',
  level: 'order',
  about: 'The oldest touch earns everything.',
  parameters: {},
  weigh: (journey) => journey.map((_touch, position) => (position === 0 ? 1n : 0n)),
}
