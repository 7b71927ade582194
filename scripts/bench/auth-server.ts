// The server of `npm run bench -- auth`, in a process of its own: the API as `skeldir api` runs it, on a port, and on
// further ports the same with less.
//   DATABASE_URL=… SKELDIR_MASTER_KEY=… node scripts/bench/auth-server.ts
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { loadConfig } from '../../src/config.ts'
import type { AppContext, Principal, TenantContext, VerifiedCache } from '../../src/context.ts'
import type { Handlers, Reply, Request } from '../../src/contract.ts'
import { type Authenticator, type BindOptions, createServer } from '../../src/http/bind.ts'
import { authenticators, createCorsPolicy, createLimits, handlers as realHandlers } from '../../src/main/app.ts'
import { createContext } from '../../src/main/context.ts'
import { countStatements, type Statements } from './auth-statements.ts'

/**
 * The ways in. `uncounted` has no quotas. Neither have the others: to `forgetful` every credential is new, and `unchecked`
 * lets in whoever asks.
 */
const DOORS = ['real', 'uncounted', 'forgetful', 'unchecked'] as const
export type Door = (typeof DOORS)[number]

/** Sent to the parent: once after the start, then in answer to each message. */
export type ServerMessage = { urls: Record<Door, string> } | Usage

export interface Usage {
  cpuMicros: number
  requests: number
  statements: Statements
}

/** Of the one operation that takes a key: what becomes of touches is not what is measured here. */
async function ingestTouchpoints(
  _ctx: TenantContext,
  { body }: Request<'ingestTouchpoints'>,
): Promise<Reply<'ingestTouchpoints'>> {
  const results = body.touchpoints.map(({ event_id }) => ({ event_id, result: 'accepted' as const, code: null }))
  return { status: 200, body: { accepted: results.length, duplicates: 0, rejected: 0, results } }
}

const handlers: Handlers = { ...realHandlers, ingestTouchpoints }

function forgetting<T>(): VerifiedCache<T> {
  return { get: () => undefined, set: () => {}, delete: () => {} }
}

/** Asks once, and lets everybody in as that one. */
function letIn(authenticate: Authenticator): Authenticator {
  let known: Promise<Principal | null> | undefined
  return (ctx, request) => {
    known ??= authenticate(ctx, request)
    return known
  }
}

function optionsOf(door: Door): BindOptions {
  const cors = createCorsPolicy()
  if (door === 'real') return { handlers, authenticators, cors, limits: createLimits() }
  if (door !== 'unchecked') return { handlers, authenticators, cors }
  const open = Object.entries(authenticators).map(([scheme, authenticate]) => [scheme, letIn(authenticate)])
  return { handlers, authenticators: Object.fromEntries(open), cors }
}

/** Requests that have come, and those that have no answer yet. */
const requests = { come: 0, open: 0 }

async function listen(ctx: AppContext, door: Door): Promise<string> {
  const forgets = { verifiedTokens: forgetting(), verifiedKeys: forgetting() } satisfies Partial<AppContext>
  const server = createServer(door === 'forgetful' ? { ...ctx, ...forgets } : ctx, optionsOf(door))
  server.on('request', (_req, res) => {
    requests.come += 1
    requests.open += 1
    res.on('close', () => {
      requests.open -= 1
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A load that ends leaves requests behind, and what they wait for in the pool: it must not count as the next one's. */
async function untilQuiet({ db }: AppContext): Promise<void> {
  const { pool } = db.main
  while (requests.open > 0 || pool.waitingCount > 0 || pool.idleCount < pool.totalCount) await setImmediate()
}

if (import.meta.main) {
  const statements = countStatements()
  const ctx = createContext(loadConfig(process.env), 'app_user', 'bench')
  ctx.startAuthentication()
  const urls = Object.fromEntries(await Promise.all(DOORS.map(async (door) => [door, await listen(ctx, door)])))
  const send = (message: ServerMessage) => process.send?.(message)
  process.on('message', async () => {
    await untilQuiet(ctx)
    const { user, system } = process.cpuUsage()
    send({ cpuMicros: user + system, requests: requests.come, statements: statements() })
  })
  process.on('disconnect', () => process.exit(0))
  send({ urls })
}
