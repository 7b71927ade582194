import { Agent, request } from 'node:http'

/** Medians that lie farther apart are measured once more. */
const FAR = 1.1
/** Calls of each contender, however slow they are. */
const LEAST_CALLS = 20

/** One request, made before the clock starts. */
export interface Ask {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  headers?: Record<string, string>
  body?: string
}

export interface Contender {
  name: string
  /** `turn` counts from 0, the warm-up included, up to `turnsAtMost`. */
  ask: (turn: number) => Ask
}

export interface Measure {
  /** Of each contender. */
  calls: number
  warmUp: number
  /** When they take longer, there are fewer. */
  milliseconds: number
}

export interface Times {
  name: string
  /** Milliseconds of each call. */
  ms: number[]
}

export function turnsAtMost({ calls, warmUp }: Measure): number {
  return warmUp + 2 * calls
}

/**
 * Times the contenders' requests one after the other on one connection, call by call in turns: whatever slows the machine
 * down slows all of them. Who goes first changes with every turn. When one's median is far from that of the first
 * contender, all get as many calls again, and all count: chance is less likely then. Throws when an answer has another
 * status than `status`.
 */
export async function takeTurns(
  contenders: readonly Contender[],
  { calls, warmUp, milliseconds, url, status }: Measure & { url: string; status: number },
): Promise<Times[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const times = contenders.map(({ name }): Times => ({ name, ms: [] }))
  let turn = 0
  const takeTurn = async () => {
    for (let place = 0; place < contenders.length; place += 1) {
      const index = (place + turn) % contenders.length
      const { name, ask } = contenders[index] as Contender
      const answer = await time(agent, url, ask(turn))
      if (answer.status !== status) throw new Error(`${name} was answered ${answer.status}, not ${status}`)
      if (turn >= warmUp) times[index]?.ms.push(answer.ms)
    }
    turn += 1
  }
  const run = async (until: number) => {
    const [start, endsAt] = [turn, performance.now() + milliseconds]
    while (turn < until && (turn - start < LEAST_CALLS || performance.now() < endsAt)) await takeTurn()
  }
  try {
    await run(warmUp + calls)
    const [base] = times
    const isFar = base !== undefined && times.some((own) => eitherWay(ratioOf(own, base)) > FAR)
    if (isFar) await run(turn + calls)
    return times
  } finally {
    agent.destroy()
  }
}

function time(
  agent: Agent,
  url: string,
  { method, path, headers, body }: Ask,
): Promise<{ status: number; ms: number }> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const req = request(`${url}${path}`, { agent, method, headers: { ...headers, ...length } }, (res) => {
      res.resume()
      res.on('end', () => resolve({ status: res.statusCode ?? 0, ms: performance.now() - startedAt }))
      res.on('error', reject)
    })
    req.on('error', reject)
    req.end(body)
  })
}

export function ratioOf(own: Times, base: Times): number {
  return median(own.ms) / median(base.ms)
}

/** Being faster tells as much as being slower. */
export function eitherWay(ratio: number): number {
  return Math.max(ratio, 1 / ratio)
}

/**
 * How often whoever sees one answer of each kind, and takes the slower one for the one that usually is, would be right:
 * 0.5 is a coin's luck.
 */
export function toldApart(own: Times, base: Times): number {
  const slower = own.ms.reduce((sum, ms) => sum + base.ms.filter((other) => other < ms).length, 0)
  const share = slower / (own.ms.length * base.ms.length)
  return Math.max(share, 1 - share)
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}
