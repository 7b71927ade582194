// What `npm run bench -- attribution` asks over HTTP: the API in a process of its own as `skeldir api` runs it, on one port, and
// on another with a verifyToken that reads nothing in a transaction of its tenant.
//   DATABASE_URL=… SKELDIR_MASTER_KEY=… node scripts/bench/attribution-server.ts
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { sql } from 'kysely'
import { loadConfig } from '../../src/config.ts'
import type { AppContext, TenantContext } from '../../src/context.ts'
import type { Handlers, Reply, Request } from '../../src/contract.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { createServer } from '../../src/http/bind.ts'
import { authenticators, createCorsPolicy, createLimits, handlers } from '../../src/main/app.ts'
import { createContext } from '../../src/main/context.ts'

/** Sent to the parent: once after the start, then microseconds of processor time in answer to each message. */
export type ServerMessage = { real: string; empty: string } | { cpuMicros: number }

async function verifyToken(ctx: TenantContext, request: Request<'verifyToken'>): Promise<Reply<'verifyToken'>> {
  await inTenant(ctx.db.main, ctx, (tx) => sql`select 1`.execute(tx))
  return await handlers.verifyToken(ctx, request)
}

async function listen(ctx: AppContext, own: Partial<Handlers>): Promise<string> {
  const options = { authenticators, cors: createCorsPolicy(), limits: createLimits() }
  const server = createServer(ctx, { ...options, handlers: { ...handlers, ...own } })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const ctx = createContext(loadConfig(process.env), 'app_user', 'bench')
ctx.startAuthentication()
const send = (message: ServerMessage) => process.send?.(message)
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  send({ cpuMicros: user + system })
})
process.on('disconnect', () => process.exit(0))
send({ real: await listen(ctx, {}), empty: await listen(ctx, { verifyToken }) })
