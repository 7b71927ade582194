import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Cell, listCells, readDocument } from '../../scripts/contracts/parity/contract.ts'
import { type Excuse, findExcuse, judgeExcuses, readExcuses } from '../../scripts/contracts/parity/excuses.ts'
import { readLedger, startRecording } from '../../scripts/contracts/parity/ledger.ts'

const root = join(import.meta.dirname, '../..')
const cells = listCells(readDocument(root))

describe('excuses', () => {
  const excuse: Excuse = {
    operation: 'login',
    status: 200,
    what: 'header',
    reason: 'for the sake of this test',
    until: '2026-12-31',
  }
  const login = cells.filter(({ operationId }) => operationId === 'login')
  const about = { cells: cells, excusedCells: 1, today: '2026-11-21' }

  test('the file is what its schema demands', () => {
    expect(readExcuses(root)).toBeInstanceOf(Array)
  })

  test.each([
    ['a faulty entry', 'excuses: [{ operation: login, status: 200, what: everything, reason: short, until: soon }]'],
    ['no list', 'excuse: []'],
    ['no YAML', 'excuses: ['],
  ])('%s is refused', (_, text) => {
    const folder = mkdtempSync(join(tmpdir(), 'skeldir excuses '))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    mkdirSync(join(folder, 'api-contracts/governance/schemas'), { recursive: true })
    writeFileSync(join(folder, 'api-contracts/governance/parity-excuses.yaml'), text)
    const schema = readFileSync(join(root, 'api-contracts/governance/schemas/parity-excuses.json'))
    writeFileSync(join(folder, 'api-contracts/governance/schemas/parity-excuses.json'), schema)
    expect(() => readExcuses(folder)).toThrow(/parity-excuses\.yaml/)
  })

  test.each([
    ['header', 'header', 'etag', true],
    ['header etag', 'header', 'etag', true],
    ['header etag', 'header', 'location', false],
    ['body', 'header', 'etag', false],
  ] as const)('%s excuses %s %s: %s', (what, matter, at, expected) => {
    const [cell] = login.filter(({ status }) => status === 200)
    const found = findExcuse([{ ...excuse, what }], cell as Cell, { matter, at, message: '' })
    expect(found !== undefined).toBe(expected)
  })

  test('an excuse that is expired, not needed, about nothing, or one too many is a fault', () => {
    const judgeOne = (change: Partial<Excuse>, isUsed: boolean) => {
      const one = { ...excuse, ...change }
      return judgeExcuses([one], new Set(isUsed ? [one] : []), about)
    }
    expect(judgeOne({}, true)).toEqual([])
    expect(judgeOne({ until: '2026-11-20' }, true)).toEqual([expect.stringContaining('expired on 2026-11-20')])
    expect(judgeOne({}, false)).toEqual([expect.stringContaining('not needed')])
    expect(judgeOne({ operation: 'gone' }, false)).toEqual([expect.stringContaining('no such answer')])
    expect(judgeExcuses([], new Set(), { ...about, cells: login, excusedCells: 1 })).toEqual([
      expect.stringContaining('at most 0'),
    ])
  })
})

describe('the ledger', () => {
  function project() {
    const folder = mkdtempSync(join(tmpdir(), 'skeldir ledger '))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    mkdirSync(join(folder, 'src'))
    writeFileSync(join(folder, 'src/a.ts'), 'one')
    return folder
  }
  const line = `${JSON.stringify({ operationId: 'login', test: null, request: {}, reply: {} })}\n`

  test('is what a complete run has left, and old once a source has changed', () => {
    const folder = project()
    expect(readLedger(folder)).toBeNull()
    const recording = startRecording(folder)
    writeFileSync(join(recording.folder, '1-0.ndjson'), line.repeat(2))
    writeFileSync(join(recording.folder, '2-0.ndjson'), line)
    expect(readLedger(folder)).toBeNull()
    recording.keep()
    expect(readLedger(folder)).toMatchObject({ isCurrent: true, witnesses: [{ operationId: 'login' }, {}, {}] })
    writeFileSync(join(folder, 'src/a.ts'), 'two')
    expect(readLedger(folder)).toMatchObject({ isCurrent: false })
    writeFileSync(join(folder, 'src/a.ts'), 'one')
    expect(readLedger(folder)).toMatchObject({ isCurrent: true })
  })

  test('a source that changes meanwhile makes it old at once', () => {
    const folder = project()
    const recording = startRecording(folder)
    writeFileSync(join(folder, 'src/b.ts'), 'new')
    recording.keep()
    expect(readLedger(folder)).toMatchObject({ isCurrent: false })
  })

  test('a run that is not complete leaves nothing, and a later one replaces the earlier', () => {
    const folder = project()
    const [first, second, third] = [startRecording(folder), startRecording(folder), startRecording(folder)]
    writeFileSync(join(first.folder, '1-0.ndjson'), line)
    writeFileSync(join(second.folder, '1-0.ndjson'), line.repeat(2))
    first.keep()
    third.discard()
    second.keep()
    expect(readLedger(folder)?.witnesses).toHaveLength(2)
    expect(readdirSync(join(folder, '.skeldir/parity'))).toHaveLength(2)
  })

  test('what a killed run has left is removed by the next', () => {
    const folder = project()
    // No process has this number: it is above the kernel's bound.
    const lost = join(folder, '.skeldir/parity/run-2147483647-00000000')
    mkdirSync(lost, { recursive: true })
    const { folder: own } = startRecording(folder)
    expect(readdirSync(join(folder, '.skeldir/parity'))).toEqual([own.split('/').at(-1)])
  })
})
