import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findUncounted, type GroupEntry, groupKeyOf, type Link } from './count-once.ts'
import type { EntryKind } from './settle.ts'

const entry = (
  orderKey: string,
  kind: EntryKind,
  amountMinor: bigint,
  change: Partial<GroupEntry> = {},
): GroupEntry => ({
  entryKey: `${orderKey}:${kind}`,
  orderKey,
  kind,
  amountMinor,
  currency: 'USD',
  reversesEntryKey: null,
  ...change,
})
const WOO = 'woocommerce:727'
const PI = 'stripe:pi_1'
const CH = 'stripe:ch_1'

describe('the key of an order with several', () => {
  test("is a shop's before a payment service's, and the first of several", () => {
    expect(groupKeyOf([PI, WOO, CH])).toBe(WOO)
    expect(groupKeyOf(['paypal:A', PI])).toBe(PI)
    expect(groupKeyOf([PI, CH])).toBe(CH)
    expect(groupKeyOf(['shopify:2', WOO, 'shopify:1'])).toBe('shopify:1')
  })
})

describe('what is not counted', () => {
  const cases: [name: string, entries: GroupEntry[], links: Link[], uncounted: string[]][] = [
    ['nothing of an order alone', [entry(PI, 'capture', 100n), entry(PI, 'refund', -10n)], [], []],
    [
      'the payment of an order that the shop reports too',
      [entry(WOO, 'capture', 100n), entry(PI, 'capture', 100n)],
      [[WOO, PI]],
      [`${PI}:capture`],
    ],
    [
      "the payment service's refund of an amount that the shop reports too, and not one that was made there alone",
      [
        entry(WOO, 'capture', 100n),
        entry(PI, 'capture', 100n),
        entry(WOO, 'refund', -10n),
        entry(PI, 'refund', -10n),
        entry(PI, 'refund', -5n, { entryKey: 'by hand' }),
      ],
      [[WOO, PI]],
      [`${PI}:capture`, `${PI}:refund`],
    ],
    [
      'neither of two refunds of different amounts',
      [entry(WOO, 'capture', 100n), entry(PI, 'capture', 100n), entry(WOO, 'refund', -5n), entry(PI, 'refund', -7n)],
      [[WOO, PI]],
      [`${PI}:capture`],
    ],
    [
      'the parts in which the payment service made a refund of the shop',
      [
        entry(WOO, 'capture', 100n),
        entry(WOO, 'refund', -15n),
        entry(PI, 'refund', -10n, { entryKey: 'one part' }),
        entry(PI, 'refund', -5n, { entryKey: 'the other' }),
        entry(PI, 'refund', -4n, { entryKey: 'another refund' }),
      ],
      [[WOO, PI]],
      ['one part', 'the other'],
    ],
    [
      'one refund of the payment service for two of the shop',
      [
        entry(WOO, 'capture', 100n),
        entry(WOO, 'refund', -10n, { entryKey: 'woo 1' }),
        entry(WOO, 'refund', -5n, { entryKey: 'woo 2' }),
        entry(PI, 'refund', -15n),
      ],
      [[WOO, PI]],
      [`${PI}:refund`],
    ],
    [
      'the smaller of two sums of refunds that together are more than was paid',
      [entry(WOO, 'capture', 100n), entry(WOO, 'refund', -95n), entry(PI, 'refund', -100n)],
      [[WOO, PI]],
      [`${WOO}:refund`],
    ],
    [
      'a refund in another currency than that of the shop',
      [entry(WOO, 'capture', 100n), entry(WOO, 'refund', -10n), entry(PI, 'refund', -9n, { currency: 'EUR' })],
      [[WOO, PI]],
      [`${PI}:refund`],
    ],
    [
      'nothing of a dispute that only the payment service knows',
      [entry(WOO, 'capture', 100n), entry(PI, 'capture', 100n), entry(PI, 'dispute', -100n)],
      [[WOO, PI]],
      [`${PI}:capture`],
    ],
    [
      'what comes back of a dispute that is not counted',
      [
        entry('shopify:1', 'dispute', -100n),
        entry(PI, 'dispute', -100n),
        entry(PI, 'dispute_reversal', 100n, { reversesEntryKey: `${PI}:dispute` }),
      ],
      [['shopify:1', PI]],
      [`${PI}:dispute`, `${PI}:dispute_reversal`],
    ],
    [
      'the second name of a payment',
      [entry(PI, 'capture', 100n), entry(CH, 'capture', 100n)],
      [[PI, CH]],
      [`${PI}:capture`],
    ],
    [
      'neither of two payments of one order',
      [entry(PI, 'capture', 40n), entry('stripe:pi_2', 'capture', 60n)],
      [
        [PI, WOO],
        ['stripe:pi_2', WOO],
      ],
      [],
    ],
    [
      'the payment service where the currencies differ, though its number is larger',
      [entry('shopify:1', 'capture', 100n), entry('paypal:A', 'capture', 15_000n, { currency: 'JPY' })],
      [['shopify:1', 'paypal:A']],
      ['paypal:A:capture'],
    ],
  ]

  test.each(cases)('%s', (_name, entries, links, uncounted) => {
    expect(findUncounted(entries, links)).toEqual(uncounted.toSorted())
  })

  test('does not depend on the order of entries and links', () => {
    fc.assert(
      fc.property(fc.constantFrom(...cases), fc.infiniteStream(fc.nat()), ([, entries, links, uncounted], random) => {
        const shuffle = <T>(items: readonly T[]) =>
          items
            .map((item) => [random.next().value as number, item] as const)
            .toSorted(([a], [b]) => a - b)
            .map(([, item]) => item)
        const turned = shuffle(links).map(
          ([a, b]): Link => ((random.next().value as number) % 2 === 0 ? [a, b] : [b, a]),
        )
        expect(findUncounted(shuffle(entries), turned)).toEqual(uncounted.toSorted())
      }),
    )
  })

  test('a great many refunds are compared by their amounts alone, and soon', () => {
    const refunds = (orderKey: string, first: number) =>
      Array.from({ length: 500 }, (_, index) =>
        entry(orderKey, 'refund', -BigInt(first + index * 7), { entryKey: `${orderKey}:${index}` }),
      )
    expect(findUncounted([...refunds(WOO, 10_000), ...refunds(PI, 10_000)], [[WOO, PI]])).toHaveLength(500)
    expect(findUncounted([...refunds(WOO, 10_000), ...refunds(PI, 10_001)], [[WOO, PI]])).toEqual([])
  })
})
