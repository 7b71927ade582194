import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Validator } from '../../generated/validators.js'
import { GenerateError } from '../../scripts/generate/findings.ts'
import { formats } from '../../scripts/generate/formats.ts'
import { generate, makeContract } from '../../scripts/generate.ts'

const PROBLEMS = `problems:
  broken:
    status: 422
    title: Broken
    description: It is broken.
`
const SCHEMAS = `components:
  schemas:
    Problem:
      type: object
      additionalProperties: false
      required: [code]
      properties:
        code: { type: string, enum: [broken] }
    Thing:
      type: object
      additionalProperties: false
      required: [name]
      properties:
        name: { type: string, maxLength: 10 }
        size: { type: integer, minimum: 0 }
        parts: { type: array, maxItems: 1000, items: { $ref: '#/components/schemas/Thing' } }
`
const THING = '_common/schemas.yaml#/components/schemas/Thing'

/** A document of one operation; the overrides are YAML, indented by the template. */
function documentOf(
  path: string,
  operationId: string,
  { schema = `{ $ref: '${THING}' }`, extra = '', components = '' } = {},
): string {
  return `openapi: 3.1.1
info: { title: Test, version: 0.1.0 }
paths:
  ${path}:
    post:
      operationId: ${operationId}
      security: []
      x-owner: test
      x-domain: test
${extra}      requestBody:
        required: true
        content:
          application/json:
            schema: { $ref: '${THING}' }
      responses:
        '200':
          description: Done.
          content:
            application/json:
              schema: ${schema}
        '422':
          description: Refused.
          headers:
            Retry-After: { required: true, schema: { type: integer, minimum: 1 } }
          content:
            application/problem+json:
              schema: { $ref: '_common/schemas.yaml#/components/schemas/Problem' }
${components}`
}

function makeRoot(documents: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'skeldir contract '))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const files = { '_common/schemas.yaml': SCHEMAS, '_common/problems.yaml': PROBLEMS, ...documents }
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, 'api-contracts/openapi/v1', name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }
  const governance = 'api-contracts/governance'
  cpSync(join(import.meta.dirname, '../..', governance), join(root, governance), { recursive: true })
  return root
}

async function findingsOf(documents: Record<string, string>): Promise<readonly string[]> {
  try {
    await makeContract(makeRoot(documents))
  } catch (error) {
    if (error instanceof GenerateError) return error.findings
    throw error
  }
  return []
}

/** The generated module, loaded as the server does. */
async function loadValidators(documents: Record<string, string>) {
  const root = makeRoot(documents)
  await generate({ root, skipDatabase: true })
  type Requests = Record<string, { parameters: Validator | null; body: Validator | null }>
  const module: unknown = await import(/* @vite-ignore */ pathToFileURL(join(root, 'generated/validators.js')).href)
  return module as {
    requests: Requests
    requestErrors: Requests
    replies: Record<string, Record<number, Record<string, Validator>>>
    replyHeaders: Record<string, Record<number, Validator>>
  }
}

function required<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('is missing')
  return value
}

describe('a contract without faults', () => {
  test('gives every file, the same each time', async () => {
    const documents = {
      'a.yaml': documentOf('/a', 'doA'),
      'webhooks/b.yaml': documentOf('/b', 'doB').replaceAll('_common', '../_common'),
    }
    const first = await makeContract(makeRoot(documents))
    const isClient = (path: string) => path.startsWith('generated/client/')
    expect([...first.keys()].filter(isClient)).toContain('generated/client/operations.js')
    expect([...first.keys()].filter((path) => !isClient(path)).sort()).toEqual([
      'generated/api.ts',
      'generated/bundles/a.json',
      'generated/bundles/webhooks-b.json',
      'generated/openapi.json',
      'generated/operations.ts',
      'generated/problems.ts',
      'generated/validators.d.ts',
      'generated/validators.js',
    ])
    expect(await makeContract(makeRoot(documents))).toEqual(first)
    const platform = JSON.parse(first.get('generated/openapi.json') ?? '')
    expect(Object.keys(platform.paths)).toEqual(['/a', '/b'])
    expect(JSON.stringify(platform)).not.toContain('yaml')
  })
})

describe('a fault is named with its place', () => {
  const cases: [string, Record<string, string>, RegExp[]][] = [
    [
      'an operationId that two documents have',
      { 'a.yaml': documentOf('/a', 'same'), 'b.yaml': documentOf('/b', 'same') },
      [/v1\/b\.yaml:5:\d+ operationId same is also that of POST \/a \(.*v1\/a\.yaml:5:\d+\)/],
    ],
    [
      'an operationId that cannot be a method of the client',
      { 'a.yaml': documentOf('/a', 'pages'), 'b.yaml': documentOf('/b', 'delete') },
      [/v1\/b\.yaml:5:\d+ delete cannot be a method of the client/, /v1\/a\.yaml:5:\d+ pages cannot be a method/],
    ],
    [
      'a path that two documents have, whatever its parameter is called',
      { 'a.yaml': documentOf('/a/{x}', 'one'), 'b.yaml': documentOf('/a/{y}', 'two') },
      [/v1\/b\.yaml:4:\d+ path \/a\/\{y\} is also in .*v1\/a\.yaml:4/],
    ],
    [
      'a reference to a missing component',
      { 'a.yaml': documentOf('/a', 'doA', { schema: `{ $ref: '_common/schemas.yaml#/components/schemas/Nothing' }` }) },
      [/v1\/a\.yaml:20:\d+ Can't resolve \$ref/],
    ],
    [
      'a reference to a missing file',
      { 'a.yaml': documentOf('/a', 'doA', { schema: `{ $ref: 'nowhere.yaml#/x' }` }) },
      [/v1\/a\.yaml:20:\d+ Can't resolve \$ref.*nowhere\.yaml/],
    ],
    [
      'a component that has another content in another document',
      {
        'a.yaml': documentOf('/a', 'doA', {
          schema: `{ $ref: '#/components/schemas/Own' }`,
          components: 'components: { schemas: { Own: { type: string } } }\n',
        }),
        'b.yaml': documentOf('/b', 'doB', {
          schema: `{ $ref: '#/components/schemas/Own' }`,
          components: 'components: { schemas: { Own: { type: number } } }\n',
        }),
      },
      [/v1\/b\.yaml:\d+:\d+ component schemas\/Own differs .*v1\/a\.yaml:\d+/],
    ],
    [
      'an open object in a reply',
      { 'a.yaml': documentOf('/a', 'doA', { schema: '{ type: object, properties: { x: { type: string } } }' }) },
      [/v1\/a\.yaml:20:\d+ doA 200: the object at .*\/schema must have `additionalProperties: false`/],
    ],
    [
      'an open object deep in a component',
      {
        'a.yaml': documentOf('/a', 'doA'),
        '_common/schemas.yaml': SCHEMAS.replace("$ref: '#/components/schemas/Thing'", 'type: object, properties: {}'),
      },
      [/_common\/schemas\.yaml:16:\d+ doA .*Thing\/properties\/parts\/items must have/],
    ],
    [
      'an object that says nothing about its properties',
      { 'a.yaml': documentOf('/a', 'doA', { schema: '{ type: object }' }) },
      [/doA 200: the object at .* must have `additionalProperties: false`/],
    ],
    [
      'a code that the registry has and the enum lacks',
      {
        'a.yaml': documentOf('/a', 'doA'),
        '_common/problems.yaml': `${PROBLEMS}  new_one: { status: 400, title: New, description: New. }\n`,
      },
      [/_common\/schemas\.yaml:\d+:\d+ the enum lacks new_one/],
    ],
    [
      'a code that the enum has and the registry lacks',
      { 'a.yaml': documentOf('/a', 'doA'), '_common/schemas.yaml': SCHEMAS.replace('[broken]', '[broken, gone]') },
      [/_common\/schemas\.yaml:\d+:\d+ the enum has gone/],
    ],
    [
      'a keyword that the validator does not know',
      { 'a.yaml': documentOf('/a', 'doA'), '_common/schemas.yaml': SCHEMAS.replace('minimum: 0', 'minimun: 0') },
      [
        /_common\/schemas\.yaml:15:\d+ doA: #\/components\/schemas\/Thing\/properties\/size does not compile: .*"minimun"/,
      ],
    ],
    [
      'a format that the validator does not know',
      { 'a.yaml': documentOf('/a', 'doA', { schema: '{ type: string, format: hostname }' }) },
      [/v1\/a\.yaml:20:\d+ doA: .*\/schema does not compile: unknown format "hostname"/],
    ],
    [
      'an expression that does not compile',
      { 'a.yaml': documentOf('/a', 'doA', { schema: `{ type: string, pattern: '(' }` }) },
      [/v1\/a\.yaml:20:\d+ doA: .*\/schema does not compile: Invalid regular expression/],
    ],
    [
      'definitions inside a schema',
      { 'a.yaml': documentOf('/a', 'doA', { schema: '{ type: string, $defs: {} }' }) },
      [/v1\/a\.yaml:20:\d+ .*: the keyword \$defs is not supported/],
    ],
    [
      'an operation without `security`',
      { 'a.yaml': documentOf('/a', 'doA').replace('      security: []\n', '') },
      [/v1\/a\.yaml:5:\d+ doA needs `security`/],
    ],
    [
      'a security requirement that is met by nothing',
      { 'a.yaml': documentOf('/a', 'doA').replace('security: []', 'security: [{}]') },
      [/doA: an empty security requirement makes the operation public/],
    ],
    [
      'a security scheme that nobody declared',
      { 'a.yaml': documentOf('/a', 'doA').replace('security: []', 'security: [{ key: [] }]') },
      [/doA: the security scheme key is not declared/],
    ],
    [
      'an operation without an owner',
      { 'a.yaml': documentOf('/a', 'doA').replace('      x-owner: test\n', '') },
      [/doA: x-owner is missing/],
    ],
    [
      'a status that is a range',
      { 'a.yaml': documentOf('/a', 'doA').replace("'422'", '4XX') },
      [/doA: name each status; `4XX` is not one/],
    ],
    [
      'a path parameter that is not declared',
      { 'a.yaml': documentOf('/a/{id}', 'doA') },
      [/doA: the path parameter id is not declared/],
    ],
    [
      'a parameter of a type that nothing decodes',
      {
        'a.yaml': documentOf('/a', 'doA', {
          extra: '      parameters: [{ name: q, in: query, schema: { type: object, additionalProperties: false } }]\n',
        }),
      },
      [/doA: the type of the parameter q must be/],
    ],
    [
      'a file that is neither a document nor shared',
      { 'a.yaml': documentOf('/a', 'doA'), 'b.yaml': 'components: {}\n' },
      [/v1\/b\.yaml:1:1 has no top-level `openapi` and `paths`/],
    ],
    ['no document', {}, [/contains no document/]],
    ['YAML that does not parse', { 'a.yaml': `${documentOf('/a', 'doA')}  bad: [\n` }, [/v1\/a\.yaml:\d+:\d+ /]],
  ]
  test.each(cases)('%s', async (_name, documents, expected) => {
    const findings = await findingsOf(documents)
    for (const pattern of expected) expect(findings).toContainEqual(expect.stringMatching(pattern))
  })

  test('all faults of a kind are told at once', async () => {
    const findings = await findingsOf({
      'a.yaml': documentOf('/a', 'doA').replace('      security: []\n', '').replace("'422'", 'default'),
    })
    expect(findings).toHaveLength(2)
  })
})

describe('the validators', () => {
  const query = `      parameters:
        - { name: limit, in: query, schema: { type: integer, maximum: 100 } }
        - { name: X-Trace, in: header, required: true, schema: { type: string, format: uuid } }
`
  const trace = { 'x-trace': '163abffd-b49e-44aa-9a0f-2e11d97d5317' }

  test('close the query where the operation documents a 422, and leave headers open', async () => {
    const { requests } = await loadValidators({ 'a.yaml': documentOf('/a', 'doA', { extra: query }) })
    const validate = required(requests.doA?.parameters)
    expect(validate({ path: {}, query: { limit: 5 }, header: { ...trace, accept: '*/*' } })).toBe(true)
    expect(validate({ path: {}, query: { limit: '5' }, header: trace })).toBe(false)
    expect(validate({ path: {}, query: { page: 5 }, header: trace })).toBe(false)
    expect(validate.errors?.[0]).toMatchObject({ instancePath: '/query', keyword: 'additionalProperties' })
    expect(validate({ path: {}, query: {}, header: {} })).toBe(false)
  })

  test('leave the query open where there is no 422 to answer with', async () => {
    const { requests } = await loadValidators({
      'a.yaml': documentOf('/a', 'doA', { extra: query }).replace("'422'", "'503'"),
    })
    expect(required(requests.doA?.parameters)({ path: {}, query: { page: 5 }, header: trace })).toBe(true)
  })

  test('leave a raw body to its handler', async () => {
    const { requests, replies } = await loadValidators({
      'a.yaml': documentOf('/a', 'doA', { extra: '      x-raw-body: true\n' }),
    })
    expect(requests.doA?.body).toBeNull()
    expect(replies.doA?.[200]?.['application/json']?.({ name: 1 })).toBe(false)
  })

  test('list the faults of a request up to a bound, in bounded time', async () => {
    const { requests, requestErrors } = await loadValidators({ 'a.yaml': documentOf('/a', 'doA') })
    const first = required(requests.doA?.body)
    const all = required(requestErrors.doA?.body)
    const few = { name: 'x'.repeat(11), size: -1, parts: [{}, { name: 1 }] }
    expect(first(few)).toBe(false)
    expect(first.errors).toHaveLength(1)
    expect(all(few)).toBe(false)
    expect(all.errors?.map(({ instancePath, keyword }) => `${instancePath} ${keyword}`).sort()).toEqual([
      '/name maxLength',
      '/parts/0 required',
      '/parts/1/name type',
      '/size minimum',
    ])
    const manyItems = { name: 'x', parts: Array.from({ length: 300_000 }, () => ({})) }
    const manyKeys = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`key${index}`, 1]))
    for (const body of [manyItems, manyKeys, { name: 'x', parts: [manyKeys, manyKeys] }]) {
      expect(all(body)).toBe(false)
      expect(all.errors?.length).toBeGreaterThanOrEqual(100)
      expect(all.errors?.length).toBeLessThan(250)
    }
  })

  test('read a numeric header as the text that is on the wire', async () => {
    const { replyHeaders } = await loadValidators({ 'a.yaml': documentOf('/a', 'doA') })
    const validate = required(replyHeaders.doA?.[422])
    expect(validate({ 'retry-after': '5', date: 'today' })).toBe(true)
    expect(validate({ 'retry-after': 5 })).toBe(true)
    for (const headers of [{ 'retry-after': '0' }, { 'retry-after': 'soon' }, { 'retry-after': '1.5' }, {}]) {
      expect(validate(headers), JSON.stringify(headers)).toBe(false)
      expect(validate.errors).toHaveLength(1)
    }
  })

  test('accept and refuse what `format` means', () => {
    const cases: [string, string[], string[]][] = [
      [
        'date',
        ['2024-02-29', '2000-02-29', '0001-01-01'],
        ['2023-02-29', '1900-02-29', '0000-01-01', '2026-04-31', '2026-1-01', '2026-13-01'],
      ],
      [
        'date-time',
        ['2026-11-20T05:00:00Z', '2026-11-20T05:00:00.123456+02:00'],
        ['2026-11-20 05:00:00Z', '2026-11-20T23:59:60Z', '2026-11-20T05:00:00', '2026-11-20T24:00:00Z'],
      ],
      [
        'uuid',
        ['163abffd-b49e-44aa-9a0f-2e11d97d5317'],
        ['urn:uuid:163abffd-b49e-44aa-9a0f-2e11d97d5317', '163abffdb49e44aa9a0f2e11d97d5317'],
      ],
      ['email', ['a@example.com'], ['a', 'a@', '@b', `a@${'a.'.repeat(200)}com`]],
      ['uri-reference', ['/docs/problems/x', 'urn:uuid:1'], ['a b', '\\']],
      ['json-pointer', ['', '/a/0', '/~1'], ['a', '/~']],
    ]
    for (const [format, valid, invalid] of cases) {
      for (const text of valid) expect(formats[format]?.test(text), `${format} ${text}`).toBe(true)
      for (const text of invalid) expect(formats[format]?.test(text), `${format} ${text}`).toBe(false)
    }
  })
})

describe('generate', () => {
  test('writes, then finds nothing to do; a check names what changed and writes nothing', async () => {
    const root = makeRoot({ 'a.yaml': documentOf('/a', 'doA'), 'b.yaml': documentOf('/b', 'doB') })
    const first = await generate({ root, skipDatabase: true })
    expect(first.changed.filter((path) => !path.startsWith('generated/client/'))).toHaveLength(9)
    expect(readFileSync(join(root, 'generated/client/operations.d.ts'), 'utf8')).toContain("OperationRow<'doB'>")
    expect(await generate({ root, skipDatabase: true })).toEqual({ changed: [], timings: {} })

    writeFileSync(join(root, 'generated/problems.ts'), 'edited by hand')
    rmSync(join(root, 'api-contracts/openapi/v1/b.yaml'))
    const check = await generate({ root, skipDatabase: true, check: true })
    expect(check.changed).toContain('generated/problems.ts')
    expect(check.changed).toContain('generated/bundles/b.json')
    expect(check.changed).not.toContain('generated/bundles/a.json')
    expect(readFileSync(join(root, 'generated/problems.ts'), 'utf8')).toBe('edited by hand')

    expect((await generate({ root, skipDatabase: true })).changed).toEqual(check.changed)
    expect((await generate({ root, skipDatabase: true, check: true, force: true })).changed).toEqual([])
  })
})
