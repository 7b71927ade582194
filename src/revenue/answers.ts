/** An answer, and how much had been recorded when it was calculated. */
export interface Calculated<Answer> {
  answer: Answer
  recorded: bigint
}

export interface AnswersOptions {
  /** Answers that are kept; the one unused for longest goes first. */
  maxAnswers: number
  /** How long one waits for a new answer before the former one is given. */
  patienceMs: number
  /** For how long a former answer may stand for a new one, since it was first known to be one. */
  maxStaleMs: number
  /** How long after a failure nothing is calculated. */
  coolDownMs: number
  /** Milliseconds that never go back. */
  now: () => number
}

/** Nothing is calculated at the moment, and there is no former answer. */
export class CoolingDown extends Error {
  override name = 'CoolingDown'
  readonly remainingMs: number

  constructor(remainingMs: number, cause: unknown) {
    super('the last calculation failed', { cause })
    this.remainingMs = remainingMs
  }
}

interface Slot<Answer> {
  last: Calculated<Answer> | undefined
  running: Promise<Calculated<Answer>> | undefined
  /** Since when the last answer is known to be a former one. */
  outdatedAtMs: number | undefined
  failure: { untilMs: number; cause: unknown } | undefined
}

export interface Answers<Answer> {
  /**
   * The answer for `key` that holds at least what had been `recorded`: the last one where nothing came since, otherwise
   * one that is calculated now, once for all who wait. Where that takes longer than the patience, or fails, the former
   * answer, which goes by its own `recorded`. Throws CoolingDown without one.
   */
  get(key: string, recorded: bigint, calculate: () => Promise<Calculated<Answer>>): Promise<Calculated<Answer>>
}

const noop = () => {}

/** Of one process. */
export function createAnswers<Answer>(options: AnswersOptions): Answers<Answer> {
  const { maxAnswers, patienceMs, maxStaleMs, coolDownMs, now } = options
  const slots = new Map<string, Slot<Answer>>()

  function take(key: string): Slot<Answer> {
    const slot = slots.get(key) ?? { last: undefined, running: undefined, outdatedAtMs: undefined, failure: undefined }
    slots.delete(key)
    slots.set(key, slot)
    for (const oldest of slots.keys()) {
      if (slots.size <= maxAnswers) break
      slots.delete(oldest)
    }
    return slot
  }

  function start(slot: Slot<Answer>, calculate: () => Promise<Calculated<Answer>>): Promise<Calculated<Answer>> {
    const running = calculate().then(
      (calculated) => {
        Object.assign(slot, { last: calculated, outdatedAtMs: undefined, failure: undefined, running: undefined })
        return calculated
      },
      (cause: unknown) => {
        Object.assign(slot, { failure: { untilMs: now() + coolDownMs, cause }, running: undefined })
        throw new CoolingDown(coolDownMs, cause)
      },
    )
    // Whoever had no patience left is not there to hear of a failure.
    running.catch(noop)
    slot.running = running
    return running
  }

  /** The former answer, while it may stand for a new one. */
  function formerOf(slot: Slot<Answer>): Calculated<Answer> | undefined {
    if (slot.last === undefined) return undefined
    slot.outdatedAtMs ??= now()
    return now() - slot.outdatedAtMs <= maxStaleMs ? slot.last : undefined
  }

  async function get(
    key: string,
    recorded: bigint,
    calculate: () => Promise<Calculated<Answer>>,
  ): Promise<Calculated<Answer>> {
    const slot = take(key)
    if (slot.last !== undefined && slot.last.recorded >= recorded) return slot.last
    const former = formerOf(slot)
    const coolingMs = slot.failure === undefined ? 0 : slot.failure.untilMs - now()
    if (coolingMs > 0) {
      if (former !== undefined) return former
      throw new CoolingDown(coolingMs, slot.failure?.cause)
    }
    const running = slot.running ?? start(slot, calculate)
    if (former === undefined) {
      const calculated = await running
      // It may have begun before what this caller knows of was recorded.
      return calculated.recorded >= recorded ? calculated : await (slot.running ?? start(slot, calculate))
    }
    return await orAfter(patienceMs, running, former)
  }

  return { get }
}

/** What comes first: the promise, or the other value after some time or when the promise fails. */
async function orAfter<T>(waitMs: number, promise: Promise<T>, other: T): Promise<T> {
  const { promise: waited, resolve } = Promise.withResolvers<T>()
  const timer = setTimeout(resolve, waitMs, other)
  try {
    return await Promise.race([promise.catch(() => other), waited])
  } finally {
    clearTimeout(timer)
  }
}
