import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CheckContext } from '../context.ts'
import { lineOf } from '../files.ts'
import type { Fault, Position } from '../finding.ts'
import type { Gate } from '../gate.ts'
import type { ServedRoutes } from '../served-routes.ts'
import { placeOfKey } from '../source.ts'

const APP = 'src/main/app.ts'
const STATIC = 'src/http/static-routes.ts'
const NOT_IMPLEMENTED = 'src/main/not-implemented.ts'

export const routesGate: Gate = {
  name: 'routes',
  description: 'the server serves every operation, and nothing that is not documented',
  profiles: ['skeldir'],
  needs: [],
  inputs: () => ['src', 'generated', 'package-lock.json'],
  skip: (ctx) =>
    ctx.isOwn && existsSync(join(ctx.root, APP)) ? undefined : 'there is no server that belongs to these documents',
  rules: [
    {
      id: 'routes/handlers',
      gate: 'routes',
      description: `Every operation has a handler, written or in \`${NOT_IMPLEMENTED}\`; every handler has an operation.`,
      check: async (ctx) => handlerFaults(ctx, await served(ctx)),
    },
    {
      id: 'routes/not-implemented',
      gate: 'routes',
      description: `\`${NOT_IMPLEMENTED}\` lists operations of the contract only, and each of them is a draft.`,
      check: async (ctx) => listFaults(ctx, await served(ctx)),
    },
    {
      id: 'routes/shadow',
      gate: 'routes',
      description: `Every route that is registered with a router is an operation or stands in \`${STATIC}\`.`,
      check: async (ctx) => shadowFaults(ctx, await served(ctx)),
    },
    {
      id: 'routes/methods',
      gate: 'routes',
      description:
        'The running server answers each path for its own methods alone (nine are tried, 405 with `Allow` for the others), and 404 with a trailing slash or in another case.',
      check: async (ctx) => surpriseFaults(ctx, await served(ctx)),
    },
  ],
}

type Served = ServedRoutes | { failure: string }

function served(ctx: CheckContext): Promise<Served> {
  return ctx.once('served routes', () => {
    const script = fileURLToPath(new URL('../served-routes.ts', import.meta.url))
    return new Promise<Served>((resolve) => {
      const child = spawn(process.execPath, [script, ctx.root], { cwd: ctx.root, stdio: ['ignore', 'pipe', 'pipe'] })
      let output = ''
      let errors = ''
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk
      })
      child.stderr.on('data', (chunk: Buffer) => {
        errors += chunk
      })
      child.on('error', (error) => resolve({ failure: error.message }))
      child.on('close', (code) => resolve(code === 0 ? (JSON.parse(output) as ServedRoutes) : { failure: errors }))
    })
  })
}

function handlerFaults(ctx: CheckContext, routes: Served): Fault[] {
  if ('failure' in routes) {
    const [first = 'unknown'] = routes.failure.trim().split('\n')
    return [{ message: `the server cannot be loaded: ${first}`, at: placeInCode(ctx, routes.failure) }]
  }
  const handlers = new Set(routes.handlers)
  const operations = Object.keys(routes.operations)
  const missing = operations.filter((id) => !handlers.has(id))
  const extra = routes.handlers.filter((id) => routes.operations[id] === undefined)
  return [
    ...missing.map((id) => ({ message: `the operation ${id} has no handler`, at: placeOfDomain(ctx, id) })),
    ...extra.map((id) => ({ message: `the handler ${id} has no operation`, at: placeOfHandler(ctx, id, routes) })),
    ...(routes.bootError === null
      ? []
      : [
          {
            message: `the server does not start: ${routes.bootError.replaceAll(/\s+/g, ' ')}`,
            at: search(ctx, APP, 'authenticators'),
          },
        ]),
  ]
}

function listFaults(ctx: CheckContext, routes: Served): Fault[] {
  if ('failure' in routes || routes.notImplemented === null) return []
  return routes.notImplemented.flatMap((id): Fault[] => {
    const at = search(ctx, NOT_IMPLEMENTED, id)
    const operation = routes.operations[id]
    if (operation === undefined) return [{ message: `${id} is no operation of the contract`, at }]
    if (operation.stability !== 'draft')
      return [{ message: `${id} is ${operation.stability}, so it must be implemented`, at }]
    const written = routes.written[id]
    return written === undefined ? [] : [{ message: `${id} has a handler in ${written}; take it off the list`, at }]
  })
}

function shadowFaults(ctx: CheckContext, routes: Served): Fault[] {
  if ('failure' in routes) return []
  const documented = new Set(
    Object.values(routes.operations).map(({ method, path }) => `${method.toUpperCase()} ${path}`),
  )
  const statics = new Set(routes.staticPaths.map((path) => `GET ${path}`))
  return routes.registered.flatMap(({ method, path }): Fault[] =>
    documented.has(`${method} ${path}`) || statics.has(`${method} ${path}`)
      ? []
      : [
          {
            message: `${method} ${path} is served, but is no operation and not in ${STATIC}`,
            at: placeOfLiteral(ctx, path),
          },
        ],
  )
}

function surpriseFaults(ctx: CheckContext, routes: Served): Fault[] {
  if ('failure' in routes) return []
  return routes.surprises.map(({ method, path, status, allow, wanted }) => {
    const said = {
      served: 'must be served',
      options: 'must name the methods of the path',
      'no method': 'must be 405 with the methods of the path',
      'no path': 'must be 404',
    }[wanted]
    const message = `${method} ${path} is answered ${status}${allow === null ? '' : ` (Allow: ${allow})`}; it ${said}`
    return { message, at: placeOfPath(ctx, method, path) }
  })
}

function placeOfPath(ctx: CheckContext, method: string, path: string): Fault['at'] {
  const shape = (text: string) =>
    text
      .replaceAll(/\{[^}]+\}/g, 'probe')
      .replace(/\/$/, '')
      .toLowerCase()
  const same = ctx.source().operations.filter((operation) => shape(operation.path) === shape(path))
  const operation = same.find((each) => each.method === method.toLowerCase()) ?? same[0]
  return operation === undefined ? placeOfLiteral(ctx, path) : placeOfKey(operation, 'operationId')
}

/** Where a handler of this operation belongs: the handlers of its domain, else the map of all. */
function placeOfDomain(ctx: CheckContext, id: string): Fault['at'] {
  const operation = ctx.source().operations.find((each) => each.id === id)
  const file = `src/${String(operation?.value['x-domain'])}/handlers.ts`
  const owner = existsSync(join(ctx.root, file)) ? file : APP
  const text = textOf(ctx, owner)
  return { file: owner, ...lineOf(text, /^export const \w*[hH]andlers\b/m.exec(text)?.index ?? 0) }
}

function placeOfHandler(ctx: CheckContext, id: string, routes: ServedRoutes): Position {
  if (routes.notImplemented?.includes(id)) return search(ctx, NOT_IMPLEMENTED, id)
  return search(ctx, routes.written[id] ?? APP, id)
}

/** A route's path as a literal in the code, or where the server is built. */
function placeOfLiteral(ctx: CheckContext, path: string): Position {
  const literals = [`'${path}'`, `"${path}"`, `\`${path}\``, `'${path.replaceAll(/\{(\w+)\}/g, ':$1')}'`]
  for (const file of sources(ctx)) {
    const text = textOf(ctx, file)
    const offset = Math.max(...literals.map((literal) => text.indexOf(literal)))
    if (offset !== -1) return { file, ...lineOf(text, offset) }
  }
  return { file: 'src/http/server.ts', line: 1, column: 1 }
}

/** The first file of ours that an error names. */
function placeInCode(ctx: CheckContext, text: string): Position {
  const [, file, line] = /(src\/[\w./-]+\.ts)(?::(\d+))?/.exec(text) ?? []
  return {
    file: file !== undefined && existsSync(join(ctx.root, file)) ? file : APP,
    line: Number(line ?? 1),
    column: 1,
  }
}

/** The line of a word; of the file where it is absent. */
function search(ctx: CheckContext, file: string, word: string): Position {
  const text = textOf(ctx, file)
  const match = new RegExp(`(?<![\\w.])${word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}`).exec(text)
  return { file, ...lineOf(text, match?.index ?? 0) }
}

function textOf(ctx: CheckContext, file: string): string {
  return ctx.once(`text ${file}`, () => {
    try {
      return readFileSync(join(ctx.root, file), 'utf8')
    } catch {
      return ''
    }
  })
}

function sources(ctx: CheckContext): string[] {
  return ctx.once('source files', () =>
    readdirSync(join(ctx.root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .map((name) => `src/${name.replaceAll('\\', '/')}`)
      .sort(),
  )
}
