import { randomInt, randomUUID } from 'node:crypto'
import type { Ids } from './auth-rows.ts'
import {
  type Ask,
  type Contender,
  type Measure,
  median,
  ratioOf,
  takeTurns,
  toldApart,
  turnsAtMost,
} from './auth-turns.ts'
import type { AuthWorld } from './auth-world.ts'

const LOOKUPS: Measure = { calls: 1_000, warmUp: 50, milliseconds: 6_000 }
const LOGINS: Measure = { calls: 70, warmUp: 5, milliseconds: 12_000 }

/** Accounts of each kind that `measureLogins` uses up: an account that fails again and again has to wait. */
export const PEOPLE = turnsAtMost(LOGINS)

export interface TimingRow {
  name: string
  calls: number
  /** Milliseconds at the caller, medians. */
  ms: number
  baseMs: number
  ratio: number
  /** 0.5 to 1. */
  toldApart: number
}

/** Operations that take the id of something of the tenant's; what they would do to it, they do not do to another's. */
const LOOKUP_CASES: readonly {
  operation: string
  method: Ask['method']
  path: (id: string) => string
  things: keyof Ids
  missing: () => string
}[] = [
  {
    operation: 'getRecomputeJob',
    method: 'GET',
    path: (id) => `/api/attribution/recompute/${id}`,
    things: 'jobs',
    missing: randomUUID,
  },
  {
    operation: 'getOrderCredits',
    method: 'GET',
    path: (id) => `/api/attribution/orders/${id}/credits`,
    things: 'orders',
    missing: () => `shopify:${randomInt(50_000, 99_999)}`,
  },
  {
    operation: 'revokeSession',
    method: 'DELETE',
    path: (id) => `/api/auth/sessions/${id}`,
    things: 'sessions',
    missing: randomUUID,
  },
  {
    operation: 'revokeApiKey',
    method: 'DELETE',
    path: (id) => `/api/tenant/api-keys/${id}`,
    things: 'keys',
    missing: randomUUID,
  },
  {
    operation: 'removeMember',
    method: 'DELETE',
    path: (id) => `/api/tenant/members/${id}`,
    things: 'members',
    missing: randomUUID,
  },
]

/** The time of `404` for ids of another tenant's things over that for ids of nothing. */
export async function measureForeign(world: AuthWorld, say: (line: string) => void): Promise<TimingRow[]> {
  const headers = { authorization: `Bearer ${world.accessToken}` }
  const rows: TimingRow[] = []
  for (const { operation, method, path, things, missing } of LOOKUP_CASES) {
    say(`foreign and missing ids: ${operation}`)
    const ids = world.foreign[things]
    const contenders: Contender[] = [
      { name: `${operation}, missing`, ask: () => ({ method, path: path(missing()), headers }) },
      { name: operation, ask: (turn) => ({ method, path: path(ids[turn % ids.length] as string), headers }) },
    ]
    const [none, foreign] = await takeTurns(contenders, { url: world.urls.real, status: 404, ...LOOKUPS })
    if (foreign !== undefined && none !== undefined) rows.push(compare(foreign, none))
  }
  return rows
}

/** The time of a log-in that is refused, by its reason, over that of somebody who has no account. */
export async function measureLogins(world: AuthWorld, say: (line: string) => void): Promise<TimingRow[]> {
  say('log-ins')
  const { password, active, disabled, elsewhere } = world.people
  const wrong = password.replace('horse', 'house')
  const attempt = (who: (turn: number) => string | undefined, secret: string) => (turn: number) => {
    const body = JSON.stringify({ email: who(turn), password: secret, tenant: world.slug })
    return {
      method: 'POST' as const,
      path: '/api/auth/login',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': newAddress() },
      body,
    }
  }
  const [unknown, ...others] = await takeTurns(
    [
      { name: 'unknown user', ask: attempt((turn) => `nobody-${String(turn).padStart(5, '0')}@bench.example`, wrong) },
      { name: 'wrong password', ask: attempt((turn) => active[turn], wrong) },
      { name: 'disabled user, right password', ask: attempt((turn) => disabled[turn], password) },
      { name: "another tenant's user, right password", ask: attempt((turn) => elsewhere[turn], password) },
    ],
    { url: world.urls.real, status: 401, ...LOGINS },
  )
  return unknown === undefined ? [] : others.map((other) => compare(other, unknown))
}

function compare(...[own, base]: Parameters<typeof ratioOf>): TimingRow {
  return {
    name: own.name,
    calls: own.ms.length,
    ms: median(own.ms),
    baseMs: median(base.ms),
    ratio: ratioOf(own, base),
    toldApart: toldApart(own, base),
  }
}

/** Of a network that is nobody's (RFC 2544): one address may not fail often. */
function newAddress(): string {
  return `198.${randomInt(18, 20)}.${randomInt(256)}.${randomInt(256)}`
}
