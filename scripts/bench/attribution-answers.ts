import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import type pg from 'pg'
import { loadConfig } from '../../src/config.ts'
import { createContext } from '../../src/main/context.ts'
import { setRateLimit } from '../../src/tenants/limits/service.ts'
import { createUser } from '../../src/tenants/service.ts'
import { addSale, fillToday, removeSales, type ShopSize, slugOf, spanOf } from './attribution-rows.ts'
import type { ServerMessage } from './attribution-server.ts'
import { median } from './auth-turns.ts'
import { logIn, receive } from './auth-world.ts'

/** So many requests a minute that none of the bench's is refused: the most that a tenant can be given. */
const PER_MINUTE = 10_000_000
const REPORT_CALLS = 7
const ROUNDS = 9
/** One after the other. */
const ROUND_CALLS = 300
/** Of the counter, each after another sale: it is added up anew. */
const COUNTED_CALLS = 40

export interface ReportRow {
  operation: string
  /** Milliseconds, medians. */
  p50Ms: number
  slowestMs: number
}

/** Processor time is that of the API's process; both are medians. */
export interface CallRow {
  name: string
  cpuMicros: number
  ms: number
}

export interface Answers {
  /** Over all days of the shop. */
  reports: ReportRow[]
  /** Of the realtime counter, and what it is compared with. */
  calls: { unchanged: CallRow; empty: CallRow; verify: CallRow; counted: CallRow }
  /** Medians of the quotients within each round. */
  unchangedOverEmpty: { cpu: number; ms: number }
}

interface Call {
  name: string
  url: string
  headers: Record<string, string>
  status: number
}

/** Asks the API for the reports of a shop whose orders are published, and for its counter of today. */
export async function measureAnswers(
  env: NodeJS.ProcessEnv,
  admin: pg.Client,
  shop: ShopSize,
  say: (line: string) => void,
): Promise<Answers> {
  const login = await provision(env, shop)
  await fillToday(admin, shop)
  const path = join(import.meta.dirname, 'attribution-server.ts')
  const server = spawn(process.execPath, [path], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    const { real, empty } = (await receive(server)) as Extract<ServerMessage, { real: string }>
    const headers = { authorization: `Bearer ${await logIn(real, login)}` }
    say('reports over all days')
    const reports = await measureReports(agent, { real, headers }, shop)
    say('the counter of today')
    return { reports, ...(await measureCounter({ agent, server, admin, shop }, { real, empty, headers })) }
  } finally {
    agent.destroy()
    const ended = once(server, 'exit')
    server.disconnect()
    await ended
    await removeSales(admin, shop)
  }
}

async function provision(env: NodeJS.ProcessEnv, shop: ShopSize): Promise<{ email: string; password: string }> {
  const ctx = createContext(loadConfig(env), 'app_rw', 'bench')
  try {
    const tenantSlug = slugOf(shop)
    const { email, password } = await createUser(ctx, { tenantSlug, email: 'viewer@bench.example', role: 'viewer' })
    await setRateLimit(ctx, { tenantSlug, policy: 'default', perMinute: PER_MINUTE })
    return { email, password: password as string }
  } finally {
    await ctx.close()
  }
}

async function measureReports(
  agent: Agent,
  { real, headers }: { real: string; headers: Record<string, string> },
  shop: ShopSize,
): Promise<ReportRow[]> {
  const { from, to } = spanOf(shop)
  const span = `start_date=${from}&end_date=${to}`
  const rows: ReportRow[] = []
  for (const [operation, path] of [
    ['getChannelAttribution', `/api/attribution/channels?model=linear&${span}`],
    ['getChannelAttribution, by day', `/api/attribution/channels?model=linear&group_by=day&${span}`],
    ['compareAttributionModels', `/api/attribution/models/compare?${span}`],
    ['getDailyRevenue', `/api/v1/revenue/daily?${span}`],
  ] as const) {
    const call = { name: operation, url: `${real}${path}`, headers, status: 200 }
    const times: number[] = []
    for (let index = 0; index < REPORT_CALLS; index += 1) times.push((await ask(agent, call)).ms)
    rows.push({ operation, p50Ms: median(times), slowestMs: Math.max(...times) })
  }
  return rows
}

async function measureCounter(
  { agent, server, admin, shop }: { agent: Agent; server: ChildProcess; admin: pg.Client; shop: ShopSize },
  { real, empty, headers }: { real: string; empty: string; headers: Record<string, string> },
): Promise<Omit<Answers, 'reports'>> {
  const counter = { name: 'counter of today, added up', url: `${real}/api/v1/revenue/realtime`, headers, status: 200 }
  const usage = async () => {
    server.send('usage')
    return ((await receive(server)) as Extract<ServerMessage, { cpuMicros: number }>).cpuMicros
  }
  const run = async (call: Call, calls: number, before = async () => {}): Promise<CallRow> => {
    const times: number[] = []
    const cpu = await usage()
    for (let index = 0; index < calls; index += 1) {
      await before()
      times.push((await ask(agent, call)).ms)
    }
    return { name: call.name, cpuMicros: ((await usage()) - cpu) / calls, ms: median(times) }
  }
  const counted = await run(counter, COUNTED_CALLS, () => addSale(admin, shop))
  const { etag = '' } = await ask(agent, counter)
  const calls: Call[] = [
    { ...counter, name: 'counter of today, 304', headers: { ...headers, 'if-none-match': etag }, status: 304 },
    { name: 'a read of nothing', url: `${empty}/api/auth/verify`, headers, status: 200 },
    { name: 'verifyToken, without the database', url: `${real}/api/auth/verify`, headers, status: 200 },
  ]
  for (const call of calls) await run(call, ROUND_CALLS)
  const rounds: CallRow[][] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const rows: CallRow[] = []
    for (const call of round % 2 === 0 ? calls : calls.toReversed()) rows.push(await run(call, ROUND_CALLS))
    rounds.push(round % 2 === 0 ? rows : rows.reverse())
  }
  const middle = (place: number): CallRow => {
    const rows = rounds.map((round) => round[place] as CallRow)
    const of = (pick: (row: CallRow) => number) => median(rows.map(pick))
    return { name: (calls[place] as Call).name, cpuMicros: of(({ cpuMicros }) => cpuMicros), ms: of(({ ms }) => ms) }
  }
  const overEmpty = (pick: (row: CallRow) => number) =>
    median(rounds.map(([unchanged, other]) => pick(unchanged as CallRow) / pick(other as CallRow)))
  return {
    calls: { unchanged: middle(0), empty: middle(1), verify: middle(2), counted },
    unchangedOverEmpty: { cpu: overEmpty(({ cpuMicros }) => cpuMicros), ms: overEmpty(({ ms }) => ms) },
  }
}

/** Throws when it is answered with another status. */
function ask(agent: Agent, { name, url, headers, status }: Call): Promise<{ ms: number; etag: string | undefined }> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const req = request(url, { agent, headers }, (res) => {
      res.resume()
      res.on('error', reject)
      res.on('end', () => {
        if (res.statusCode !== status) reject(new Error(`${name} was answered ${res.statusCode}, not ${status}`))
        else resolve({ ms: performance.now() - startedAt, etag: res.headers.etag })
      })
    })
    req.on('error', reject)
    req.end()
  })
}
