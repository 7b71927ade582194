import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BookedEntry, contradicts, correctionsOf, type NewEntry, wantedEntries } from './settle.ts'
import type { Statement } from './statement.ts'

const at = (second: number) => new Date(Date.UTC(2026, 10, 20, 8, 0, second))

function capture(
  eventId: string,
  amountMinor: bigint,
  second: number | null,
  change: Partial<Statement> = {},
): Statement {
  return {
    eventId,
    type: 'payment_captured',
    orderKey: 'woocommerce:1',
    entryKey: 'woocommerce:1:capture',
    disputeKey: null,
    outcome: null,
    listKey: null,
    list: null,
    amountMinor,
    counts: true,
    currency: 'USD',
    occurredAt: at(0),
    versionAt: second === null ? null : at(second),
    prevails: false,
    ...change,
  }
}

/** Enters statements one after the other, as the service does. */
function enterAll(statements: readonly Statement[]): NewEntry[] {
  const rows: NewEntry[] = []
  for (const index of statements.keys()) {
    for (const wanted of wantedEntries(statements.slice(0, index + 1)))
      rows.push(...correctionsOf(wanted, bookedIn(rows, wanted.entryKey)))
  }
  return rows
}

function bookedIn(rows: readonly NewEntry[], entryKey: string): BookedEntry | undefined {
  const own = rows.filter((row) => (row.correctsEntryKey ?? row.entryKey) === entryKey)
  const sums = [...Map.groupBy(own, ({ orderKey, currency }) => `${orderKey} ${currency}`).values()].map((same) => ({
    ...(same[0] as NewEntry),
    amountMinor: same.reduce((sum, { amountMinor }) => sum + amountMinor, 0n),
  }))
  return own.length === 0 ? undefined : { entryKey, rows: own.length, sums }
}

/** What the rows say in sum, by order and currency; without those in which it is nothing. */
function sumsOf(rows: readonly NewEntry[]): Record<string, bigint> {
  const sums: Record<string, bigint> = {}
  for (const { kind, orderKey, currency, amountMinor } of rows) {
    const name = `${kind} ${orderKey} ${currency}`
    sums[name] = (sums[name] ?? 0n) + amountMinor
  }
  return Object.fromEntries(Object.entries(sums).filter(([, sum]) => sum !== 0n))
}

const OWN = 'capture woocommerce:1 USD'

describe('an entry', () => {
  test('the first statement enters it, a repeat nothing', () => {
    expect(enterAll([capture('a', 2935n, 1), capture('b', 2935n, 2)])).toEqual([
      {
        entryKey: 'woocommerce:1:capture',
        orderKey: 'woocommerce:1',
        kind: 'capture',
        amountMinor: 2935n,
        currency: 'USD',
        eventId: 'a',
        occurredAt: at(0),
        reversesEntryKey: null,
        correctsEntryKey: null,
      },
    ])
  })

  test('a newer snapshot corrects it, up or down, and an older one does not', () => {
    const rows = enterAll([capture('a', 100n, 2), capture('b', 90n, 3), capture('c', 500n, 1), capture('d', 120n, 4)])
    expect(
      rows.map(({ entryKey, amountMinor, correctsEntryKey }) => [entryKey, amountMinor, correctsEntryKey]),
    ).toEqual([
      ['woocommerce:1:capture', 100n, null],
      ['woocommerce:1:capture~1', -10n, 'woocommerce:1:capture'],
      ['woocommerce:1:capture~2', 30n, 'woocommerce:1:capture'],
    ])
  })

  test.each<[string, Statement[], Record<string, bigint>]>([
    ['the newest', [capture('a', 100n, 2), capture('b', 200n, 1)], { [OWN]: 100n }],
    ['one with a version', [capture('a', 100n, 1), capture('b', 200n, null)], { [OWN]: 100n }],
    ['of one moment the larger amount', [capture('a', 100n, 1), capture('b', 200n, 1)], { [OWN]: 200n }],
    ['without versions the larger amount', [capture('a', 100n, null), capture('b', 200n, null)], { [OWN]: 200n }],
    [
      'what prevails, though it is older',
      [capture('a', 100n, 1, { prevails: true }), capture('b', 200n, 2)],
      { [OWN]: 100n },
    ],
    ['one that takes back', [capture('a', 100n, 1), capture('b', 100n, 2, { counts: false })], {}],
    ['one of nothing', [capture('a', 100n, 1), capture('b', 0n, 2)], {}],
    [
      'one that came after it was taken back',
      [capture('a', 0n, 2), capture('b', 100n, 1), capture('c', 70n, 3)],
      { [OWN]: 70n },
    ],
    [
      'another currency',
      [capture('a', 100n, 1), capture('b', 90n, 2, { currency: 'EUR' })],
      { 'capture woocommerce:1 EUR': 90n },
    ],
    [
      'of one moment and amount the first currency',
      [capture('a', 100n, 1), capture('b', 100n, 1, { currency: 'EUR' })],
      { 'capture woocommerce:1 EUR': 100n },
    ],
    [
      'another order',
      [capture('a', 100n, 1), capture('b', 100n, 2, { orderKey: 'woocommerce:2' })],
      { 'capture woocommerce:2 USD': 100n },
    ],
  ])('%s holds, whichever comes first', (_name, statements, sums) => {
    for (const order of [statements, statements.toReversed()]) {
      const rows = enterAll(order)
      expect(sumsOf(rows)).toEqual(sums)
      expect(rows.every(({ amountMinor }) => amountMinor !== 0n)).toBe(true)
      expect(new Set(rows.map(({ entryKey }) => entryKey)).size).toBe(rows.length)
    }
  })

  test('a refund and a dispute are below 0', () => {
    for (const [type, kind] of [
      ['payment_refunded', 'refund'],
      ['payment_disputed', 'dispute'],
    ] as const) {
      expect(enterAll([capture('a', 100n, 1, { type })])).toMatchObject([{ kind, amountMinor: -100n }])
    }
  })

  test('it is dated by the earliest statement by which it is money', () => {
    const rows = enterAll([
      capture('a', 0n, 1, { occurredAt: at(1) }),
      capture('b', 100n, 2, { occurredAt: at(5) }),
      capture('c', 100n, 3, { occurredAt: at(3) }),
      capture('d', 0n, 4, { occurredAt: at(2) }),
    ])
    expect(rows.map(({ amountMinor, occurredAt }) => [amountMinor, occurredAt])).toEqual([
      [100n, at(5)],
      [-100n, at(3)],
    ])
  })

  test('what it says is the same in whatever order the statements come', () => {
    const statement = fc.record({
      amountMinor: fc.bigInt(0n, 4n),
      second: fc.option(fc.integer({ min: 0, max: 3 })),
      change: fc.record({
        currency: fc.constantFrom('USD', 'EUR'),
        orderKey: fc.constantFrom('woocommerce:1', 'woocommerce:2'),
        counts: fc.boolean(),
        prevails: fc.boolean(),
      }),
    })
    const statements = fc
      .array(statement, { minLength: 1, maxLength: 8 })
      .map((list) =>
        list.map(({ amountMinor, second, change }, index) => capture(`${index}`, amountMinor, second, change)),
      )
    fc.assert(
      fc.property(
        statements.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        ([list, shuffled]) => {
          expect(sumsOf(enterAll(shuffled))).toEqual(sumsOf(enterAll(list)))
        },
      ),
    )
  })
})

test.each<[string, Statement, Statement, boolean]>([
  ['amounts without versions', capture('a', 100n, null), capture('b', 90n, null), true],
  ['currencies without versions', capture('a', 100n, null), capture('b', 100n, null, { currency: 'EUR' }), true],
  ['the same without versions', capture('a', 100n, null), capture('b', 100n, null), false],
  ['one with a version', capture('a', 100n, null), capture('b', 90n, 1), false],
  ['versions', capture('a', 100n, 1), capture('b', 90n, 1), false],
  ['one that prevails', capture('a', 100n, null), capture('b', 90n, null, { prevails: true }), false],
])('contradiction: %s', (_name, one, other, isContradiction) => {
  expect(contradicts(one, [one, other])).toBe(isContradiction)
  expect(contradicts(other, [one, other])).toBe(isContradiction)
})

describe('the end of a dispute', () => {
  const dispute = (amountMinor: bigint, second: number | null = null): Statement => ({
    ...capture(`d${amountMinor}`, amountMinor, second),
    type: 'payment_disputed',
    entryKey: 'd',
  })
  const end = (outcome: 'won' | 'lost', second: number | null = null, eventId: string = outcome): Statement => ({
    ...capture(eventId, 500n, second),
    type: 'dispute_closed',
    entryKey: 'd:closed',
    disputeKey: 'd',
    outcome,
  })
  const taken = { 'dispute woocommerce:1 USD': -500n }
  const returned = { ...taken, 'dispute_reversal woocommerce:1 USD': 500n }

  test('won, all that the dispute took comes back, to the order that it was taken from', () => {
    expect(enterAll([dispute(500n), { ...end('won'), orderKey: 'other:1', currency: null }]).at(-1)).toMatchObject({
      entryKey: 'd:closed',
      orderKey: 'woocommerce:1',
      currency: 'USD',
      kind: 'dispute_reversal',
      amountMinor: 500n,
      reversesEntryKey: 'd',
      correctsEntryKey: null,
    })
  })

  test.each<[string, Statement[], Record<string, bigint>]>([
    ['lost, nothing comes back', [dispute(500n), end('lost')], taken],
    ['alone it is nothing', [end('won')], {}],
    ['of two the newer holds', [dispute(500n), end('won', 2), end('lost', 1)], returned],
    ['lost, and won on appeal', [dispute(500n), end('lost', 1), end('won', 2), end('won', 2, 'again')], returned],
    ['lost, where nothing orders them', [dispute(500n), end('won'), end('lost')], taken],
    [
      'a dispute whose amount was corrected gives back as much',
      [dispute(500n, 1), dispute(450n, 2), end('won')],
      { 'dispute woocommerce:1 USD': -450n, 'dispute_reversal woocommerce:1 USD': 450n },
    ],
    ['one that no longer takes anything gives nothing back', [dispute(500n, 1), dispute(0n, 2), end('won')], {}],
  ])('%s, whichever comes first', (_name, statements, sums) => {
    for (const order of [statements, statements.toReversed()]) expect(sumsOf(enterAll(order))).toEqual(sums)
  })

  test('two that nothing orders contradict each other', () => {
    expect(contradicts(end('won'), [end('won'), end('lost')])).toBe(true)
    expect(contradicts(end('won', 2), [end('lost', 1)])).toBe(false)
    expect(contradicts(end('won'), [end('won', null, 'again')])).toBe(false)
  })
})
