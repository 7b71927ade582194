import { isObject, type Json, type JsonObject } from '../../generate/json.ts'
import { placeOf } from '../source.ts'
import { DOCUMENT_GATES } from './draft.ts'
import type { Bench, Operator, Target } from './operator.ts'
import { addProperty, eachOperation, eachSchema, isRecord } from './targets.ts'

const CHANGELOG = 'api-contracts/CHANGELOG.md'
const README = 'api-contracts/README.md'
const REGISTRY = 'mocks/registry.json'
const OPERATIONS = 'generated/operations.ts'
const PLATFORM = 'generated/openapi.json'
const PROBLEMS = 'generated/problems.ts'

const STRICT = { changelog: 'the documents have a property that it does not name' }
const WITH_VALIDATORS = [...DOCUMENT_GATES, 'validators']
const WITH_GENERATED = [...WITH_VALIDATORS, 'types', 'generated']
/** For faults outside the documents, about which the gates of documents would say the same as in the clean copy. */
const BESIDE_DOCUMENTS = ['changelog', 'mocks', 'postgres-only', 'rules-table']

/** Faults of what is made from the documents, and of what stands beside them. */
export const derivedFaults: readonly Operator[] = [
  {
    id: 'unknown-format',
    what: 'a format that no validator knows',
    gate: 'validators',
    rule: 'validators/compile',
    gates: WITH_VALIDATORS,
    follows: STRICT,
    times: 2,
    targets: (bench) => uncompilable(bench, { type: 'string', maxLength: 10, format: 'sku', description: 'A text.' }),
  },
  {
    id: 'broken-pattern',
    what: 'a pattern that is no regular expression',
    gate: 'validators',
    rule: 'validators/compile',
    gates: WITH_VALIDATORS,
    follows: STRICT,
    targets: (bench) => uncompilable(bench, { type: 'string', maxLength: 10, pattern: '([', description: 'A text.' }),
  },
  {
    id: 'keyword-of-another-type',
    what: 'a keyword that does not belong to the type',
    gate: 'validators',
    rule: 'validators/compile',
    gates: WITH_VALIDATORS,
    follows: STRICT,
    targets: (bench) =>
      uncompilable(bench, { type: 'string', maxLength: 10, minProperties: 1, description: 'A text.' }),
  },
  {
    id: 'type-error',
    what: 'a type in src/contract.ts that does not fit the operations',
    gate: 'types',
    rule: 'types/compile',
    gates: ['document', 'bundle', 'lint', 'types', ...BESIDE_DOCUMENTS],
    targets: (bench) =>
      inFile(bench, 'src/contract.ts', (draft, file) => {
        const text = draft.read(file)
        draft.write(file, `${text}\nexport const planted: OperationId = 'noSuchOperation'\n`)
        return { file, line: text.split('\n').length + 1 }
      }),
  },
  {
    id: 'edited-operations',
    what: 'a generated file that somebody edited',
    gate: 'generated',
    rule: 'generated/fresh',
    gates: WITH_GENERATED,
    targets: (bench) =>
      inFile(bench, OPERATIONS, (draft, file) =>
        draft.replace(file, /requiredRole: '?\w+'?/, "requiredRole: 'nobody'"),
      ),
  },
  {
    id: 'stale-bundle',
    what: 'a changed document without `npm run generate`',
    gate: 'generated',
    rule: 'generated/fresh',
    gates: WITH_GENERATED,
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value }) => bench.read(PLATFORM).split(`"summary": ${JSON.stringify(value.summary)}`).length === 2,
        (draft, operation) => {
          draft.set(placeOf(operation, 'summary'), 'Something else')
          const before = bench.read(PLATFORM).split(`"summary": ${JSON.stringify(operation.value.summary)}`)[0] ?? ''
          return { file: PLATFORM, line: before.split('\n').length }
        },
      ),
  },
  {
    id: 'missing-generated-file',
    what: 'a generated file that is not there',
    gate: 'generated',
    rule: 'generated/fresh',
    gates: WITH_GENERATED.filter((name) => name !== 'types'),
    targets: (bench) =>
      inFile(bench, PROBLEMS, (draft, file) => {
        draft.delete(file)
        return { file, line: 1 }
      }),
  },
  {
    id: 'left-over-bundle',
    what: 'a bundle of a document that is gone',
    gate: 'generated',
    rule: 'generated/fresh',
    gates: WITH_GENERATED,
    targets: (bench) =>
      inFile(bench, PLATFORM, (draft) => {
        draft.write('generated/bundles/gone.json', '{}\n')
        return { file: 'generated/bundles/gone.json', line: 1 }
      }),
  },
  {
    id: 'edited-changelog',
    what: 'a changelog that somebody edited',
    gate: 'changelog',
    rule: 'changelog/fresh',
    targets: (bench) => inFile(bench, CHANGELOG, (draft, file) => draft.replace(file, /^- .*$/m, '- nothing')),
  },
  {
    id: 'stale-changelog',
    what: 'a new property that the changelog does not name',
    gate: 'changelog',
    rule: 'changelog/fresh',
    // Where the changelog has a section for what is not frozen, the line depends on all that is in it.
    targets: (bench) => {
      const text = bench.read(CHANGELOG)
      const line = text.split('\n').findIndex((each) => /^## \d/.test(each)) + 1
      if (line === 0 || /^## (?:Since|.*not frozen)/m.test(text)) return []
      return eachSchema(bench, 'reply', isRecord, (draft, schema) => {
        addProperty(draft, schema, 'probe', { type: 'string', maxLength: 10, description: 'A text.' })
        return { file: CHANGELOG, line }
      })
    },
  },
  {
    id: 'edited-rules',
    what: 'a row of the table of rules that somebody edited',
    gate: 'rules-table',
    rule: 'rules-table/fresh',
    gates: BESIDE_DOCUMENTS,
    targets: (bench) =>
      inFile(bench, README, (draft, file) => draft.replace(file, /^\| document \| `\w+` \|.*$/m, '| document | | |')),
  },
  {
    id: 'stale-rules',
    what: 'a rule of redocly.yaml that the table of rules says otherwise',
    gate: 'rules-table',
    rule: 'rules-table/fresh',
    targets: (bench) => {
      const config = 'api-contracts/redocly.yaml'
      const [, message = ''] = /^ {4}message: (An operationId .*)$/m.exec(bench.read(config)) ?? []
      const line = bench
        .read(README)
        .split('\n')
        .findIndex(
          (row) =>
            row.startsWith('| lint |') && row.endsWith(`| ${message} |`) && row.includes('`operation-id-camel-case`'),
        )
      if (message === '' || line === -1) return []
      return inFile(bench, config, (draft, file) => {
        draft.replace(file, message, 'An operationId is a word.')
        return { file: README, line: line + 1 }
      })
    },
  },
  {
    id: 'foreign-package',
    what: 'a client of Redis among the packages',
    gate: 'postgres-only',
    rule: 'postgres-only/packages',
    gates: BESIDE_DOCUMENTS,
    targets: (bench) =>
      inFile(bench, 'package.json', (draft, file) => {
        const { line } = draft.replace(file, '"dependencies": {\n', '"dependencies": {\n    "ioredis": "5.0.0",\n')
        return { file, line: line + 1 }
      }),
  },
  {
    id: 'foreign-dev-package',
    what: 'a queue of Redis among the packages for development',
    gate: 'postgres-only',
    rule: 'postgres-only/packages',
    gates: BESIDE_DOCUMENTS,
    targets: (bench) =>
      inFile(bench, 'package.json', (draft, file) => {
        const { line } = draft.replace(
          file,
          '"devDependencies": {\n',
          '"devDependencies": {\n    "queue": "npm:bullmq@5.0.0",\n',
        )
        return { file, line: line + 1 }
      }),
  },
  {
    id: 'foreign-service',
    what: 'a broker in compose.yaml',
    gate: 'postgres-only',
    rule: 'postgres-only/services',
    gates: BESIDE_DOCUMENTS,
    targets: () => [
      {
        file: 'compose.yaml',
        name: 'compose.yaml',
        plant: (draft) => {
          const text = draft.read('compose.yaml') || 'services:\n'
          const planted = text.replace(/^services:\n/m, 'services:\n  broker:\n    image: rabbitmq:4\n')
          draft.write('compose.yaml', planted)
          return { file: 'compose.yaml', line: planted.split('\n').indexOf('    image: rabbitmq:4') + 1 }
        },
      },
    ],
  },
  {
    id: 'foreign-import',
    what: 'an import of another database',
    gate: 'postgres-only',
    rule: 'postgres-only/imports',
    gates: [...BESIDE_DOCUMENTS, 'routes'],
    targets: (bench) =>
      inFile(bench, 'src/db/connect.ts', (draft, file) => {
        draft.write(
          file,
          `import type { MongoClient } from 'mongodb'\n${draft.read(file)}\nexport type Other = MongoClient\n`,
        )
        return { file, line: 1 }
      }),
  },
  {
    id: 'port-clash',
    what: 'two mocks on one port',
    gate: 'mocks',
    rule: 'mocks/registry',
    targets: (bench) =>
      inRegistry(
        bench,
        (rows) => rows.length > 1,
        (draft, rows) => {
          const [first, second] = rows
          draft.set({ file: REGISTRY, pointer: second?.port ?? '#' }, Number(first?.value))
          return { file: REGISTRY, pointer: second?.pointer ?? '#' }
        },
      ),
  },
  {
    id: 'mock-of-nothing',
    what: 'a mock of a document that does not exist',
    gate: 'mocks',
    rule: 'mocks/registry',
    targets: (bench) =>
      inRegistry(
        bench,
        (rows) => rows.length > 0,
        (draft, rows) => {
          const at = rows[0]?.pointer ?? '#'
          if (rows[0]?.name === undefined) draft.rename({ file: REGISTRY, pointer: at }, 'nothing')
          else draft.set({ file: REGISTRY, pointer: rows[0].name }, 'nothing')
          return { file: REGISTRY, pointer: rows[0]?.name === undefined ? at.replace(/[^/]+$/, 'nothing') : at }
        },
      ),
  },
  {
    id: 'privileged-port',
    what: 'a mock on a port that only root may open',
    gate: 'mocks',
    rule: 'mocks/registry',
    targets: (bench) =>
      inRegistry(
        bench,
        (rows) => rows.length > 0,
        (draft, rows) => {
          draft.set({ file: REGISTRY, pointer: rows[0]?.port ?? '#' }, 80)
          return { file: REGISTRY, pointer: rows[0]?.pointer ?? '#' }
        },
      ),
  },
]

function inFile(
  bench: Bench,
  file: string,
  plant: (draft: Parameters<Target['plant']>[0], file: string) => ReturnType<Target['plant']>,
): Target[] {
  return bench.read(file) === '' ? [] : [{ file, name: file, plant: (draft) => plant(draft, file) }]
}

/** A property that lint and examples have nothing against, and a strict validator has. */
function uncompilable(bench: Bench, property: JsonObject): Target[] {
  return (['request', 'reply'] as const).flatMap((use) =>
    eachSchema(
      bench,
      use,
      (schema) => isRecord(schema) && /^#\/components\/schemas\/\w+$/.test(schema.pointer),
      (draft, schema) => addProperty(draft, schema, 'probe', property),
    ),
  )
}

interface RegistryRow {
  /** Pointer of the row. */
  pointer: string
  /** Pointer of the port. */
  port: string
  value: Json | undefined
  /** Pointer of the name, where it is not the key of the row. */
  name: string | undefined
}

function inRegistry(
  bench: Bench,
  isFit: (rows: RegistryRow[]) => boolean,
  plant: (draft: Parameters<Target['plant']>[0], rows: RegistryRow[]) => ReturnType<Target['plant']>,
): Target[] {
  const text = bench.read(REGISTRY)
  if (text === '') return []
  const rows = rowsOf(JSON.parse(text) as Json)
  return isFit(rows) ? inFile(bench, REGISTRY, (draft) => plant(draft, rows)) : []
}

function rowsOf(registry: Json): RegistryRow[] {
  const list = isObject(registry) ? (registry.mocks ?? registry) : registry
  const base = isObject(registry) && registry.mocks !== undefined ? '#/mocks' : '#'
  return Object.entries(list as object).map(([key, row]: [string, Json]) => {
    const pointer = `${base}/${key}`
    const nameKey = isObject(row) ? ['domain', 'document', 'name'].find((each) => row[each] !== undefined) : undefined
    return {
      pointer,
      port: isObject(row) ? `${pointer}/port` : pointer,
      value: isObject(row) ? row.port : row,
      name: Array.isArray(list) && nameKey !== undefined ? `${pointer}/${nameKey}` : undefined,
    }
  })
}
