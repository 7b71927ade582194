import type { OrderModel } from './model.ts'

export const linear: OrderModel<Record<never, never>> = {
  name: 'linear',
  version: '1.0.0',
  level: 'order',
  about: 'Every touch earns the same, so a channel that returns earns each time.',
  parameters: {},
  weigh: (journey) => journey.map(() => 1n),
}
