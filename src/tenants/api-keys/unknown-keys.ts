import type { KeyLookUps } from '../../context.ts'
import { ProblemError } from '../../problem/problem.ts'

/** Keys without a row that one network may show in a minute: far more than somebody does by mistake. */
const PER_MINUTE = 120
const MINUTE_MS = 60_000
const STEP_MS = MINUTE_MS / PER_MINUTE
/** Look-ups of one network at a time; those that wait are not asked for any more once it has missed too often. */
const AT_ONCE = 8
const MAX_NETWORKS = 10_000

interface Line {
  /** When nothing is left of what was missed, by `now`. */
  fullAt: number
  running: number
  waiting: (() => void)[]
}

/**
 * For one process, whose queries are what it saves: a network that has shown too many keys without a row has to wait, and
 * costs no query meanwhile. A key that exists counts for nothing, so that many of them behind one address never wait for
 * each other.
 */
export function createKeyLookUps(now: () => number = () => performance.now()): KeyLookUps {
  // A map keeps the order of insertion: the first is the one not heard of for longest.
  const lines = new Map<string, Line>()

  function lineOf(network: string): Line {
    const line = lines.get(network) ?? { fullAt: 0, running: 0, waiting: [] }
    lines.delete(network)
    if (lines.size >= MAX_NETWORKS) {
      const [oldest] = lines.keys()
      if (oldest !== undefined) lines.delete(oldest)
    }
    lines.set(network, line)
    return line
  }

  function refuseExhausted({ fullAt }: Line): void {
    const seconds = Math.ceil((fullAt + STEP_MS - now() - MINUTE_MS) / 1_000)
    if (seconds <= 0) return
    throw new ProblemError(
      'rate_limited',
      `Too many unknown API keys came from this address. Try again in ${seconds} s.`,
      {
        headers: { 'Retry-After': String(seconds) },
      },
    )
  }

  return {
    async run(network, lookUp) {
      const line = lineOf(network)
      refuseExhausted(line)
      if (line.running < AT_ONCE) line.running += 1
      else await new Promise<void>((resolve) => line.waiting.push(resolve))
      try {
        refuseExhausted(line)
        const found = await lookUp()
        if (found === undefined) line.fullAt = Math.max(line.fullAt, now()) + STEP_MS
        return found
      } finally {
        const next = line.waiting.shift()
        if (next === undefined) line.running -= 1
        else next()
      }
    },
  }
}
