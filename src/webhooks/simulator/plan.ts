import type { Delivery } from './delivery.ts'
import { type Random, randomOf } from './random.ts'

export interface Planned {
  delivery: Delivery
  /** The vendor sends it again although it was received: same ids, same bytes, signed anew. */
  isRepeat: boolean
}

export interface PlanOptions {
  /** Of the first delivery; each further one has the next. */
  seed: number
  count: number
  /** Probability, 0 to 1, that a delivery is sent twice. */
  duplicate: number
  /** How many neighbours are shuffled among each other; 1 keeps the order. */
  window: number
}

/** The deliveries in the order of sending, made one window at a time: a million of them need no memory. */
export function* plan(make: (seed: number) => Delivery, options: PlanOptions): Generator<Planned> {
  const random = randomOf(`skeldir webhooks ${options.seed} plan`)
  let window: Planned[] = []
  for (const planned of withRepeats(make, options, random)) {
    window.push(planned)
    if (window.length < options.window) continue
    yield* random.shuffle(window)
    window = []
  }
  yield* random.shuffle(window)
}

function* withRepeats(
  make: (seed: number) => Delivery,
  { seed, count, duplicate }: PlanOptions,
  random: Random,
): Generator<Planned> {
  for (let index = 0; index < count; index++) {
    const delivery = make(seed + index)
    yield { delivery, isRepeat: false }
    if (random.chance(duplicate)) yield { delivery, isRepeat: true }
  }
}
