import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { CheckReport, GateReport } from '../../scripts/contracts/gate.ts'
import { makeBenches } from '../../scripts/contracts/selftest/bench.ts'
import { copyRepository, copyWithEdits, removeFolder } from '../../scripts/contracts/selftest/copy.ts'
import { UNREACHABLE, uncoveredRules } from '../../scripts/contracts/selftest/coverage.ts'
import { judge } from '../../scripts/contracts/selftest/judge.ts'
import type { Base, Bench, Operator } from '../../scripts/contracts/selftest/operator.ts'
import { operators } from '../../scripts/contracts/selftest/operators.ts'
import { type Plan, planFaults } from '../../scripts/contracts/selftest/plan.ts'
import {
  appendItem,
  insertKey,
  lineOf,
  removeItem,
  removeKey,
  renameKey,
  setValue,
} from '../../scripts/contracts/selftest/yaml-text.ts'
import { main, runSelftest } from '../../scripts/contracts/selftest.ts'
import { atPointer, pointerOf } from '../../scripts/generate/json.ts'

const ROOT = join(import.meta.dirname, '../..')

function temporaryFolder(onTestFinished: (clean: () => void) => void): string {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-selftest-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

describe('edits of a YAML text', () => {
  const TEXT = `# Kept.
openapi: 3.1.1
paths:
  /a/{id}:
    get:
      tags: [one, two]
      parameters:
        - name: id
          in: path
        - { name: q, in: query }
      description: >-
        Two
        lines.
      responses: { '200': { description: Fine. } } # A remark.
info: { title: A, version: 0.1.0 }
`

  const GET = ['paths', '/a/{id}', 'get']
  const INFO = { title: 'A', version: '0.1.0' }

  test.for<[string, (text: string) => string, string[], unknown]>([
    ['a scalar', (text) => setValue(text, ['info', 'title'], 'B'), ['info'], { ...INFO, title: 'B' }],
    ['a folded text', (text) => setValue(text, [...GET, 'description'], 1), [...GET, 'description'], 1],
    [
      'a block map by a value',
      (text) => setValue(text, [...GET, 'parameters', '0'], 'x'),
      [...GET, 'parameters', '0'],
      'x',
    ],
    ['a new key of a block map', (text) => insertKey(text, GET, 'x-a', { b: 1 }), [...GET, 'x-a'], { b: 1 }],
    ['a new key of a flow map', (text) => insertKey(text, ['info'], 'x-a', 1), ['info'], { 'x-a': 1, ...INFO }],
    [
      'a new key of a map in a list',
      (text) => insertKey(text, [...GET, 'parameters', '0'], 'x', 1),
      [...GET, 'parameters', '0'],
      { x: 1, name: 'id', in: 'path' },
    ],
    [
      'a first key removed',
      (text) => removeKey(text, [...GET, 'parameters', '0', 'name']),
      [...GET, 'parameters', '0'],
      { in: 'path' },
    ],
    [
      'a last key removed',
      (text) => removeKey(text, [...GET, 'parameters', '0', 'in']),
      [...GET, 'parameters'],
      [{ name: 'id' }, { name: 'q', in: 'query' }],
    ],
    ['a last key of a flow map removed', (text) => removeKey(text, ['info', 'version']), ['info'], { title: 'A' }],
    [
      'an only key removed',
      (text) => removeKey(text, [...GET, 'responses', '200', 'description']),
      [...GET, 'responses'],
      { 200: {} },
    ],
    ['a renamed key', (text) => renameKey(text, [...GET, 'tags'], 'x-tags'), [...GET, 'x-tags'], ['one', 'two']],
    [
      'an item after the others',
      (text) => appendItem(text, [...GET, 'tags'], 'three'),
      [...GET, 'tags'],
      ['one', 'two', 'three'],
    ],
    ['an item after blocks', (text) => appendItem(text, [...GET, 'parameters'], 1), [...GET, 'parameters', '2'], 1],
    [
      'an item removed',
      (text) => removeItem(text, [...GET, 'parameters', '0']),
      [...GET, 'parameters'],
      [{ name: 'q', in: 'query' }],
    ],
    ['the last item removed', (text) => removeItem(text, [...GET, 'tags', '1']), [...GET, 'tags'], ['one']],
  ])('%s', ([, edit, path, wanted]) => {
    const edited = edit(TEXT)
    expect(atPointer(parse(edited), pointerOf(...path))).toEqual(wanted)
    expect(edited).toContain('# Kept.')
    const left = new Set(edited.split('\n'))
    expect(TEXT.split('\n').filter((line) => !left.has(line)).length, 'lines that changed').toBeLessThan(4)
  })

  test('a line is that of the key or of the item', () => {
    expect(lineOf(TEXT, [])).toBe(1)
    expect(lineOf(TEXT, ['paths', '/a/{id}', 'get', 'description'])).toBe(11)
    expect(lineOf(TEXT, ['paths', '/a/{id}', 'get', 'parameters', '1'])).toBe(10)
    expect(() => lineOf(TEXT, ['paths', '/b'])).toThrow('there is no /b')
  })

  test('what is removed after it was inserted leaves the text as it was', () => {
    fc.assert(
      fc.property(fc.constantFrom(['info'], GET, [] as string[]), fc.json({ maxDepth: 2 }), (path, json) => {
        const inserted = insertKey(TEXT, path, 'x-new', JSON.parse(json))
        expect(parse(removeKey(inserted, [...path, 'x-new']))).toEqual(parse(TEXT))
      }),
    )
  })
})

describe('a verdict', () => {
  const wanted = { gate: 'lint', rule: 'lint/owner', at: { file: 'a.yaml', line: 3 }, follows: {} }
  const finding = {
    rule: 'lint/owner',
    severity: 'error',
    message: 'nobody',
    file: 'a.yaml',
    line: 3,
    column: 1,
  } as const
  const gate = (name: string, findings: GateReport['findings'], status?: GateReport['status']): GateReport => ({
    name,
    status: status ?? (findings.length > 0 ? 'fail' : 'pass'),
    findings,
    duration_ms: 1,
    cached: false,
  })
  const report = (...gates: GateReport[]): CheckReport => ({
    gates,
    operations: 1,
    statuses: 1,
    examples: 1,
    duration_ms: 1,
  })

  test('the rule at its place is a catch', () => {
    expect(judge(wanted, report(gate('lint', [finding]), gate('examples', [])))).toEqual([null, 'nobody'])
  })

  test.for<[string, GateReport[], RegExp]>([
    ['nothing is found', [gate('lint', [])], /^not caught: lint passes/],
    ['a warning is found', [gate('lint', [{ ...finding, severity: 'warning' }], 'pass')], /^not caught/],
    ['the line is another', [gate('lint', [{ ...finding, line: 4 }])], /^wrong place: lint\/owner points to a\.yaml:4/],
    ['the file is another', [gate('lint', [{ ...finding, file: 'b.yaml' }])], /^wrong place: .* b\.yaml:3/],
    ['the rule is another', [gate('lint', [{ ...finding, rule: 'lint/domain' }])], /^wrong rule: lint\/domain/],
    ['the gate does not run', [gate('examples', [])], /^the gate lint did not run/],
    ['the gate is skipped', [gate('lint', [], 'skipped')], /^the gate lint was skipped/],
    [
      'another gate fails too',
      [gate('lint', [finding]), gate('examples', [{ ...finding, rule: 'examples/valid' }])],
      /^not only lint: examples failed \(a\.yaml:3 examples\/valid/,
    ],
  ])('%s', ([, gates, reason]) => {
    expect(judge(wanted, report(...gates))[0]).toMatch(reason)
  })

  test('a gate that must follow is none of the others', () => {
    const gates = report(gate('lint', [finding]), gate('examples', [{ ...finding, rule: 'examples/valid' }]))
    expect(judge({ ...wanted, follows: { examples: 'it must' } }, gates)[0]).toBeNull()
  })
})

test('a copy shares no file that is changed', ({ onTestFinished }) => {
  const folder = temporaryFolder(onTestFinished)
  const [pristine, copy] = [join(folder, 'pristine'), join(folder, 'copy')]
  copyRepository(ROOT, pristine)
  const before = readFileSync(join(pristine, 'package.json'), 'utf8')
  copyWithEdits(pristine, copy, { 'package.json': '{}', 'src/new/file.ts': 'new', 'tsconfig.json': null })
  expect(readFileSync(join(copy, 'package.json'), 'utf8')).toBe('{}')
  expect(readFileSync(join(copy, 'src/new/file.ts'), 'utf8')).toBe('new')
  expect(() => statSync(join(copy, 'tsconfig.json'))).toThrow('ENOENT')
  expect(readFileSync(join(pristine, 'package.json'), 'utf8')).toBe(before)
  expect(statSync(join(pristine, 'package.json')).ino).not.toBe(statSync(join(ROOT, 'package.json')).ino)
})

describe('the plan', () => {
  let folder: string
  let benches: Record<Base, Bench>
  let plan: Plan

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'skeldir-selftest-test-'))
    benches = await makeBenches(ROOT, folder)
    plan = planFaults(benches, operators, 7)
    return () => removeFolder(folder)
  }, 120_000)

  test('spoils every rule, by operators with names of their own', () => {
    expect(new Set(operators.map(({ id }) => id)).size).toBe(operators.length)
    expect(uncoveredRules(readFileSync(join(ROOT, 'api-contracts/redocly.yaml'), 'utf8'))).toEqual([])
    const planted = new Set(plan.faults.map(({ rule }) => rule))
    for (const rule of Object.keys(UNREACHABLE)) expect(planted, rule).not.toContain(rule)
  })

  test('leaves no file of the contract out', () => {
    const counts = [...plan.spread].filter(([file]) => file.startsWith('api-contracts/openapi/'))
    expect(counts.length).toBeGreaterThan(20)
    expect(counts.filter(([, count]) => count === 0)).toEqual([])
    expect(plan.faults.length).toBeGreaterThanOrEqual(60)
  })

  test('is the same for the same seed, and another for another', () => {
    const some = operators.filter(({ gate }) => gate === 'examples')
    const places = (seed: number) => planFaults(benches, some, seed).faults.map(({ id, file, at }) => [id, file, at])
    expect(places(7)).toEqual(places(7))
    expect(places(8)).not.toEqual(places(7))
  })

  test('changes something with every fault', () => {
    for (const { id, base, edits } of plan.faults) {
      const changed = Object.entries(edits).filter(([file, text]) => text === null || text !== benches[base].read(file))
      expect(changed.length, id).toBeGreaterThan(0)
    }
  })
})

describe('a run', () => {
  const inFirstDocument = (plant: Operator['targets']): Operator => ({
    id: 'probe',
    what: 'a probe',
    gate: 'lint',
    rule: 'lint/owner',
    gates: ['document', 'bundle', 'lint', 'governance'],
    targets: plant,
  })

  test('catches a fault, and lets one survive that no gate is told to find', async () => {
    const owner = operators.find(({ id }) => id === 'unknown-owner')
    const harmless = inFirstDocument(({ ctx }) =>
      ctx.source().operations.map((operation) => ({
        file: ctx.files.name(operation.file),
        name: operation.id,
        plant: (draft) => {
          draft.set({ ...operation, pointer: `${operation.pointer}/summary` }, 'Another summary')
          return operation
        },
      })),
    )
    const report = await runSelftest({ jobs: 1, operators: [owner as Operator, harmless] })
    expect(report.faults.map(({ id, isCaught, reason }) => [id, isCaught, reason])).toEqual([
      ['unknown-owner', true, null],
      ['probe', false, 'not caught: lint passes'],
    ])
    expect(report).toMatchObject({ planted: 2, caught: 1, isPartial: true })
  }, 180_000)

  test('refuses a repository that is not clean', async ({ onTestFinished }) => {
    const folder = temporaryFolder(onTestFinished)
    copyRepository(ROOT, folder)
    const file = join(folder, 'api-contracts/openapi/v1/health.yaml')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace('operationId: getLiveness', 'operationId: get_liveness'))
    const lines: string[] = []
    const run = runSelftest({ root: folder, jobs: 1, only: ['unknown-owner'], log: (line) => lines.push(line) })
    await expect(run).rejects.toThrow(/does not pass \(lint/)
    expect(lines.join('\n')).toMatch(/health\.yaml:\d+ .*\[lint\/operation-id\]/)
  }, 180_000)

  test.for([
    ['--seed', 'x'],
    ['--jobs', '0'],
    ['--nothing', 'x'],
  ])('ends with 2 for %s %s', async ([name = '', value = '']) => {
    expect(await main([name, value])).toBe(2)
  })
})
