import { describe, expect, test } from 'vitest'
import { compareStored, type StoredRow, type Wanted } from '../../scripts/load/stored.ts'

const want = (sha256: string, changes: Partial<Wanted> = {}): Wanted => ({
  name: `delivery ${sha256}`,
  tenantId: 't1',
  endpointId: 'e1',
  sha256,
  as: 'event',
  receipts: new Set([`id-${sha256}`]),
  ...changes,
})
const row = (sha256: string, changes: Partial<StoredRow> = {}): StoredRow => ({
  table: 'event',
  id: `id-${sha256}`,
  tenantId: 't1',
  endpointId: 'e1',
  sha256,
  ...changes,
})

describe('compareStored', () => {
  test('is content with one row for each, whatever the order', () => {
    const wanted = [want('a'), want('b', { as: 'dead' }), want('c', { as: 'either' })]
    expect(compareStored(wanted, [row('c', { table: 'dead' }), row('b', { table: 'dead' }), row('a')])).toEqual([])
  })

  test.each<[name: string, wanted: Wanted[], rows: StoredRow[], fault: string]>([
    ['a row that is missing', [want('a')], [], 'lost: delivery a, acknowledged as id-a'],
    [
      'one that was never acknowledged',
      [want('a', { receipts: new Set() })],
      [],
      'lost: delivery a, never acknowledged',
    ],
    ['two rows', [want('a')], [row('a'), row('a', { id: 'other' })], 'doubled: delivery a has 2 rows'],
    ['the wrong table', [want('a')], [row('a', { table: 'dead' })], 'misplaced: delivery a is dead, not event'],
    [
      'a receipt of another row',
      [want('a')],
      [row('a', { id: 'other' })],
      'false receipt: delivery a was told id-a, which is not its row',
    ],
    ['a row of another tenant', [], [row('a', { tenantId: 't2' })], 'unasked: event id-a was sent by nobody'],
  ])('names %s', (_, wanted, rows, fault) => {
    expect(compareStored(wanted, rows)).toEqual([fault])
  })

  test('the same body of two tenants is two deliveries', () => {
    const wanted = [want('a'), want('a', { name: 'theirs', tenantId: 't2' })]
    expect(compareStored(wanted, [row('a')])).toEqual(['lost: theirs, acknowledged as id-a'])
  })
})
