import type { OrderModel } from './model.ts'

export const lastTouch: OrderModel<Record<never, never>> = {
  name: 'last_touch',
  version: '1.0.0',
  level: 'order',
  about: 'The newest touch earns everything.',
  parameters: {},
  weigh: (journey) => journey.map((_touch, position) => (position === journey.length - 1 ? 1n : 0n)),
}
