import type { Bench, Draft, Operator, PlantedAt, Target } from './operator.ts'

/** Documents do not change here. */
const GATES = ['routes', 'mocks', 'postgres-only', 'rules-table']
const LIST = 'src/main/not-implemented.ts'
const OPERATIONS = 'generated/operations.ts'

/** Faults of the code that serves the operations. */
export const codeFaults: readonly Operator[] = [
  {
    id: 'missing-handler',
    what: 'an operation without a handler',
    gate: 'routes',
    rule: 'routes/handlers',
    gates: GATES,
    times: 2,
    targets: (bench) =>
      eachHandlerMap(bench, (draft, file, map) => {
        draft.replace(file, map.entry, '')
        return { file, line: map.line }
      }),
  },
  {
    id: 'handler-of-nothing',
    what: 'a handler without an operation',
    gate: 'routes',
    rule: 'routes/handlers',
    gates: GATES,
    targets: (bench) =>
      eachHandlerMap(bench, (draft, file, map) => {
        const { line } = draft.replace(
          file,
          map.entry,
          `${map.entry}  probeNothing: ${map.entry.trim().replace(',', '')},\n`,
        )
        return { file, line: line + 1 }
      }),
  },
  {
    id: 'broken-handler',
    what: 'a file of the server that cannot be loaded',
    gate: 'routes',
    rule: 'routes/handlers',
    gates: GATES,
    targets: (bench) =>
      eachHandlerMap(bench, (draft, file, map) => {
        draft.replace(file, map.head, `const planted = = 1\n${map.head}`)
        return { file, line: map.line }
      }),
  },
  {
    id: 'express-route',
    what: 'a route that only Express knows',
    gate: 'routes',
    rule: 'routes/shadow',
    gates: GATES,
    targets: (bench) => shadow(bench, "  app.get('/debug/state', (_req, res) => void res.json({}))\n"),
  },
  {
    id: 'shadow-method',
    what: 'a second method on the path of an operation',
    gate: 'routes',
    rule: 'routes/shadow',
    gates: GATES,
    targets: (bench) => shadow(bench, "  app.delete('/health/live', (_req, res) => void res.json({}))\n"),
  },
  {
    id: 'shadow-middleware',
    what: 'a middleware that answers a path of its own',
    gate: 'routes',
    rule: 'routes/methods',
    gates: GATES,
    targets: (bench) => shadow(bench, "  app.use('/internal', (_req, res) => void res.json({}))\n"),
  },
  {
    id: 'router-route',
    what: 'a route that the router knows and nobody documented',
    gate: 'routes',
    rule: 'routes/shadow',
    gates: GATES,
    targets: (bench) =>
      inFile(bench, 'src/http/router.ts', /^ {2}const methods = new Set.*\n/m, (draft, file, found) => {
        const { line } = draft.replace(file, found, `${found}  router.on('GET', '/internal/state', noop)\n`)
        return { file, line: line + 1 }
      }),
  },
  {
    id: 'careless-router',
    what: 'a router for which upper and lower case are the same',
    gate: 'routes',
    rule: 'routes/methods',
    gates: GATES,
    targets: (bench) =>
      inFile(bench, 'src/http/router.ts', 'caseSensitive: true', (draft, file, found) => {
        draft.replace(file, found, 'caseSensitive: false')
        const first = bench.ctx.source().operations.find(({ method, path }) => method === 'get' && !path.includes('{'))
        // The gate sees the answers, not the router: it points to the operations that are answered under other paths.
        return first === undefined ? { file, line: 1 } : { file: first.file, pointer: `${first.pointer}/operationId` }
      }),
  },
  {
    id: 'unknown-not-implemented',
    what: 'a list of what is missing that names no operation',
    gate: 'routes',
    rule: 'routes/not-implemented',
    gates: GATES,
    targets: (bench) =>
      inFile(bench, LIST, /^ {2}\w+: (?:\d+|'later'),\n/m, (draft, file, found) => {
        const { line } = draft.replace(file, found, `${found}  probeNothing: 9,\n`)
        return { file, line: line + 1 }
      }),
  },
  {
    id: 'stable-and-missing',
    what: 'a stable operation that is not implemented',
    gate: 'routes',
    rule: 'routes/not-implemented',
    gates: GATES,
    targets: (bench) => {
      const [, id = ''] = /^ {2}(\w+): (?:\d+|'later'),\n/m.exec(bench.read(LIST)) ?? []
      if (id === '') return []
      return inFile(
        bench,
        OPERATIONS,
        new RegExp(`^  ${id}: \\{[\\s\\S]*?stability: 'draft'`, 'm'),
        (draft, file, found) => {
          draft.replace(file, found, found.replace(/'draft'$/, "'stable'"))
          return draft.replace(LIST, `  ${id}: `, `  ${id}: `)
        },
      )
    },
  },
]

interface HandlerMap {
  /** `export const authHandlers = {` */
  head: string
  /** Counts from 1: of the head. */
  line: number
  /** The first entry, with its line break. */
  entry: string
}

/** The exported maps from operationId to function, one per domain. */
function eachHandlerMap(bench: Bench, plant: (draft: Draft, file: string, map: HandlerMap) => PlantedAt): Target[] {
  const files = new Set(
    bench.ctx.source().operations.map(({ value }) => `src/${String(value['x-domain'])}/handlers.ts`),
  )
  return [...files].flatMap((file): Target[] => {
    const text = bench.read(file)
    const found = /^export const \w+Handlers = \{\n( {2}\w+,\n)/m.exec(text)
    if (found === null) return []
    const [whole, entry = ''] = found
    const map = { head: whole.slice(0, -entry.length), entry, line: text.slice(0, found.index).split('\n').length }
    return [
      {
        file,
        name: entry.trim().replace(',', ''),
        plant: (draft) => plant(draft, file, { ...map, entry: uniqueEntry(text, map) }),
      },
    ]
  })
}

/** With the head in front where the entry alone would be found earlier, as in an import. */
function uniqueEntry(text: string, { head, entry }: HandlerMap): string {
  if (text.indexOf(entry) > text.indexOf(head)) return entry
  throw new TypeError(`${entry.trim()} is not unique`)
}

function inFile(
  bench: Bench,
  file: string,
  pattern: string | RegExp,
  plant: (draft: Draft, file: string, found: string) => PlantedAt,
): Target[] {
  const found =
    typeof pattern === 'string'
      ? bench.read(file).includes(pattern)
        ? pattern
        : undefined
      : pattern.exec(bench.read(file))?.[0]
  return found === undefined ? [] : [{ file, name: file, plant: (draft) => plant(draft, file, found) }]
}

function shadow(bench: Bench, code: string): Target[] {
  return inFile(bench, 'src/http/server.ts', '  app.use(engine)\n', (draft, file, found) =>
    draft.replace(file, found, code + found),
  )
}
