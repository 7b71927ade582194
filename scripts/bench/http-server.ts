// One server of `npm run bench -- http`, in a process of its own.
//   node scripts/bench/http-server.ts <bare|skeldir|openapi-backend|express-openapi-validator> <pairs of generated operations>
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import pino from 'pino'
import type { AppContext } from '../../src/context.ts'
import { loadContract } from '../../src/http/bind.ts'
import { createEngine } from '../../src/http/engine.ts'
import type { AnyHandler, AnyReply, ContractSource } from '../../src/http/operations.ts'
import { listenable } from '../../src/http/server.ts'
import { compileContract, type MiniDocument } from './http-contract.ts'
import { countOperations, generatePaths, loadRealDocument, replies, type Workload } from './http-document.ts'

export type Variant = 'bare' | 'skeldir' | 'openapi-backend' | 'express-openapi-validator'

/** Sent to the parent: once after boot, then in answer to each message. */
export type ServerMessage =
  | { port: number; operations: number; bootMs: number }
  | { cpuMicros: number; rssBytes: number }

function workloadOf(operationId: string): Workload {
  return operationId === 'getLiveness' ? 'live' : operationId.startsWith('get') ? 'get' : 'post'
}

/** The real contract and the generated operations: every contender binds the same document. */
function buildDocument(pairs: number): MiniDocument {
  const real = loadRealDocument()
  return { ...real, paths: { ...real.paths, ...generatePaths(pairs) } }
}

/** Express as one would write it by hand, without any validation. */
function startBare(): Server {
  const app = express()
  app.get('/health/live', (_req, res) => void res.json(replies.live.body))
  app.get('/bench/resource-0/items/:item_id', (_req, res) => void res.json(replies.get.body))
  app.post('/bench/resource-0/items', express.json(), (_req, res) => void res.status(201).json(replies.post.body))
  return createServer(app)
}

function startSkeldir(pairs: number): Server {
  const real = loadContract()
  const generated = compileContract({ ...loadRealDocument(), paths: generatePaths(pairs) })
  const contract: ContractSource = {
    document: buildDocument(pairs),
    operations: { ...real.operations, ...generated.operations },
    requests: { ...real.requests, ...generated.requests },
    requestErrors: { ...real.requestErrors, ...generated.requestErrors },
    replies: { ...real.replies, ...generated.replies },
    replyHeaders: { ...real.replyHeaders, ...generated.replyHeaders },
  }
  const rows = Object.entries(contract.operations)
  const handlers: Record<string, AnyHandler> = Object.fromEntries(
    rows.map(([id]) => {
      const reply: AnyReply = replies[workloadOf(id)]
      return [id, async () => reply]
    }),
  )
  const schemes = [...new Set(rows.flatMap(([, row]) => row.security.flat()))]
  const log = pino({ level: 'info' }, { write: (line: string) => void process.stderr.write(line) })
  const ctx = { log, clock: () => new Date(), config: {}, db: {}, keys: {} } as unknown as AppContext
  const server = listenable(
    log,
    createEngine(ctx, {
      contract,
      handlers,
      authenticators: Object.fromEntries(schemes.map((scheme) => [scheme, async () => null])),
      staticRoutes: [],
      isClosing: () => !server.listening,
    }),
  )
  return server
}

/** As its README shows: Express with JSON bodies, its own router and Ajv, replies held against the contract in postResponseHandler. */
async function startOpenapiBackend(pairs: number): Promise<Server> {
  const { OpenAPIBackend } = await import('openapi-backend')
  const api = new OpenAPIBackend({
    definition: buildDocument(pairs) as never,
    // Its document validator rejects valid OpenAPI 3.1.
    quick: true,
    // Warnings only: it knows no formats.
    ajvOpts: { logger: false },
    handlers: {
      validationFail: (c, _req, res) => res.status(400).json({ errors: c.validation.errors }),
      notFound: (_c, _req, res) => res.status(404).json({}),
      notImplemented: (c, _req, res) => {
        const { status, body } = replies[workloadOf(c.operation.operationId ?? '')]
        res.status(status)
        return body
      },
      postResponseHandler: (c, _req, res) => {
        const { errors } = api.validateResponse(c.response, c.operation as never, res.statusCode)
        return errors ? res.status(500).json({ errors }) : res.json(c.response)
      },
    },
  })
  await api.init()
  const app = express()
  app.use(express.json())
  app.use((req, res) => api.handleRequest(req as never, req, res))
  return createServer(app)
}

async function startExpressOpenapiValidator(pairs: number): Promise<Server> {
  const { middleware } = await import('express-openapi-validator')
  const app = express()
  app.use(express.json())
  app.use(
    middleware({
      apiSpec: buildDocument(pairs) as never,
      validateRequests: true,
      validateResponses: true,
      validateSecurity: false,
    }),
  )
  app.use((req, res) => {
    const { schema } = (req as unknown as { openapi: { schema: { operationId: string } } }).openapi
    const { status, body } = replies[workloadOf(schema.operationId)]
    // A copy: the validator writes into the body that it is given.
    res.status(status).json({ ...body })
  })
  app.use(
    (error: { status?: number; message: string }, _req: express.Request, res: express.Response, _next: unknown) => {
      res.status(error.status ?? 500).json({ message: error.message })
    },
  )
  return createServer(app)
}

if (import.meta.main) {
  const [variant = '', pairs = '1'] = process.argv.slice(2)
  const starts: Record<Variant, (pairs: number) => Server | Promise<Server>> = {
    bare: startBare,
    skeldir: startSkeldir,
    'openapi-backend': startOpenapiBackend,
    'express-openapi-validator': startExpressOpenapiValidator,
  }
  const before = performance.now()
  const server = await starts[variant as Variant](Number(pairs))
  const operations = variant === 'bare' ? 3 : countOperations(buildDocument(Number(pairs)))
  const send = (message: ServerMessage) => process.send?.(message)
  server.listen(0, '127.0.0.1', () => {
    send({ port: (server.address() as AddressInfo).port, operations, bootMs: Math.round(performance.now() - before) })
  })
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    send({ cpuMicros: user + system, rssBytes: process.memoryUsage.rss() })
  })
  process.on('disconnect', () => process.exit(0))
}
