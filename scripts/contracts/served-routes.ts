// Starts the API of a checkout without a database and tells what it serves, as JSON. A child process of the routes gate,
// since a process can load the sources of one checkout only once.
//   node scripts/contracts/served-routes.ts <root>
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { Agent, request, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export interface ServedRoutes {
  /** Of generated/operations.ts. */
  operations: Record<string, { method: string; path: string; stability: string }>
  /** Keys of the handler map. */
  handlers: string[]
  /** operationIds that are announced to answer 501; null where the list does not exist. */
  notImplemented: string[] | null
  /** Files under src that export handlers, by operationId. */
  written: Record<string, string>
  staticPaths: string[]
  /** What was registered with any router, `GET /x/{id}`; static routes are all GET. */
  registered: { method: string; path: string }[]
  /** Why the server could not be made. */
  bootError: string | null
  /** Answers that differ from what the table of operations says. */
  surprises: { method: string; path: string; status: number; allow: string | null; wanted: string }[]
  probes: number
}

const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH', 'TRACE', 'QUERY']
/** Where servers like to have what nobody documented. */
const USUAL_SHADOWS = [
  '/admin',
  '/api',
  '/debug',
  '/env',
  '/graphql',
  '/health',
  '/healthz',
  '/internal',
  '/openapi.json',
  '/status',
  '/swagger',
  '/test',
  '/version',
]
const CONCURRENT = 16

type Row = { method: string; path: string; stability: string }

async function inspect(root: string): Promise<ServedRoutes> {
  const load = (path: string): Promise<Record<string, unknown>> => import(pathToFileURL(join(root, path)).href)
  const routes = recordRegistrations(root)
  const { operations } = (await load('generated/operations.ts')) as { operations: Record<string, Row> }
  const { handlers, authenticators } = (await load('src/main/app.ts')) as {
    handlers: Record<string, unknown>
    authenticators: Record<string, unknown>
  }
  const { createServer, loadContract } = (await load('src/http/bind.ts')) as {
    createServer: (ctx: object, options: object) => Server
    loadContract: () => { document: object }
  }
  const { createStaticRoutes } = (await load('src/http/static-routes.ts')) as {
    createStaticRoutes: (document: object) => { path: string }[]
  }
  const { ProblemError } = (await load('src/problem/problem.ts')) as {
    ProblemError: new (code: string, detail: string) => Error
  }
  const result: ServedRoutes = {
    operations: Object.fromEntries(
      Object.entries(operations).map(([id, { method, path, stability }]) => [id, { method, path, stability }]),
    ),
    handlers: Object.keys(handlers),
    notImplemented: existsSync(join(root, 'src/main/not-implemented.ts'))
      ? readList(await load('src/main/not-implemented.ts'))
      : null,
    written: await findWritten(root, load),
    staticPaths: createStaticRoutes(loadContract().document).map(({ path }) => path),
    registered: [],
    bootError: null,
    surprises: [],
    probes: 0,
  }
  // The real routes with handlers that only say that they were reached, and without credentials.
  const reached = async () => {
    throw new ProblemError('not_implemented', 'The route was reached.')
  }
  const { notImplemented } = await load('src/contract.ts')
  const isListed = (id: string) => notImplemented !== undefined && handlers[id] === notImplemented
  const stubs = Object.fromEntries(Object.keys(operations).map((id) => [id, isListed(id) ? notImplemented : reached]))
  const refused = Object.fromEntries(Object.keys(authenticators).map((scheme) => [scheme, async () => null]))
  let server: Server
  try {
    server = createServer(stubContext(), { handlers: stubs, authenticators: refused })
  } catch (error) {
    result.bootError = error instanceof Error ? error.message : String(error)
    return result
  }
  result.registered = [...routes(), ...expressRoutes(server)]
  await probe(server, result)
  return result
}

/** The keys of every `…Handlers` object that the handlers.ts of a domain exports. */
async function findWritten(
  root: string,
  load: (path: string) => Promise<Record<string, unknown>>,
): Promise<Record<string, string>> {
  const written: Record<string, string> = {}
  for (const name of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).sort()) {
    if (!/(?:^|[\\/])handlers\.ts$/.test(name)) continue
    const file = `src/${name.replaceAll('\\', '/')}`
    for (const [key, value] of Object.entries(await load(file))) {
      if (!key.endsWith('Handlers') || typeof value !== 'object' || value === null) continue
      for (const id of Object.keys(value)) written[id] = file
    }
  }
  return written
}

function readList(module: Record<string, unknown>): string[] {
  return Object.keys((module.notImplementedOperations ?? {}) as object)
}

function stubContext(): object {
  const log: Record<string, unknown> = { child: () => log }
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) log[level] = () => undefined
  const config = { publicUrl: 'http://127.0.0.1', ingest: { maxWaiting: 1 } }
  return { config, log, clock: () => new Date(), db: {}, keys: {} }
}

/** find-my-way has no list of its own that keeps templates; every route passes through `on`. */
function recordRegistrations(root: string): () => { method: string; path: string }[] {
  const require = createRequire(join(root, 'package.json'))
  const { prototype } = require('find-my-way') as { prototype: { on: (...args: unknown[]) => unknown } }
  const seen: { method: string; path: string; names: string[] }[] = []
  const { on } = prototype
  prototype.on = function (this: unknown, ...args: unknown[]) {
    const [method, path] = args as [string | string[], string]
    const { names = [] } = (args.at(-1) ?? {}) as { names?: string[] }
    for (const each of [method].flat()) seen.push({ method: each, path, names })
    return on.apply(this, args)
  }
  return () =>
    seen.map(({ method, path, names }) => ({
      method,
      path: path.replace(/:p(\d+)/g, (_, index: string) => `{${names[Number(index)] ?? ''}}`).replaceAll('::', ':'),
    }))
}

interface Layer {
  name?: string
  slash?: boolean
  route?: { path: string; methods: Record<string, boolean> }
  handle?: { stack?: Layer[] }
}

/** What Express itself would answer, beside the one middleware that holds all operations. */
function expressRoutes(server: Server): { method: string; path: string }[] {
  const found: { method: string; path: string }[] = []
  const listeners = server.listeners('request') as unknown as { router?: { stack?: Layer[] } }[]
  for (const listener of listeners.slice(1))
    found.push({ method: '*', path: `another request listener${listener.router === undefined ? '' : ' (Express)'}` })
  const walk = (layers: Layer[]) => {
    for (const { name = '', slash, route, handle } of layers) {
      if (route !== undefined) {
        for (const method of Object.keys(route.methods))
          found.push({ method: method.toUpperCase(), path: String(route.path) })
      } else if (handle?.stack !== undefined) walk(handle.stack)
      else if (slash === false) found.push({ method: '*', path: `the middleware ${name}` })
    }
  }
  walk(listeners[0]?.router?.stack ?? [])
  return found
}

interface Probe {
  method: string
  path: string
  wanted: 'served' | 'no method' | 'no path' | 'options'
  allow: string
}

async function probe(server: Server, result: ServedRoutes): Promise<void> {
  const methodsByPath = new Map<string, Set<string>>()
  for (const { method, path } of Object.values(result.operations)) {
    methodsByPath.set(path, (methodsByPath.get(path) ?? new Set()).add(method.toUpperCase()))
  }
  for (const path of result.staticPaths) methodsByPath.set(path, (methodsByPath.get(path) ?? new Set()).add('GET'))
  const fill = (path: string) => path.replaceAll(/\{[^}]+\}/g, 'probe')
  const known = new Set([...methodsByPath.keys()].map(fill))
  const probes: Probe[] = []
  for (const [path, methods] of methodsByPath) {
    // Of templates that fit each serves what it has; a path without one comes before them (OpenAPI 3.1, Paths Object).
    const fitting = [...methodsByPath].filter(([template]) => matches(template, fill(path)))
    const all = path.includes('{') ? fitting.flatMap(([, own]) => [...own]) : [...methods]
    const served = new Set(all.includes('GET') ? [...all, 'HEAD'] : all)
    const allow = [...served, 'OPTIONS'].sort().join(', ')
    // A problem page of a code that does not exist is 404, and rightly so.
    const isTemplate = result.staticPaths.includes(path) && path.includes('{')
    for (const method of METHODS) {
      if (isTemplate && served.has(method)) continue
      const wanted = served.has(method) ? 'served' : method === 'OPTIONS' ? 'options' : 'no method'
      probes.push({ method, path: fill(path), wanted, allow })
    }
    const neighbours = [`${fill(path)}/`, fill(path).replace(/[a-z]/, (letter) => letter.toUpperCase())]
    for (const neighbour of neighbours) {
      if (path === '/' || known.has(neighbour)) continue
      for (const method of methods) probes.push({ method, path: neighbour, wanted: 'no path', allow })
    }
  }
  for (const path of USUAL_SHADOWS)
    if (!known.has(path)) probes.push({ method: 'GET', path, wanted: 'no path', allow: '' })
  await ask(server, probes, result)
}

function matches(template: string, path: string): boolean {
  const [wanted, given] = [template.split('/'), path.split('/')]
  return wanted.length === given.length && wanted.every((part, index) => part.startsWith('{') || part === given[index])
}

async function ask(server: Server, probes: Probe[], result: ServedRoutes): Promise<void> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENT })
  const pending = probes.values()
  const work = async () => {
    for (const { method, path, wanted, allow } of pending) {
      const answer = await send(agent, port, method, path)
      const isFine = {
        served: answer.status !== 404 && answer.status !== 405,
        options: answer.status === 204 && answer.allow === allow,
        'no method': answer.status === 405 && answer.allow === allow,
        'no path': answer.status === 404,
      }[wanted]
      if (!isFine) result.surprises.push({ method, path, ...answer, wanted })
      result.probes += 1
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT }, work))
  agent.destroy()
  server.closeAllConnections()
  server.close()
}

function send(
  agent: Agent,
  port: number,
  method: string,
  path: string,
): Promise<{ status: number; allow: string | null }> {
  return new Promise((resolve, reject) => {
    const req = request({ agent, host: '127.0.0.1', port, method, path, headers: { Accept: '*/*' } }, (res) => {
      res.resume()
      res.on('end', () => resolve({ status: res.statusCode ?? 0, allow: res.headers.allow ?? null }))
    })
    req.on('error', reject)
    req.end()
  })
}

if (import.meta.main) {
  const [root = '.'] = process.argv.slice(2)
  try {
    process.stdout.write(JSON.stringify(await inspect(root)))
  } catch (error) {
    // The stack begins with the file that cannot be read, which the message does not name.
    process.stderr.write(error instanceof Error ? `${error.message}\n${error.stack}` : String(error))
    process.exitCode = 1
  }
}
