import { within } from './within.ts'

export interface Measurement {
  isGood: boolean
  /** Bad beyond doubt, such as a refused connection: there is nothing to wait for. */
  isCertain: boolean
}

export interface VerdictOptions<M extends Measurement> {
  /** Never rejects; it takes `timeoutMs` at most. */
  measure: (timeoutMs: number) => Promise<M>
  timeouts: Timeouts
  /** How long a measurement is good for, since its start; in the second half the next one is made for whoever asks. */
  freshMs: number
  /** From the start of a measurement that says otherwise to that of the one which decides, at least. */
  confirmMs: number
  /** How long an asker waits for a measurement where something is believed already. */
  waitMs: number
  onChange?: (believed: M) => void
  /** A monotonic clock in milliseconds. */
  now?: () => number
}

export interface Timeouts {
  /** Nothing is known yet, and connections may have to be made. */
  firstMs: number
  /** All is well: whatever is there will answer, if late. */
  usualMs: number
  /** Something is not well, or was not. */
  doubtedMs: number
}

export interface Verdict<M extends Measurement> {
  /** What is believed: askers share a measurement, and wait for it where the one before is no longer good. */
  ask(): Promise<M>
}

/**
 * The first measurement decides, and where it is bad, the first good one. From then on one that says otherwise changes
 * nothing by itself: it is repeated soon, asked for or not, and two in a row decide, unless the first was certain.
 */
export function createVerdict<M extends Measurement>(options: VerdictOptions<M>): Verdict<M> {
  const { measure, timeouts, freshMs, confirmMs, waitMs, onChange, now = () => performance.now() } = options
  let believed: M | undefined
  let isDoubted = false
  let wasGood = false
  /** Of the newest measurement, and of the newest one that is done. */
  let startedAt = Number.NEGATIVE_INFINITY
  let measuredAt = Number.NEGATIVE_INFINITY
  let running: Promise<void> | undefined
  let repeat: NodeJS.Timeout | undefined

  function start(): Promise<void> {
    clearTimeout(repeat)
    const at = now()
    startedAt = at
    running = measure(timeoutMs()).then((measured) => {
      running = undefined
      measuredAt = at
      judge(measured)
    })
    return running
  }

  function timeoutMs(): number {
    if (believed === undefined) return timeouts.firstMs
    return believed.isGood && !isDoubted ? timeouts.usualMs : timeouts.doubtedMs
  }

  function judge(measured: M): void {
    const before = believed
    const isOther = before !== undefined && before.isGood !== measured.isGood
    const isBeyondDoubt = measured.isGood ? !wasGood : measured.isCertain
    if (isOther && !isDoubted && !isBeyondDoubt) {
      isDoubted = true
      repeat = setTimeout(() => void (running ?? start()), Math.max(0, confirmMs - (now() - startedAt))).unref()
      return
    }
    isDoubted = false
    wasGood ||= measured.isGood
    believed = measured
    if (before?.isGood !== measured.isGood) onChange?.(measured)
  }

  return {
    async ask() {
      const isStale = now() - measuredAt >= freshMs
      const measuring = running ?? (now() - startedAt >= freshMs / 2 ? start() : undefined)
      if (believed === undefined) await measuring
      else if (isStale && measuring !== undefined) await within(waitMs, measuring).catch(() => {})
      return believed as M
    },
  }
}
