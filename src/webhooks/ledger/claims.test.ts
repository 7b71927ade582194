import { describe, expect, test } from 'vitest'
import { wantedEntries } from './settle.ts'
import type { Statement } from './statement.ts'

const LIST = 'paypal:CAPTURE1'

type Told = [kind: 'refund' | 'reversal' | 'case' | 'won' | 'lost', id: string, amount: number, day: number]

/** Amounts in minor units, days of November 2026. */
function toStatement([kind, id, amount, day]: Told): Statement {
  const isEnd = kind === 'won' || kind === 'lost'
  const dispute = `paypal:dispute:${id}`
  return {
    eventId: `${kind}-${id}`,
    type: isEnd ? 'dispute_closed' : kind === 'refund' ? 'payment_refunded' : 'payment_disputed',
    orderKey: LIST,
    entryKey: isEnd ? `${dispute}:closed` : kind === 'case' ? dispute : `paypal:${kind}:${id}`,
    disputeKey: isEnd ? dispute : null,
    outcome: isEnd ? kind : null,
    listKey: isEnd ? null : LIST,
    list: isEnd ? null : kind === 'case' ? 'claim' : 'item',
    amountMinor: BigInt(amount),
    counts: true,
    currency: 'USD',
    occurredAt: new Date(Date.UTC(2026, 10, day, 12)),
    versionAt: new Date(Date.UTC(2026, 10, day, 12)),
    prevails: false,
  }
}

function lossOf(statements: readonly Statement[]): number {
  return Number(wantedEntries(statements).reduce((sum, { amountMinor }) => sum - amountMinor, 0n))
}

function orders<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]]
  return items.flatMap((item, index) => orders(items.toSpliced(index, 1)).map((rest) => [item, ...rest]))
}

describe('what a buyer got back of a capture, whatever the order of the deliveries', () => {
  test.each<[string, number, Told[]]>([
    ['a case', 1000, [['case', 'A', 1000, 3]]],
    [
      'two reversals',
      1000,
      [
        ['reversal', 'R', 400, 3],
        ['reversal', 'S', 600, 4],
      ],
    ],
    [
      'two cases',
      1000,
      [
        ['case', 'A', 400, 3],
        ['case', 'B', 600, 4],
      ],
    ],
    [
      'a case that is lost',
      1000,
      [
        ['case', 'A', 1000, 3],
        ['lost', 'A', 1000, 9],
      ],
    ],
    [
      'a case that is won',
      0,
      [
        ['case', 'A', 1000, 3],
        ['won', 'A', 1000, 9],
      ],
    ],
    [
      'a claim that ended in a refund',
      1000,
      [
        ['case', 'A', 1000, 3],
        ['refund', 'F', 1000, 9],
        ['lost', 'A', 1000, 9],
      ],
    ],
    [
      'the same, the refund told of a little later',
      1000,
      [
        ['case', 'A', 1000, 3],
        ['lost', 'A', 1000, 8],
        ['refund', 'F', 1000, 9],
      ],
    ],
    [
      'a claim to a part that ended in a refund',
      400,
      [
        ['case', 'A', 400, 3],
        ['refund', 'F', 400, 9],
        ['lost', 'A', 400, 9],
      ],
    ],
    [
      'a claim of which a part was refunded',
      1000,
      [
        ['case', 'A', 1000, 3],
        ['refund', 'F', 300, 5],
      ],
    ],
    [
      'that claim, given up',
      300,
      [
        ['case', 'A', 1000, 3],
        ['refund', 'F', 300, 5],
        ['won', 'A', 1000, 9],
      ],
    ],
    [
      'a refund, and later a claim to the rest',
      1000,
      [
        ['refund', 'F', 300, 1],
        ['case', 'A', 700, 3],
        ['lost', 'A', 700, 9],
      ],
    ],
    [
      'a claim that is lost, and long after it a refund',
      700,
      [
        ['case', 'A', 400, 3],
        ['lost', 'A', 400, 9],
        ['refund', 'F', 300, 20],
      ],
    ],
    [
      'a case made by a reversal',
      1000,
      [
        ['reversal', 'R', 1000, 3],
        ['case', 'A', 1000, 3],
      ],
    ],
    [
      'that case, won',
      0,
      [
        ['reversal', 'R', 1000, 3],
        ['case', 'A', 1000, 3],
        ['won', 'A', 1000, 9],
      ],
    ],
    [
      'that case, lost',
      1000,
      [
        ['reversal', 'R', 1000, 3],
        ['case', 'A', 1000, 3],
        ['lost', 'A', 1000, 9],
      ],
    ],
    [
      'a case for less than was reversed',
      1000,
      [
        ['reversal', 'R', 400, 3],
        ['reversal', 'S', 600, 4],
        ['case', 'A', 400, 3],
      ],
    ],
    [
      'two claims, each with its refund',
      1000,
      [
        ['case', 'A', 400, 3],
        ['refund', 'F', 400, 4],
        ['case', 'B', 600, 5],
        ['refund', 'G', 600, 6],
      ],
    ],
  ])('%s', (_name, loss, told) => {
    for (const order of orders(told.map(toStatement))) expect(lossOf(order)).toBe(loss)
  })

  test('a refund in another currency settles nothing', () => {
    const [claim, refund] = (
      [
        ['case', 'A', 1000, 3],
        ['refund', 'F', 1000, 4],
      ] as Told[]
    ).map(toStatement)
    expect(lossOf([claim as Statement, { ...(refund as Statement), currency: 'EUR' }])).toBe(2000)
  })
})
