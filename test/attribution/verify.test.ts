import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { compareLookAlike } from '../../scripts/verify/attribution/look-alike.ts'
import { chooseSource } from '../../scripts/verify/attribution.ts'
import { compare, isEqual, printTables, tablesToJson } from '../../scripts/verify/table.ts'
import { referenceData } from '../support/reference-data.ts'
import { isWhole, shareOf } from '../support/share.ts'

describe('what is compared', () => {
  test.each([undefined, ''])('our own data when the variable is %o', (folder) => {
    expect(chooseSource(folder).title).toBe('attribution, look-alike data: SKELDIR_REFERENCE_DATA is not set')
  })

  test('our own data when the folder has no tables', () => {
    const folder = mkdtempSync(join(tmpdir(), 'skeldir-verify-'))
    expect(chooseSource(folder).title).toContain('look-alike data: there is no ')
  })

  // The oracles are slow: ten seconds of a core.
  test.runIf(isWhole())('our own data is equal to what slow methods make of it', () => {
    const tables = compareLookAlike()
    expect(tables.filter((table) => !isEqual(table))).toEqual([])
    expect(tables.length).toBeGreaterThan(15)
  })

  test.skipIf(referenceData() === null)('every published table is equal', () => {
    const { parts } = chooseSource(referenceData() as string)
    const published = shareOf(parts.slice(0, -1), 2, 'published tables')
    const tables = published.flatMap((part) => part.compare())
    expect(tables.filter((table) => !isEqual(table))).toEqual([])
    expect(tables.length).toBeGreaterThan(isWhole() ? 40 : published.length)
  })
})

describe('a table', () => {
  test('is as good as its worst figure', () => {
    const table = compare('one', 1e-3)
    table.add('near', 1_000, 1_000.5)
    expect(isEqual(table)).toBe(true)
    table.add('far', -2, -1)
    expect([isEqual(table), table.worst, table.worstAt, table.figures]).toEqual([false, 1, 'far', 2])
  })

  test.each<[string, (table: ReturnType<typeof compare>) => void]>([
    ['something for nothing', (table) => table.add('zero', 0.5, 0)],
    ['what is not a number', (table) => table.add('nan', Number.NaN, 1)],
    ['what is expected and is not a number', (table) => table.add('nan', 1, Number.NaN)],
    ['another text', (table) => table.same('text', 'a', 'b')],
  ])('differs by %s', (_name, addTo) => {
    const table = compare('one', 0.1)
    addTo(table)
    expect(isEqual(table)).toBe(false)
  })

  test('without figures has proven nothing', () => {
    expect(isEqual(compare('empty', 1))).toBe(false)
  })

  test('that is simply wrong has no error in JSON', () => {
    const table = compare('bad', 0)
    table.same('b', 1, 2)
    expect(JSON.parse(tablesToJson('title', [table]))).toEqual({
      title: 'title',
      equal: false,
      tables: [{ name: 'bad', equal: false, figures: 1, worst: null, worstAt: 'b', limit: 0 }],
    })
  })

  test('is a line of the report', () => {
    const [good, bad] = [compare('good', 1e-9), compare('bad', 0)]
    good.add('a', 1, 1)
    bad.same('b', 1, 2)
    const lines = printTables('title', [good, bad]).split('\n')
    expect(lines[3]).toMatch(/^good +equal +1 +0 +1\.0e-9$/)
    expect(lines[4]).toMatch(/^bad +DIFFERS +b +1 +Infinity +0$/)
    expect(lines[6]).toBe('1 of 2 tables differ')
  })
})
