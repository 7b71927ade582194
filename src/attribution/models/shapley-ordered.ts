import type { ModelTouch, OrderModel } from './model.ts'
import { shareByChannel } from './shapley.ts'
import { toShares } from './shares.ts'

/**
 * Credits each touch as `shapley` does, and is read by channel and position. The implementation that is in use gives a
 * channel its whole share at each of its positions, so that its credits exceed the conversions (2,528 for 2,392 in its
 * own example); here the share is divided over them.
 * Source of the other: https://github.com/ianchute/shapley-attribution-model-zhao-naive (commit 85866ec)
 */
export const shapleyOrdered: OrderModel<Record<never, never>> = {
  name: 'shapley_ordered',
  version: '1.0.0',
  level: 'order',
  about: 'As shapley, told apart by the position of the touch in its journey.',
  parameters: {},
  weigh: shareByChannel,
}

export interface PositionCredit {
  channel: string
  /** 1 is the oldest touch. */
  position: number
  conversions: number
}

/** What each channel earned at each position of converting journeys; sorted by channel, then position. */
export function creditPositions(
  journeys: readonly { touches: readonly ModelTouch[]; conversions: number }[],
): PositionCredit[] {
  const cells = new Map<string, PositionCredit>()
  for (const { touches, conversions } of journeys) {
    const shares = toShares(shareByChannel(touches))
    for (const [index, { channel }] of touches.entries()) {
      const key = `${index} ${channel}`
      const cell = cells.get(key) ?? { channel, position: index + 1, conversions: 0 }
      cell.conversions += conversions * (shares[index] ?? 0)
      cells.set(key, cell)
    }
  }
  return [...cells.values()].sort(
    (a, b) => (a.channel < b.channel ? -1 : Number(a.channel > b.channel)) || a.position - b.position,
  )
}
