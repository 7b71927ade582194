import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import type { Finding } from '../../scripts/contracts/finding.ts'
import { formats } from '../../scripts/contracts/formats.ts'
import type { CheckReport } from '../../scripts/contracts/gate.ts'

const finding = (overrides: Partial<Finding> = {}): Finding => ({
  rule: 'lint/security',
  severity: 'error',
  message: 'login: 50% of "it" is <wrong>\nand, more: this',
  file: 'api-contracts/openapi/v1/a b.yaml',
  line: 12,
  column: 7,
  ...overrides,
})

const reportOf = (findings: Finding[]): CheckReport => ({
  gates: [
    { name: 'document', status: 'pass', findings: [], duration_ms: 3, cached: true },
    { name: 'lint', status: 'fail', findings, duration_ms: 812, cached: false },
    { name: 'types', status: 'skipped', findings: [], reason: 'needs lint', duration_ms: 0, cached: false },
  ],
  operations: 105,
  statuses: 700,
  examples: 2500,
  duration_ms: 1234,
})

describe('json', () => {
  test('has the promised shape', () => {
    const { gates, ...rest } = JSON.parse(formats.json(reportOf([finding()])))
    expect(rest).toEqual({ operations: 105, statuses: 700, examples: 2500, duration_ms: 1234 })
    expect(gates.map(({ name, status }: { name: string; status: string }) => [name, status])).toEqual([
      ['document', 'pass'],
      ['lint', 'fail'],
      ['types', 'skipped'],
    ])
    expect(gates[1].findings).toEqual([finding()])
  })
})

describe('text', () => {
  test('names the place, the table and the verdict', () => {
    const text = formats.text(reportOf([finding({ message: 'it is open' })]))
    expect(text).toContain('api-contracts/openapi/v1/a b.yaml:12:7 error: it is open [lint/security]\n')
    expect(text).toMatch(/^types\s+skipped\s+0\s+0 {2}needs lint$/m)
    expect(text).toContain('1 of 3 gates failed, 1 skipped: 105 operations, 700 statuses, 2500 examples, 1.2 s\n')
  })

  test('counts notices instead of listing them all', () => {
    const notices = Array.from({ length: 25 }, (_, line) => finding({ severity: 'notice', line }))
    expect(formats.text(reportOf(notices)).match(/ notice: /g)).toHaveLength(10)
    expect(formats.text(reportOf(notices))).toContain('lint: 15 more notices')
  })
})

describe('github', () => {
  test('escapes what ends a command or a property', () => {
    expect(formats.github(reportOf([finding({ file: 'a,b:c.yaml' })])).split('\n')[0]).toBe(
      '::error file=a%2Cb%3Ac.yaml,line=12,col=7,title=lint/security::login: 50%25 of "it" is <wrong>%0Aand, more: this',
    )
  })

  test('stays within ten annotations of each kind, errors first, and counts the rest', () => {
    const findings = (['notice', 'warning', 'error'] as const).flatMap((severity) =>
      Array.from({ length: 12 }, (_, line) => finding({ severity, line: line + 1 })),
    )
    const lines = formats.github(reportOf(findings)).trimEnd().split('\n')
    const kinds = lines.map((line) => line.slice(2, line.indexOf(' ')))
    for (const kind of ['error', 'warning', 'notice']) expect(kinds.filter((each) => each === kind)).toHaveLength(10)
    expect(kinds.slice(0, 10)).toEqual(Array(10).fill('error'))
    expect(lines.at(-1)).toContain('not shown: 2 more errors, 2 more warnings, 3 more notices')
  })
})

describe('junit', () => {
  const xml = formats.junit(reportOf([finding(), finding({ severity: 'warning', message: 'odd \u0001' })]))

  test('has a case for each gate and finding, and its counts are right', () => {
    expect(xml.match(/<testcase /g)).toHaveLength(5)
    expect(xml).toMatch(/<testsuite name="contracts.lint" tests="3" failures="2" errors="0" skipped="0"/)
    expect(xml.match(/<failure/g)).toHaveLength(2)
    expect(xml).toContain('<skipped message="needs lint"/>')
  })

  test('is XML whatever a message holds', () => {
    expect(xml).toContain('50% of &quot;it&quot; is &lt;wrong&gt;&#10;and, more')
    expect(xml).not.toContain('\u0001')
    const tags = [...xml.replace(/<\?.*?\?>/, '').matchAll(/<(\/?)([a-z-]+)[^>]*?(\/?)>/g)]
    const open: string[] = []
    for (const [, isEnd, name, isEmpty] of tags) {
      if (isEnd) expect(open.pop()).toBe(name)
      else if (!isEmpty && name !== undefined) open.push(name)
    }
    expect(open).toEqual([])
  })
})

describe('sarif', () => {
  const log = JSON.parse(formats.sarif(reportOf([finding(), finding({ severity: 'notice', rule: 'lint/struct-x' })])))
  const [run] = log.runs

  test('refers from every result to its rule, and to lines of files below the root', () => {
    expect(log.version).toBe('2.1.0')
    expect(run.results).toHaveLength(2)
    for (const result of run.results) {
      expect(run.tool.driver.rules[result.ruleIndex].id).toBe(result.ruleId)
      expect(result.locations[0].physicalLocation).toEqual({
        artifactLocation: { uri: 'api-contracts/openapi/v1/a%20b.yaml', uriBaseId: 'ROOT' },
        region: { startLine: 12, startColumn: 7 },
      })
    }
    expect(run.results.map(({ level }: { level: string }) => level)).toEqual(['error', 'note'])
    const ids = run.tool.driver.rules.map(({ id }: { id: string }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('gives the files of other folders as URLs', () => {
    const other = JSON.parse(formats.sarif(reportOf([finding({ file: '/tmp/x y/a.yaml' })])))
    expect(other.runs[0].results[0].locations[0].physicalLocation.artifactLocation).toEqual({
      uri: 'file:///tmp/x%20y/a.yaml',
    })
  })

  test('has no property that SARIF 2.1.0 does not know, and all that it requires', () => {
    expect([...unknownProperties(log, 'log')]).toEqual([])
    expect([...unknownProperties({ ...log, extra: 1 }, 'log')]).toEqual(['log.extra is unknown'])
    expect([...unknownProperties({ version: '2.1.0' }, 'log')]).toEqual(['log.runs is missing'])
  })

  const schema = findSchema()
  test.skipIf(schema === null)('fits the schema of OASIS', () => {
    const ajv = new Ajv({ strict: false, logger: false, unicodeRegExp: false })
    addFormats.default(ajv)
    const validate = ajv.compile(schema ?? {})
    validate(log)
    expect(validate.errors ?? []).toEqual([])
    expect(validate({ ...log, version: '2.0.0' })).toBe(false)
  })
})

/** Of a package that carries it, where one is installed; it is not copied into this repository. */
function findSchema(): object | null {
  try {
    const file = createRequire(import.meta.url).resolve(
      '@microsoft/sarif-matcher-utils/lib/schemas/sarif-2.1.0-rtm.5.json',
    )
    const { $schema: _draft, id: _id, ...schema } = JSON.parse(readFileSync(file, 'utf8'))
    return schema
  } catch {
    return null
  }
}

/** The parts of SARIF 2.1.0 (section 3) that we write: property → object it holds, or null; `!` marks what is required. */
const SARIF: Record<string, Record<string, string | null>> = {
  log: { $schema: null, 'version!': null, 'runs!': 'run' },
  run: {
    'tool!': 'tool',
    columnKind: null,
    originalUriBaseIds: 'uriBaseIds',
    invocations: 'invocation',
    results: 'result',
  },
  tool: { 'driver!': 'driver' },
  driver: { 'name!': null, informationUri: null, rules: 'rule' },
  rule: { 'id!': null, shortDescription: 'message', defaultConfiguration: 'configuration' },
  configuration: { level: null },
  uriBaseIds: { ROOT: 'artifactLocation' },
  invocation: { 'executionSuccessful!': null },
  result: { ruleId: null, ruleIndex: null, level: null, 'message!': 'message', locations: 'location' },
  message: { text: null },
  location: { physicalLocation: 'physicalLocation' },
  physicalLocation: { artifactLocation: 'artifactLocation', region: 'region' },
  artifactLocation: { uri: null, uriBaseId: null, description: 'message' },
  region: { startLine: null, startColumn: null },
}

function* unknownProperties(value: object, kind: string): Generator<string> {
  const shape = SARIF[kind] ?? {}
  const held = new Map(Object.entries(shape).map(([name, child]) => [name.replace('!', ''), child]))
  for (const name of Object.keys(shape)) {
    if (name.endsWith('!') && !(name.slice(0, -1) in value)) yield `${kind}.${name.slice(0, -1)} is missing`
  }
  for (const [name, child] of Object.entries(value)) {
    const next = held.get(name)
    if (next === undefined) yield `${kind}.${name} is unknown`
    else if (next !== null) for (const item of [child].flat()) yield* unknownProperties(item, next)
  }
}
