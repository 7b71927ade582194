import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { countCells, formats, listFailures } from '../../scripts/contracts/parity/report.ts'
import type { CellParity, ParityReport } from '../../scripts/contracts/parity/run.ts'

describe('the report', () => {
  const cell = (change: Partial<CellParity>): CellParity => ({
    status: 200,
    mediaType: 'application/json',
    isDocumented: true,
    witnesses: 3,
    test: 'test/api/login.test.ts > 200: a token',
    result: 'agreed',
    disagreements: [],
    ...change,
  })
  const failed = cell({
    status: 401,
    result: 'failed',
    disagreements: [{ matter: 'header', at: 'www-authenticate', message: 'the mock lacks this header, 100% sure' }],
  })
  const report: ParityReport = {
    ok: false,
    recordedAt: '2026-11-21T05:00:00.000Z',
    isReused: true,
    witnesses: 7,
    conformance: [
      {
        kind: 'example',
        probes: 4,
        valid: 3,
        failures: [{ name: 'login 413', operationId: 'login', status: 413, disagreements: [] }],
      },
    ],
    server: [{ what: '405', requests: 2, agreed: 1, failures: ['PUT /x: differs'] }],
    operations: [
      {
        operationId: 'login',
        cells: [cell({}), failed, cell({ status: 503, result: 'excused', disagreements: failed.disagreements })],
        natural: { agreed: 4, state: 2, disagreed: 0, reasons: { '409 depends on the data': 2 } },
      },
    ],
    notImplemented: 89,
    excuses: { total: 1, faults: ['login 503 header: expired on 2026-11-20'] },
    tookMs: 1_234,
  }
  const locate = () => ({ file: 'api-contracts/openapi/v1/auth.yaml', line: 7, column: 3 })

  test('text: a row per operation, a total, and what failed', () => {
    const text = formats.text(report)
    expect(text).toMatch(/^login +3 +1 +1 +1 +6 +4 +2$/m)
    expect(text).toMatch(/^total +3 +1 +1 +1 +6 +4 +2$/m)
    expect(text).toContain('✗ login 401 application/json\n  header www-authenticate: the mock lacks this header')
    expect(text).toContain('~ login 503')
    expect(text).toContain('2 × 409 depends on the data')
    expect(text).toContain('✗ PUT /x: differs')
    expect(text).toContain('expired on 2026-11-20')
    expect(text.trimEnd().split('\n').at(-1)).toMatch(/^3 cells, 1 agreed, 1 excused, 1 failed; .*1\.2 s$/)
  })

  test('github: errors at the lines of the contract, escaped, and a notice', () => {
    const lines = formats.github(report, locate).trimEnd().split('\n')
    expect(lines).toHaveLength(listFailures(report).length + 1)
    expect(lines[0]).toMatch(
      /^::error file=api-contracts\/openapi\/v1\/auth\.yaml,line=7,col=3,title=contracts%3Adiff::login 401%0A/,
    )
    expect(lines[0]).toContain('100%25 sure')
    expect(lines.at(-1)).toMatch(/^::notice /)
  })

  test('json: the report itself', () => {
    expect(JSON.parse(formats.json(report))).toEqual(report)
    expect(countCells(report.operations[0]?.cells ?? [])).toEqual({ cells: 3, agreed: 1, excused: 1, failed: 1 })
  })
})

describe('the command', () => {
  const run = (...args: string[]) => {
    const script = join(import.meta.dirname, '../../scripts/contracts/parity.ts')
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
    return { status, stdout, stderr }
  }

  test('--help tells the options and the exit codes', () => {
    const { status, stdout } = run('--help')
    expect(status).toBe(0)
    for (const option of ['--format', '--operation', '--fresh', 'Ends with 0']) expect(stdout).toContain(option)
  })

  test.each([
    ['a format that there is not', ['--format', 'xml'], /no format xml; the formats are text, json, github/],
    ['an operation that there is not', ['--operation', 'nope'], /no operation nope/],
    ['an option that there is not', ['--quick'], /--quick/],
  ])('%s is one sentence and 2', (_, args, expected) => {
    const { status, stdout, stderr } = run(...args)
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(expected)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })
})
