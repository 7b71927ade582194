import { type Random, randomOf } from '../../src/webhooks/simulator/random.ts'

export { ALPHANUMERIC, HEX, type Random, ulid, uuid } from '../../src/webhooks/simulator/random.ts'

/** The demo's own streams: every figure of a day hangs on what they give. */
export function createRandom(seed: number, label: string): Random {
  return randomOf(`skeldir demo ${seed} ${label}`)
}
