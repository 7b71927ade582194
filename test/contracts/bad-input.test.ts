import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MAX_FILE_BYTES } from '../../scripts/contracts/files.ts'
import { ToolError } from '../../scripts/contracts/finding.ts'
import { documentOf, emptyWorkspace } from './workspace.ts'

/** Errors of all gates over a folder of other people's documents: `file:line rule message`. */
async function errorsOf(files: Record<string, string>): Promise<string[]> {
  const { root, check } = emptyWorkspace(
    Object.fromEntries(Object.entries(files).map(([name, text]) => [`api/${name}`, text])),
  )
  const { gates } = await check({ contracts: join(root, 'api') })
  return gates.flatMap(({ findings }) =>
    findings
      .filter(({ severity }) => severity === 'error')
      .map(({ file, line, rule, message }) => `${file}:${line} ${rule} ${message}`),
  )
}

const circle = `components:
  schemas:
    A: { $ref: '#/components/schemas/B' }
    B: { $ref: '#/components/schemas/A' }
`
const endless = `components:
  schemas:
    A: { type: object, required: [b], properties: { b: { $ref: '#/components/schemas/B' } } }
    B: { type: object, required: [a], properties: { a: { $ref: '#/components/schemas/A' } } }
`
const tree = `components:
  schemas:
    A:
      type: object
      required: [children]
      properties: { children: { type: array, items: { $ref: '#/components/schemas/A' } } }
`
const toA = "{ $ref: '#/components/schemas/A' }"

describe('each fault of the input is one clear finding', () => {
  test.for<[string, Record<string, string>, RegExp]>([
    [
      'YAML that is none',
      { 'a.yaml': `${documentOf()}  broken: [1, 2\n` },
      /^api\/a\.yaml:20 document\/readable syntax error: /,
    ],
    [
      'a key that is written twice',
      { 'a.yaml': `${documentOf()}paths: {}\n` },
      /^api\/a\.yaml:19 document\/readable .*duplicated/,
    ],
    [
      'JSON that is none',
      { 'a.json': '{\n  "openapi": "3.1.0",\n  "info": }' },
      /^api\/a\.json:3 document\/readable syntax error: /,
    ],
    [
      'a syntax error in a part',
      { 'a.yaml': documentOf({ schema: "{ $ref: 'part.yaml#/Thing' }" }), 'part.yaml': 'Thing:\n  type: [object\n' },
      /^api\/part\.yaml:3 document\/readable syntax error: /,
    ],
    [
      'a reference to nothing in the file',
      { 'a.yaml': documentOf({ schema: "{ $ref: '#/components/schemas/Gone' }" }) },
      /^api\/a\.yaml:17 bundle\/references #\/components\/schemas\/Gone leads nowhere/,
    ],
    [
      'a reference to no file',
      { 'a.yaml': documentOf({ schema: "{ $ref: 'gone.yaml#/Thing' }" }) },
      /^api\/a\.yaml:17 bundle\/references gone\.yaml#\/Thing leads nowhere: there is no file api\/gone\.yaml$/,
    ],
    [
      'a reference to another host',
      { 'a.yaml': documentOf({ schema: "{ $ref: 'https://example.com/x.yaml#/Thing' }" }) },
      /^api\/a\.yaml:17 bundle\/references .*not fetched$/,
    ],
    [
      'references in a circle',
      { 'a.yaml': documentOf({ schema: toA, components: circle }) },
      /^api\/a\.yaml:21 bundle\/cycles .*: B → A → B$/,
    ],
    [
      'a schema without an end',
      { 'a.yaml': documentOf({ schema: toA, components: endless }) },
      /^api\/a\.yaml:21 bundle\/cycles no value can fit .*: A → B → A$/,
    ],
    [
      'two files with one operationId',
      { 'a.yaml': documentOf(), 'b.yaml': documentOf({ path: '/others/{id}' }) },
      /^api\/b\.yaml:7 lint\/operation-id-unique the operationId getThing is also in api\/a\.yaml:7$/,
    ],
    [
      'a file of 50 MiB and more',
      { 'a.yaml': documentOf().padEnd(MAX_FILE_BYTES + 1, '#') },
      /^api\/a\.yaml:1 document\/readable the file has 50 MiB; the limit is 50 MiB$/,
    ],
    [
      'Swagger 2.0',
      { 'a.yaml': 'swagger: "2.0"\ninfo: { title: A, version: "1" }\npaths: {}\n' },
      /^api\/a\.yaml:1 document\/version .*Swagger 2\.0/,
    ],
    [
      'a pattern that is no expression',
      { 'a.yaml': documentOf({ schema: "{ type: string, pattern: '(' }" }) },
      /^api\/a\.yaml:17 validators\/compile getThing 200 does not compile: /,
    ],
    [
      'a field that OpenAPI does not have',
      { 'a.yaml': documentOf().replace('summary:', 'sumary:') },
      /^api\/a\.yaml:8 document\/struct .*sumary/,
    ],
  ])('%s', async ([, files, wanted]) => {
    const errors = await errorsOf(files)
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatch(wanted)
  })

  test('a tree is no circle', async () => {
    expect(await errorsOf({ 'a.yaml': documentOf({ schema: toA, components: tree }) })).toEqual([])
  })
})

describe('what the tool cannot work with', () => {
  test.for<[string, (root: string) => string, RegExp]>([
    ['a folder that is not there', (root) => join(root, 'gone'), /gone cannot be read: it does not exist$/],
    ['a folder without a document', (root) => join(root, 'empty'), /empty contains no OpenAPI document$/],
    ['a file instead of a folder', (root) => join(root, 'empty/notes.yaml'), /is a file; name the folder/],
  ])('%s', async ([, folderOf, wanted]) => {
    const { root, check } = emptyWorkspace({ 'empty/notes.yaml': 'a: 1\n' })
    const failure = await check({ contracts: folderOf(root) }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(ToolError)
    expect(String(failure)).toMatch(wanted)
  })
})

describe('the command', () => {
  const run = (...args: string[]) => {
    const script = join(import.meta.dirname, '../../scripts/contracts/check.ts')
    return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', timeout: 60_000 })
  }

  test('ends with 0 where nothing is found, and prints nothing but the report to stdout', () => {
    const { root } = emptyWorkspace({ 'api/a.yaml': documentOf() })
    const { status, stdout, stderr } = run('--contracts', join(root, 'api'), '--no-cache', '--format', 'json')
    expect(stderr).toMatch(/^contracts:check: running/)
    const { gates, operations, statuses } = JSON.parse(stdout)
    expect([status, operations, statuses]).toEqual([0, 1, 2])
    expect(gates.map(({ name }: { name: string }) => name)).toEqual([
      'document',
      'bundle',
      'lint',
      'examples',
      'types',
      'validators',
    ])
  })

  test('ends with 1 where something is found, and writes each format to its file', () => {
    const { root, read } = emptyWorkspace({ 'api/a.yaml': `${documentOf()}  broken: [1, 2\n` })
    const outputs = `text,sarif=${join(root, 'out/a.sarif')},junit=${join(root, 'out/a.xml')}`
    const { status, stdout } = run('--contracts', join(root, 'api'), '--no-cache', '--format', outputs, '--root', root)
    expect(status).toBe(1)
    expect(stdout).toMatch(/^api\/a\.yaml:20:\d+ error: syntax error/)
    expect(JSON.parse(read('out/a.sarif')).runs[0].results).toHaveLength(1)
    expect(read('out/a.xml')).toContain('<failure type="document/readable"')
  })

  test.for<[string, string[], RegExp]>([
    ['a folder that is not there', ['--contracts', '/does/not/exist'], /cannot be read: it does not exist\n$/],
    ['an option that it does not have', ['--wat'], /Unknown option '--wat'/],
    ['a format that it does not have', ['--format', 'xml'], /there is no format xml; the formats are text, /],
    ['a gate that it does not have', ['--gate', 'linting'], /there is no gate linting; the gates are document, /],
    ['two documents on stdout', ['--format', 'json,sarif'], /json fills stdout/],
  ])('ends with 2 and one sentence for %s', ([, args, wanted]) => {
    const { status, stdout, stderr } = run(...args)
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(wanted)
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  test('explains itself', () => {
    const { status, stdout } = run('--help')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^Usage: npm run contracts:check/)
  })
})
