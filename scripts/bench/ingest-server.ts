// The server of `npm run bench -- ingest`, in a process of its own: the API as `skeldir serve` runs it, and on a second
// port the same server that verifies each delivery and answers without the database.
//   DATABASE_URL=… SKELDIR_MASTER_KEY=… node scripts/bench/ingest-server.ts
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { loadConfig } from '../../src/config.ts'
import type { Handlers, Reply } from '../../src/contract.ts'
import { createServer } from '../../src/http/bind.ts'
import { authenticators, createCorsPolicy, createLimits, handlers } from '../../src/main/app.ts'
import { createContext } from '../../src/main/context.ts'

const DOORS = ['durable', 'ceiling'] as const
export type Door = (typeof DOORS)[number]

/** Sent to the parent: once after the start, then in answer to each message. */
export type ServerMessage = { urls: Record<Door, string> } | Usage

export interface Usage {
  cpuMicros: number
  rssBytes: number
}

/** What a delivery is answered when its signature was good, and nothing else was done. */
async function receive(ctx: { correlationId: string }): Promise<Reply<'receiveStripeWebhook'>> {
  return { status: 200, body: { result: 'accepted', receipt_id: ctx.correlationId, code: null } }
}

const verifyingOnly: Handlers = {
  ...handlers,
  receiveStripeWebhook: receive,
  receiveShopifyWebhook: receive,
  receivePaypalWebhook: receive,
  receiveWoocommerceWebhook: receive,
}

if (import.meta.main) {
  const ctx = createContext(loadConfig(process.env), 'app_user', 'bench')
  ctx.startAuthentication()
  const listen = async (own: Handlers): Promise<string> => {
    const options = { handlers: own, authenticators, cors: createCorsPolicy(), limits: createLimits() }
    const server = createServer(ctx, options)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const urls = { durable: await listen(handlers), ceiling: await listen(verifyingOnly) }
  const send = (message: ServerMessage) => process.send?.(message)
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    send({ cpuMicros: user + system, rssBytes: process.memoryUsage.rss() })
  })
  process.on('disconnect', () => process.exit(0))
  send({ urls })
}
