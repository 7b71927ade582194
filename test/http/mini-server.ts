import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import pino from 'pino'
import { compileContract, type MiniDocument, type MiniOperation } from '../../scripts/bench/http-contract.ts'
import type { AppContext, Principal } from '../../src/context.ts'
import type { Authenticator } from '../../src/http/authenticate.ts'
import type { CorsPolicy } from '../../src/http/cors.ts'
import { createEngine } from '../../src/http/engine.ts'
import type { Limits } from '../../src/http/exchange.ts'
import type { AnyHandler, AnyReply, AnyRequest } from '../../src/http/operations.ts'
import { closeServer, listenable } from '../../src/http/server.ts'
import { createStaticRoutes } from '../../src/http/static-routes.ts'
import { ProblemError } from '../../src/problem/problem.ts'
import { deriveKeyRing } from '../../src/secrets/keyring.ts'

export const TENANT = '4f0c4ad5-6a4f-4f5e-8f43-3f1b8a3f2a10'

const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'correlation_id'],
  properties: {
    type: { type: 'string', format: 'uri-reference' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string', format: 'uri-reference' },
    code: { type: 'string' },
    correlation_id: { type: 'string', format: 'uuid' },
    errors: { type: 'array', maxItems: 100, items: { type: 'object' } },
  },
  additionalProperties: false,
}
const thing = {
  type: 'object',
  required: ['thing_id'],
  properties: { thing_id: { type: 'string' }, seen: { type: 'object' } },
  additionalProperties: false,
}
const newThing = {
  type: 'object',
  required: ['name'],
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 20 },
    size: { type: 'integer', minimum: 0 },
    parts: { type: 'array', maxItems: 5, items: { type: 'integer' } },
  },
  additionalProperties: false,
}
const correlation = { name: 'X-Correlation-ID', in: 'header', schema: { type: 'string', format: 'uuid' } }

function json(schema: object) {
  return { description: 'ok', content: { 'application/json': { schema } } }
}
function refusals(...statuses: number[]): MiniOperation['responses'] {
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      { description: 'no', content: { 'application/problem+json': { schema: problem } } },
    ]),
  )
}

export const document: MiniDocument = {
  openapi: '3.1.0',
  info: { title: 'Mini <contract>', version: '1.0.0' },
  components: {
    securitySchemes: {
      bearer: { type: 'http', scheme: 'bearer' },
      key: { type: 'apiKey', in: 'header', name: 'X-Key' },
      signature: { type: 'apiKey', in: 'header', name: 'X-Signature' },
    },
  },
  paths: {
    '/things/{thing_id}': {
      get: {
        operationId: 'getThing',
        security: [],
        parameters: [
          correlation,
          { name: 'thing_id', in: 'path', required: true, schema: { type: 'string' } },
          { name: 'limit', in: 'query', schema: { type: 'integer' } },
          { name: 'tag', in: 'query', schema: { type: 'array', items: { type: 'string' } } },
        ],
        responses: { 200: json(thing), 304: { description: 'same' }, ...refusals(404, 406, 422) },
      },
    },
    '/things': {
      post: {
        operationId: 'createThing',
        security: [{ bearer: [] }],
        'x-required-role': 'manager',
        parameters: [correlation],
        requestBody: { required: true, content: { 'application/json': { schema: newThing } } },
        responses: {
          201: {
            ...json(thing),
            headers: { Location: { required: true, schema: { type: 'string', pattern: '^/things/' } } },
          },
          ...refusals(400, 401, 403, 406, 413, 415, 422, 503),
        },
      },
    },
    '/keys': {
      get: {
        operationId: 'getKeys',
        security: [{ key: [] }, { bearer: [] }],
        'x-required-scope': 'things:read',
        responses: { 200: json(thing), ...refusals(401, 403, 406, 422, 503) },
      },
    },
    '/hooks/{hook_key}': {
      post: {
        operationId: 'receiveHook',
        security: [{ signature: [] }],
        'x-raw-body': true,
        parameters: [{ name: 'hook_key', in: 'path', required: true, schema: { type: 'string' } }],
        requestBody: { required: true, content: { 'application/json': { schema: {} } } },
        responses: { 200: json(thing), ...refusals(401, 413, 415, 503) },
      },
    },
    '/probe': {
      get: { operationId: 'probe', security: [], responses: { 200: json(thing), ...refusals(406) } },
    },
  },
}

const staticRoutes = createStaticRoutes(document)

export type Calls = Record<string, (ctx: unknown, request: AnyRequest) => Promise<AnyReply>>

/** What a test may replace. */
export interface MiniOptions {
  handlers?: Partial<Calls>
  authenticators?: Record<string, Authenticator>
  cors?: CorsPolicy
  limits?: Limits
  document?: MiniDocument
  trustedProxies?: string[]
}

export interface MiniServer {
  server: Server
  port: number
  url: string
  /** Parsed log lines, from debug up. */
  logs: Record<string, unknown>[]
  /** operationIds of the handlers that ran. */
  ran: string[]
}

/** A server on a free loopback port over the mini contract. Credentials: `Bearer viewer|manager|admin`, `X-Key: <scope>`, `X-Signature: good`. */
export async function startMini(
  onTestFinished: (stop: () => Promise<void>) => void,
  options: MiniOptions = {},
): Promise<MiniServer> {
  const logs: Record<string, unknown>[] = []
  const ran: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => logs.push(JSON.parse(line)) })
  const app = {
    log,
    clock: () => new Date(),
    config: {},
    db: {},
    keys: deriveKeyRing([Buffer.alloc(32)]),
  } as unknown as AppContext
  const defaults: Calls = {
    getThing: async (_ctx, { params, query, headers }) => ({
      status: 200,
      body: { thing_id: (params as { thing_id: string }).thing_id, seen: { query, headers } },
    }),
    createThing: async () => ({ status: 201, body: { thing_id: 'a' }, headers: { Location: '/things/a' } }),
    getKeys: async (ctx) => ({ status: 200, body: { thing_id: (ctx as { tenantId: string }).tenantId } }),
    receiveHook: async (_ctx, { rawBody, body }) => ({
      status: 200,
      body: { thing_id: rawBody.toString('latin1'), seen: { parsed: body === undefined } },
    }),
    probe: async () => ({ status: 200, body: { thing_id: 'alive' } }),
  }
  const calls = { ...defaults, ...options.handlers } as Calls
  const handlers = Object.fromEntries(
    Object.entries(calls).map(([id, call]) => [
      id,
      (ctx: unknown, request: AnyRequest) => {
        ran.push(id)
        return call(ctx, request)
      },
    ]),
  ) as unknown as Record<string, AnyHandler>
  const server = listenable(
    log,
    createEngine(app, {
      contract: compileContract(options.document ?? document),
      handlers,
      authenticators: { ...authenticators, ...options.authenticators },
      staticRoutes,
      isClosing: () => !server.listening,
      ...(options.cors !== undefined && { cors: options.cors }),
      trustedProxies: options.trustedProxies,
      ...(options.limits !== undefined && { limits: options.limits }),
    }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => closeServer(server, 0))
  const { port } = server.address() as AddressInfo
  return { server, port, url: `http://127.0.0.1:${port}`, logs, ran }
}

const authenticators: Record<string, Authenticator> = {
  bearer: async (_ctx, { headers }): Promise<Principal | null> => {
    const role = /^Bearer (viewer|manager|admin)$/.exec(headers.authorization ?? '')?.[1] as 'viewer' | undefined
    return role === undefined
      ? null
      : {
          kind: 'user',
          tenantId: TENANT,
          userId: TENANT,
          role,
          sessionId: TENANT,
          expiresAt: new Date(Date.now() + 60_000),
        }
  },
  key: async (_ctx, { headers }) => {
    const scope = headers['x-key']
    return typeof scope === 'string' ? { kind: 'key', tenantId: TENANT, keyId: 'k', scopes: [scope] } : null
  },
  signature: async (_ctx, request) => {
    await request.readBody()
    if (request.headers['x-signature'] === 'late') throw new ProblemError('service_unavailable', 'Later.')
    if (request.headers['x-signature'] === 'bug') throw new TypeError('secret internals')
    if (request.headers['x-signature'] !== 'good') throw new ProblemError('unauthorized', 'The signature is wrong.')
    return { kind: 'webhook', tenantId: TENANT, endpointId: 'e', vendor: 'stripe', mode: 'test', shopDomain: null }
  },
}

export const manager = { authorization: 'Bearer manager' }
export const asJson = { 'content-type': 'application/json' }

/** Writes bytes as they are and returns all that comes back until the server closes the connection. */
export function talk(port: number, ...chunks: (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const received: Buffer[] = []
    socket.on('data', (chunk) => received.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(received).toString('latin1')))
    for (const chunk of chunks) socket.write(chunk)
  })
}
