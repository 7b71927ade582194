import { describe, expect, test } from 'vitest'
import { effectsOfLists } from './lists.ts'
import type { Statement } from './statement.ts'

const at = (second: number) => new Date(Date.UTC(2026, 10, 20, 8, 0, second))

/** A refund of the list, told at a second; made then, if nothing else is said. */
function item(entryKey: string, amountMinor: bigint, second: number, change: Partial<Statement> = {}): Statement {
  return {
    eventId: `${entryKey} ${second}`,
    type: 'payment_refunded',
    orderKey: 'o',
    entryKey,
    disputeKey: null,
    outcome: null,
    listKey: 'o',
    list: 'item',
    amountMinor,
    counts: true,
    currency: 'USD',
    occurredAt: at(second),
    versionAt: at(second),
    prevails: false,
    ...change,
  }
}

const sum = (amountMinor: bigint, second: number): Statement =>
  item(`sum ${second}`, amountMinor, second, { list: 'sum' })
const failed = (entryKey: string, amountMinor: bigint, madeAt: number, second: number): Statement =>
  item(entryKey, amountMinor, second, { counts: false, prevails: true, occurredAt: at(madeAt) })

function amountsOf(statements: readonly Statement[]): Record<string, bigint> {
  const effects = [...effectsOfLists(statements)].map(([entryKey, { amountMinor }]) => [entryKey, amountMinor] as const)
  return Object.fromEntries(effects.filter(([, amountMinor]) => amountMinor !== 0n))
}

describe('a whole list', () => {
  /** A snapshot with these refunds and no others. */
  const snapshot = (second: number, ...refunds: [entryKey: string, amountMinor: bigint][]): Statement[] => [
    ...refunds.map(([entryKey, amountMinor]) => item(entryKey, amountMinor, second, { eventId: `snapshot ${second}` })),
    item('o', 0n, second, { list: 'whole', eventId: `snapshot ${second}` }),
  ]

  test.each<[string, Statement[], Record<string, bigint>]>([
    ['has its items', snapshot(1, ['a', 10n], ['b', 5n]), { a: 10n, b: 5n }],
    ['without one: it is none', [...snapshot(1, ['a', 10n], ['b', 5n]), ...snapshot(2, ['b', 5n])], { b: 5n }],
    ['an older one does not bring it back', [...snapshot(2), ...snapshot(1, ['a', 10n])], {}],
    [
      'one that is there again counts again',
      [...snapshot(1, ['a', 1n]), ...snapshot(2), ...snapshot(3, ['a', 2n])],
      { a: 2n },
    ],
    ['of one moment the larger amount holds', [...snapshot(1, ['a', 10n]), ...snapshot(1)], { a: 10n }],
    ['says nothing of another list', [...snapshot(2), item('z', 3n, 1, { listKey: 'p' })], { z: 3n }],
  ])('%s', (_name, statements, amounts) => {
    expect(amountsOf(statements)).toEqual(amounts)
    expect(amountsOf(statements.toReversed())).toEqual(amounts)
  })
})

describe('a sum of a list', () => {
  test.each<[string, Statement[], Record<string, bigint>]>([
    ['alone counts', [sum(50n, 1)], { 'sum 1': 50n }],
    ['counts step by step', [sum(20n, 1), sum(50n, 2)], { 'sum 1': 20n, 'sum 2': 30n }],
    ['that falls takes back', [sum(50n, 1), sum(20n, 2), sum(60n, 3)], { 'sum 1': 20n, 'sum 3': 40n }],
    [
      'leaves the items that it has',
      [item('a', 20n, 1), sum(20n, 1), item('b', 30n, 2), sum(50n, 2)],
      { a: 20n, b: 30n },
    ],
    ['counts what no item explains', [sum(50n, 2), item('b', 30n, 2)], { b: 30n, 'sum 2': 20n }],
    ['does not have younger items', [sum(20n, 1), item('b', 30n, 2)], { 'sum 1': 20n, b: 30n }],
    ['loses what failed since', [sum(50n, 1), failed('a', 50n, 1, 2)], {}],
    ['does not lose what failed before', [failed('a', 50n, 1, 2), sum(50n, 3)], { 'sum 3': 50n }],
    ['loses what failed in its second', [sum(50n, 1), item('a', 50n, 1), failed('a', 50n, 1, 1)], {}],
    [
      'of less than its items takes the youngest back',
      [item('a', 50n, 1), item('b', 30n, 2), sum(60n, 2)],
      { a: 50n, b: 10n },
    ],
    ['of nothing takes all back', [item('a', 50n, 1), sum(0n, 1)], {}],
    ['of one second is the larger', [sum(20n, 1), { ...sum(50n, 1), eventId: 'another' }], { 'sum 1': 50n }],
  ])('%s', (_name, statements, amounts) => {
    expect(amountsOf(statements)).toEqual(amounts)
    expect(amountsOf(statements.toReversed())).toEqual(amounts)
  })
})
