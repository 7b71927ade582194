import type { Door, Usage } from './auth-server.ts'
import { median } from './auth-turns.ts'
import { type AuthWorld, receive } from './auth-world.ts'
import type { ClientJob, ClientResult } from './http-client.ts'

const ROUNDS = 4
const ROUND_SECONDS = 1

const TOUCH = {
  event_id: 'bench-1',
  visitor_id: '01KDW3M8Q2Z7C4T9X5B6N1R0JA',
  occurred_at: '2026-11-20T08:09:17Z',
  channel: 'email',
}

type Credential = 'token' | 'key'

/**
 * `base` is what the others with the same credential are compared with: the same request, let in without a look at it.
 * `hot` is the way of nearly every request: the credential is known, and the tenant's quota is counted.
 */
const CASES = [
  { name: 'getLiveness', door: 'real', kind: 'none', credential: null },
  { name: 'verifyToken, let in unchecked', door: 'unchecked', kind: 'base', credential: 'token' },
  { name: 'verifyToken, token new', door: 'forgetful', kind: 'new', credential: 'token' },
  { name: 'verifyToken, token known', door: 'uncounted', kind: 'known', credential: 'token' },
  { name: 'verifyToken, token known, counted', door: 'real', kind: 'hot', credential: 'token' },
  { name: 'ingestTouchpoints, let in unchecked', door: 'unchecked', kind: 'base', credential: 'key' },
  { name: 'ingestTouchpoints, key new', door: 'forgetful', kind: 'new', credential: 'key' },
  { name: 'ingestTouchpoints, key known', door: 'uncounted', kind: 'known', credential: 'key' },
  { name: 'ingestTouchpoints, key known, counted', door: 'real', kind: 'hot', credential: 'key' },
] as const satisfies readonly {
  name: string
  door: Door
  kind: 'none' | 'base' | 'new' | 'known' | 'hot'
  credential: Credential | null
}[]

type Case = (typeof CASES)[number]

export interface CostRow {
  name: string
  kind: Case['kind']
  credential: Credential | null
  /** Medians over the rounds; CPU time is that of the server process. */
  cpuMicros: number
  perSecond: number
  p99Ms: number
  /** CPU time over that of `getLiveness` and of `base`, within each round: the median of the quotients. */
  overLiveness: number
  overBase: number
  /** Beyond `base`: the median of the differences. */
  moreMicros: number
  /** Over the whole measurement: statements with a request behind them, and batched ones, for each request. */
  statements: number
  batched: number
}

interface Round {
  cpuMicros: number
  perSecond: number
  p99Ms: number
  requests: number
  statements: number
  batched: number
}

/** CPU time and database statements of a request, by the look that is taken at its credentials. */
export async function measureCost(world: AuthWorld, say: (line: string) => void): Promise<CostRow[]> {
  const tasks = CASES.map((one) => ({ one, rounds: [] as Round[] }))
  // What is asked of the database only once (the first key, the first permits) is asked here.
  say('warming up')
  for (const { one } of tasks) await load(world, one)
  for (let round = 1; round <= ROUNDS; round += 1) {
    say(`cost: round ${round} of ${ROUNDS}`)
    for (const task of round % 2 === 1 ? tasks : tasks.toReversed()) task.rounds.push(await load(world, task.one))
  }
  return tasks.map(({ one, rounds }) => {
    const over = (isOther: (other: Case) => boolean, compare: (own: number, other: number) => number) => {
      const others = tasks.find((task) => isOther(task.one))?.rounds
      return median(rounds.map(({ cpuMicros }, i) => compare(cpuMicros, others?.[i]?.cpuMicros ?? Number.NaN)))
    }
    const isBase = (other: Case) => other.kind === 'base' && other.credential === one.credential
    const quotient = (own: number, other: number) => own / other
    const sum = (pick: (round: Round) => number) => rounds.reduce((total, round) => total + pick(round), 0)
    return {
      name: one.name,
      kind: one.kind,
      credential: one.credential,
      cpuMicros: median(rounds.map(({ cpuMicros }) => cpuMicros)),
      perSecond: Math.round(median(rounds.map(({ perSecond }) => perSecond))),
      p99Ms: median(rounds.map(({ p99Ms }) => p99Ms)),
      overLiveness: over((other) => other.kind === 'none', quotient),
      overBase: over(isBase, quotient),
      moreMicros: over(isBase, (own, other) => own - other),
      statements: sum(({ statements }) => statements) / sum(({ requests }) => requests),
      batched: sum(({ batched }) => batched) / sum(({ requests }) => requests),
    }
  })
}

async function load(world: AuthWorld, one: Case): Promise<Round> {
  const { client } = world
  const before = await usageOf(world)
  client.send({ ...jobOf(world, one), seconds: ROUND_SECONDS } satisfies ClientJob)
  const result = (await receive(client)) as ClientResult
  const after = await usageOf(world)
  if (result.bad > 0 || result.ok === 0)
    throw new Error(`${one.name} was answered ${result.bad} times wrongly, ${result.ok} times well`)
  const requests = after.requests - before.requests
  return {
    cpuMicros: (after.cpuMicros - before.cpuMicros) / requests,
    perSecond: result.perSecond,
    p99Ms: result.p99Ms,
    requests,
    statements: after.statements.requests - before.statements.requests,
    batched: after.statements.batched - before.statements.batched,
  }
}

function jobOf({ urls, accessToken, apiKey }: AuthWorld, { door, credential }: Case): Omit<ClientJob, 'seconds'> {
  const url = urls[door]
  if (credential === null) return { url: `${url}/health/live`, method: 'GET' }
  if (credential === 'token')
    return { url: `${url}/api/auth/verify`, method: 'GET', headers: { authorization: `Bearer ${accessToken}` } }
  return {
    url: `${url}/api/events/touchpoints`,
    method: 'POST',
    headers: { 'x-skeldir-tenant-key': apiKey },
    body: JSON.stringify({ touchpoints: [TOUCH] }),
  }
}

async function usageOf({ server }: AuthWorld): Promise<Usage> {
  server.send('usage')
  return (await receive(server)) as Usage
}
