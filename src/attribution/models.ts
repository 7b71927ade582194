/** The models of this version. A change in what any of them computes is a new version. */
export const MODELS = ['first_touch', 'last_touch', 'linear'] as const
export type Model = (typeof MODELS)[number]
export const MODEL_VERSION = '1.0.0'

/** How far back a touch may lie, both ends included: 30 days of 86,400 s, whatever the time zone. */
export const LOOKBACK_HOURS = 720

/** Where the credit of an order without any eligible touch goes, so that totals still add up. Never spread. */
export const UNATTRIBUTED = '(unattributed)'

/** Weights over the touches of a journey, oldest first. Not all zero for `touches` >= 1. */
export function weigh(model: Model, touches: number): bigint[] {
  const weights = new Array<bigint>(touches).fill(model === 'linear' ? 1n : 0n)
  if (model === 'first_touch') weights[0] = 1n
  if (model === 'last_touch') weights[touches - 1] = 1n
  return weights
}
