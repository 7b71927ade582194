import { expect, test } from 'vitest'
import { type Cell, judge, type Outcome } from '../../scripts/isolation/cells/cell.ts'

const MARKER = 'a row of somebody else'

function cell(change: Partial<Cell>): Cell {
  return {
    relation: 'public.things',
    role: 'app_user',
    context: 'other',
    operation: 'SELECT',
    setting: 'tenant',
    sql: 'select 1',
    expect: { seen: 0 },
    isGranted: true,
    seesAll: false,
    ...change,
  }
}

const rows = (...texts: string[]): Outcome => ({ ok: true, rows: texts.map((text) => [text]), count: texts.length })
const failure = (code: string, text = ''): Outcome => ({ ok: false, code, text })

test.each<[name: string, kind: string, cell: Partial<Cell>, outcome: Outcome]>([
  ['nothing seen, as expected', 'ok', {}, rows()],
  ['own rows seen, as expected', 'ok', { context: 'own', expect: { seen: 1 } }, rows('mine')],
  ['refused, as expected', 'ok', { expect: { refused: ['42501'] } }, failure('42501')],
  ['written, as expected', 'ok', { expect: { written: 1 } }, { ok: true, rows: [], count: 1 }],
  ['anything goes', 'ok', { expect: {} }, rows('mine')],
  ['a row where none may be', 'leak', {}, rows('mine')],
  ['more rows than the own ones', 'leak', { context: 'own', expect: { seen: 1 } }, rows('mine', 'whose')],
  ['written where it had to be refused', 'leak', { expect: { refused: ['42501'] } }, { ok: true, rows: [], count: 1 }],
  ['a marker, although the number is right', 'leak', { context: 'own', expect: { seen: 1 } }, rows(MARKER)],
  ['a marker where anything goes', 'leak', { expect: {} }, rows(`x ${MARKER} y`)],
  ['a marker in an error', 'leak', { expect: { refused: ['42501'] } }, failure('42501', `Key (${MARKER})`)],
  ['an own row is missing', 'difference', { context: 'own', expect: { seen: 1 } }, rows()],
  ['refused for another reason', 'difference', { expect: { refused: ['42501'] } }, failure('23505')],
  [
    'seen where it had to be refused, but nothing',
    'difference',
    { context: 'own', expect: { refused: ['42501'] } },
    rows(),
  ],
  ['an oracle answers', 'leak', { operation: 'oracle: unique key', expect: { written: 1 } }, failure('23505')],
])('%s: %s', (_, kind, change, outcome) => {
  expect(judge(cell(change), outcome, null, [MARKER]).kind).toBe(kind)
})

test('what the statement itself names may be repeated by its error', () => {
  const named = cell({ sql: `insert '${MARKER}'`, expect: { refused: ['23514'] } })
  expect(judge(named, failure('23514', MARKER), null, [MARKER]).kind).toBe('ok')
})

test('a reviewed look-up shows everything', () => {
  expect(judge(cell({ seesAll: true, expect: { seen: 1 } }), rows(MARKER), null, [MARKER]).kind).toBe('ok')
})

test('two refusals that differ in a word tell what exists', () => {
  const probe = cell({ operation: 'oracle: existence', expect: { refused: ['42501'] } })
  expect(judge(probe, failure('42501', 'no'), failure('42501', 'no'), []).kind).toBe('ok')
  expect(judge(probe, failure('42501', 'no'), failure('42501', 'No'), []).kind).toBe('leak')
  expect(judge(probe, failure('23505', 'no'), failure('42501', 'no'), []).kind).toBe('leak')
})
