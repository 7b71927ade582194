export interface Measurement {
  isGood: boolean
  /** Bad beyond doubt, such as a refused connection: there is nothing to wait for. */
  isCertain: boolean
}

export interface VerdictOptions<M extends Measurement> {
  /** Never rejects. `isFirst`: nothing is known yet, and connections may have to be made. */
  measure: (isFirst: boolean) => Promise<M>
  /** How long a measurement is good for, since its start. */
  freshMs: number
  /** From the start of a measurement that says otherwise to that of the one which decides. */
  confirmMs: number
  onChange?: (believed: M) => void
  /** A monotonic clock in milliseconds. */
  now?: () => number
}

export interface Verdict<M extends Measurement> {
  /** What is believed, after the measurement of now: askers share one, and it is made anew when it is no longer fresh. */
  ask(): Promise<M>
}

/**
 * The first measurement decides, and where it is bad, the first good one. From then on one that says otherwise changes
 * nothing by itself: it is repeated soon, asked for or not, and two in a row decide, unless the first was certain.
 */
export function createVerdict<M extends Measurement>(options: VerdictOptions<M>): Verdict<M> {
  const { measure, freshMs, confirmMs, onChange, now = () => performance.now() } = options
  let believed: M | undefined
  let isDoubted = false
  let wasGood = false
  let startedAt = Number.NEGATIVE_INFINITY
  let running: Promise<void> | undefined
  let repeat: NodeJS.Timeout | undefined

  function start(): Promise<void> {
    clearTimeout(repeat)
    startedAt = now()
    running = measure(believed === undefined).then((measured) => {
      running = undefined
      judge(measured)
    })
    return running
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
      const isStale = now() - startedAt >= freshMs
      await (running ?? (isStale ? start() : undefined))
      return believed as M
    },
  }
}
