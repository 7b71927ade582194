// The API, with two answers spoiled as a faulty handler would spoil them if the server let it. Only prove.ts starts it.

import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exitWithParent } from '../../../src/cli/supervised.ts'
import { loadConfig } from '../../../src/config.ts'
import { startApi } from '../../../src/main/api.ts'

interface Answer {
  status: number
  body: Buffer
}

/** By path, for GET answered 200. The server itself would refuse to send either: it holds replies against the contract. */
const spoil: Record<string, (answer: Answer) => Answer> = {
  '/health/live': ({ body }) => ({ status: 203, body }),
  '/api/auth/verify': ({ status, body }) => ({
    status,
    body: Buffer.from(JSON.stringify({ ...JSON.parse(body.toString()), role: 'owner' })),
  }),
}

function pass(port: number, req: IncomingMessage, res: ServerResponse): void {
  const { method, url = '/', rawHeaders } = req
  const inner = request(
    { host: '127.0.0.1', port, method, path: url, headers: rawHeaders, agent: false },
    async (answer) => {
      const body = Buffer.concat(await answer.toArray())
      const status = answer.statusCode ?? 502
      const change = method === 'GET' && status === 200 ? spoil[url.split('?')[0] ?? ''] : undefined
      const sent = change?.({ status, body }) ?? { status, body }
      const headers = { ...answer.headers, connection: 'close' }
      if (change !== undefined) headers['content-length'] = String(sent.body.length)
      res.writeHead(sent.status, headers).end(sent.body)
    },
  )
  inner.on('error', () => res.destroy())
  req.pipe(inner)
}

const api = await startApi(loadConfig({ ...process.env, PORT: '0' }))
const inside = Number(new URL(api.url).port)
const front = createServer((req, res) => pass(inside, req, res)).listen(0, '127.0.0.1')
await once(front, 'listening')
process.once('SIGTERM', async () => {
  front.close()
  front.closeAllConnections()
  await api.stop()
  process.exit(0)
})
exitWithParent()
console.error(`listening on http://127.0.0.1:${(front.address() as AddressInfo).port}`)
