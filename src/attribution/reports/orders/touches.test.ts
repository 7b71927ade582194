import { expect, test } from 'vitest'
import { setTransform } from '../../transforms/registry.ts'
import type { TouchRow } from './queries.ts'
import { explainTouches as explain } from './touches.ts'

const at = (minute: number) => new Date(Date.UTC(2026, 10, 20, 12, minute))

function touch(externalId: string, change: Partial<TouchRow> = {}): TouchRow {
  return {
    origin: 'server',
    externalId,
    channel: 'email',
    occurredAt: at(0),
    isVisitors: true,
    isAfterOrder: false,
    isOlderThanLookback: false,
    isUsedUp: false,
    ...change,
  }
}

const explainTouches = (
  stored: readonly TouchRow[],
  credited: Parameters<typeof explain>[1],
  transform = setTransform('identity', {}),
) => explain(stored, credited, transform)

const credit = (externalId: string, position: number, touchedAt = at(0), touchOrigin = 'server') => ({
  position,
  channel: 'email',
  touchOrigin,
  touchExternalId: externalId,
  touchedAt,
})

test.each([
  ['after_order', touch('x', { isAfterOrder: true })],
  ['outside_lookback', touch('x', { isOlderThanLookback: true })],
  ['before_previous_order', touch('x', { isUsedUp: true })],
  ['outside_lookback', touch('x', { isOlderThanLookback: true, isUsedUp: true })],
])('it is told that a touch counts for nothing: %s', (exclusion, row) => {
  expect(explainTouches([row], [])).toEqual([
    { externalId: 'x', channel: 'email', touchedAt: at(0), position: null, exclusion },
  ])
})

test("the order's own record gives way to touches of its visitor, and counts where there are none", () => {
  const own = touch('landing', { origin: 'order', isVisitors: false })
  const visitors = touch('seen', { occurredAt: at(1) })
  expect(explainTouches([own, visitors], [credit('seen', 0, at(1))])).toMatchObject([
    { externalId: 'landing', position: null, exclusion: 'superseded' },
    { externalId: 'seen', position: 1 },
  ])
  expect(explainTouches([own], [credit('landing', 0, at(0), 'order')])).toMatchObject([
    { externalId: 'landing', position: 1, exclusion: null },
  ])
})

test('what is credited is told also where it is stored no longer, and what is too new for a credit is not', () => {
  const explained = explainTouches([touch('new', { occurredAt: at(2) })], [credit('kept', 0, at(1))])
  expect(explained).toEqual([{ externalId: 'kept', channel: 'email', touchedAt: at(1), position: 1, exclusion: null }])
})

test('earliest first, and by position where times are equal; an order without a touch has none', () => {
  const rows = [touch('b', { occurredAt: at(5) }), touch('late', { occurredAt: at(9), isAfterOrder: true })]
  const credits = [credit('b', 1, at(5)), credit('a', 0, at(5)), credit('first', 2, at(1))]
  expect(explainTouches(rows, credits).map(({ externalId }) => externalId)).toEqual(['first', 'a', 'b', 'late'])
  const none = { position: 0, channel: '(unattributed)', touchOrigin: null, touchExternalId: null, touchedAt: null }
  expect(explainTouches([], [none])).toEqual([])
})

test('a touch that the transform leaves out is told of, and one that came after the figures is not', () => {
  const direct = (id: string, minute: number) => touch(id, { channel: 'direct', occurredAt: at(minute) })
  const rows = [
    touch('one', { occurredAt: at(1) }),
    direct('out', 2),
    touch('two', { occurredAt: at(3) }),
    direct('end', 4),
  ]
  const credits = [credit('one', 0, at(1)), credit('two', 1, at(3))]
  const transform = setTransform('remove_unless_all', { channel: 'direct' })
  expect(explainTouches([...rows, touch('late', { occurredAt: at(5) })], credits, transform)).toMatchObject([
    { externalId: 'one', position: 1, exclusion: null },
    { externalId: 'out', position: null, exclusion: 'removed_by_transform' },
    { externalId: 'two', position: 2, exclusion: null },
    { externalId: 'end', position: null, exclusion: 'removed_by_transform' },
  ])
})

test('what counts and is stored no longer still stands for what the transform leaves out', () => {
  const rows = [touch('again', { occurredAt: at(2) })]
  expect(explainTouches(rows, [credit('first', 0, at(1))], setTransform('first', {}))).toMatchObject([
    { externalId: 'first', position: 1 },
    { externalId: 'again', exclusion: 'removed_by_transform' },
  ])
})
