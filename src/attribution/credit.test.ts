import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Credit, creditJourneys, type Entry, hashInput, hashOutput, type Journey, type Touch } from './credit.ts'
import { MODELS, type Model, UNATTRIBUTED } from './models.ts'

const AT = '2026-03-02T10:00:00.000000Z'
const touches = (...channels: string[]): Touch[] =>
  channels.map((channel, index) => ({
    externalId: `t${index}`,
    occurredAt: `2026-03-01T10:00:0${index}.000000Z`,
    channel,
  }))
const capture = (amountMinor: bigint, entryKey = 'c1', currency = 'USD'): Entry => ({
  entryKey,
  kind: 'capture',
  amountMinor,
  currency,
  reverses: null,
})
const refund = (amountMinor: bigint, entryKey = 'r1', currency = 'USD'): Entry => ({
  entryKey,
  kind: 'refund',
  amountMinor: -amountMinor,
  currency,
  reverses: null,
})
const dispute = (amountMinor: bigint, entryKey = 'd1'): Entry => ({ ...refund(amountMinor, entryKey), kind: 'dispute' })
const won = (amountMinor: bigint, reverses = 'd1'): Entry => ({
  ...capture(amountMinor, `${reverses}:closed`),
  kind: 'dispute_reversal',
  reverses,
})
const order = (entries: Entry[], touched: Touch[] = [], orderKey = 'stripe:pi_1'): Journey => ({
  orderKey,
  orderedAt: AT,
  entries,
  touches: touched,
})

/** `entry position channel revenue conversion` of each credit. */
const lines = (credits: readonly Credit[]) =>
  credits.map(
    ({ entryKey, position, channel, revenueMinor, conversionMicro }) =>
      `${entryKey} ${position} ${channel} ${revenueMinor} ${conversionMicro}`,
  )

describe('disputes', () => {
  const three = touches('email', 'paid_search', 'direct')
  const run = (entries: Entry[]) => creditJourneys('linear', [order(entries, three)])

  test('one that is open, or lost, takes away as a refund of the same amount does', () => {
    const [disputed, refunded] = [
      run([capture(10_000n), dispute(2_501n)]),
      run([capture(10_000n), refund(2_501n, 'd1')]),
    ]
    expect(disputed).toEqual(refunded)
    expect(disputed.totals).toMatchObject([{ netMinor: 7_499n, refundedMinor: 2_501n, overRefundedMinor: 0n }])
  })

  test('one that was won is as if it had never been, whatever came between', () => {
    const between = [refund(3_000n), refund(8_000n, 'r2')]
    expect(run([capture(10_000n), dispute(10_000n), ...between, won(10_000n)])).toEqual(
      run([capture(10_000n), ...between]),
    )
  })

  test('of two the lost one stays', () => {
    const { totals } = run([capture(10_000n), dispute(1_000n), dispute(500n, 'd2'), won(1_000n)])
    expect(totals).toMatchObject([{ netMinor: 9_500n, refundedMinor: 500n }])
  })

  test('what came back tells the inputs apart', () => {
    const hash = (reverses: string) => hashInput('linear', '1', [order([capture(1n), dispute(1n), won(1n, reverses)])])
    expect(hash('d1')).not.toBe(hash('d2'))
  })
})

describe('journeys computed by hand', () => {
  const three = touches('email', 'paid_search', 'email')
  const cases: [name: string, model: Model, journey: Journey, expected: string[]][] = [
    ['first touch', 'first_touch', order([capture(10_000n)], three), ['c1 0 email 10000 1000000']],
    ['last touch', 'last_touch', order([capture(10_000n)], three), ['c1 2 email 10000 1000000']],
    [
      'linear: the odd unit goes to the first, a channel earns once per touch',
      'linear',
      order([capture(10_000n)], three),
      ['c1 0 email 3334 333334', 'c1 1 paid_search 3333 333333', 'c1 2 email 3333 333333'],
    ],
    ['no touch', 'linear', order([capture(1_999n)]), [`c1 0 ${UNATTRIBUTED} 1999 1000000`]],
    [
      'fewer units than touches: who gets none still has part of the order',
      'linear',
      order([capture(1n)], three),
      ['c1 0 email 1 333334', 'c1 1 paid_search 0 333333', 'c1 2 email 0 333333'],
    ],
    [
      // 101 over balances of 3334, 3333, 3333: 33.67, 33.66, 33.66; two units are left over.
      'a refund over what remains',
      'linear',
      order([capture(10_000n), refund(101n)], three),
      [
        'c1 0 email 3334 333334',
        'c1 1 paid_search 3333 333333',
        'c1 2 email 3333 333333',
        'r1 0 email -34 0',
        'r1 1 paid_search -34 0',
        'r1 2 email -33 0',
      ],
    ],
    [
      'a refund of everything leaves nothing anywhere',
      'linear',
      order([capture(100n), refund(100n)], three),
      [
        'c1 0 email 34 333334',
        'c1 1 paid_search 33 333333',
        'c1 2 email 33 333333',
        'r1 0 email -34 0',
        'r1 1 paid_search -33 0',
        'r1 2 email -33 0',
      ],
    ],
    [
      'a refund beyond what is left is capped, one after that takes nothing',
      'last_touch',
      order([capture(100n), refund(60n), refund(70n, 'r2'), refund(5n, 'r3')], three),
      ['c1 2 email 100 1000000', 'r1 2 email -60 0', 'r2 2 email -40 0'],
    ],
    [
      'two captures are one conversion',
      'last_touch',
      order([capture(100n), capture(50n, 'c2'), refund(120n)], three),
      ['c1 2 email 100 1000000', 'c2 2 email 50 0', 'r1 2 email -120 0'],
    ],
    [
      'currencies are never mixed: a refund in another one finds nothing to take',
      'last_touch',
      order(
        [capture(100n, 'c1', 'USD'), capture(9n, 'c2', 'EUR'), refund(50n, 'r1', 'EUR'), refund(1n, 'r2', 'JPY')],
        three,
      ),
      ['c1 2 email 100 1000000', 'c2 2 email 9 0', 'r1 2 email -9 0'],
    ],
  ]
  test.each(cases)('%s', (_, model, journey, expected) => {
    expect(lines(creditJourneys(model, [journey]).credits)).toEqual(expected)
  })

  test('totals are by currency, in its order', () => {
    const { totals } = creditJourneys('linear', [
      order([capture(100n), refund(130n)], three, 'stripe:pi_1'),
      order([capture(50n), refund(10n)], [], 'stripe:pi_2'),
      order([capture(7n, 'c1', 'EUR')], three, 'stripe:pi_3'),
    ])
    expect(totals).toEqual([
      {
        currency: 'EUR',
        orders: 1,
        attributedOrders: 1,
        capturedMinor: 7n,
        refundedMinor: 0n,
        overRefundedMinor: 0n,
        netMinor: 7n,
        attributedMinor: 7n,
      },
      {
        currency: 'USD',
        orders: 2,
        attributedOrders: 1,
        capturedMinor: 150n,
        refundedMinor: 110n,
        overRefundedMinor: 30n,
        netMinor: 40n,
        attributedMinor: 0n,
      },
    ])
  })

  test('a refund in a currency without a capture is over-refunded, and no order in that currency', () => {
    const { totals } = creditJourneys('linear', [order([capture(100n), refund(3n, 'r1', 'EUR')])])
    expect(totals.find(({ currency }) => currency === 'EUR')).toMatchObject({
      orders: 0,
      netMinor: 0n,
      overRefundedMinor: 3n,
    })
  })
})

const currencies = ['USD', 'EUR', 'JPY']
/** Up to the largest amount that a vendor may report (2^53 - 1), small ones often. */
const amount = fc.oneof(fc.bigInt(1n, 20n), fc.bigInt(1n, 10_000_000n), fc.bigInt(1n, 2n ** 53n - 1n))
const journey = (orderKey: string): fc.Arbitrary<Journey> =>
  fc
    .record({
      captures: fc.array(fc.tuple(amount, fc.constantFrom(...currencies)), { minLength: 1, maxLength: 4 }),
      refunds: fc.array(fc.tuple(amount, fc.constantFrom(...currencies)), { maxLength: 6 }),
      channels: fc.array(fc.constantFrom('email', 'paid_search', 'direct'), { maxLength: 9 }),
    })
    .map(({ captures, refunds, channels }) =>
      order(
        [
          ...captures.map(([units, currency], index) => capture(units, `c${index}`, currency)),
          ...refunds.map(([units, currency], index) => refund(units, `r${index}`, currency)),
        ],
        touches(...channels),
        orderKey,
      ),
    )
const day = fc
  .nat({ max: 8 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => journey(`stripe:pi_${index}`))))
const model = fc.constantFrom(...MODELS)

const sum = (values: bigint[]) => values.reduce((total, value) => total + value, 0n)
const RUNS = { numRuns: 1_000 }

describe('for any captures, refunds, touches and model', () => {
  test('the credits of an order sum to its net revenue in each currency, exactly', () => {
    fc.assert(
      fc.property(model, day, (of, journeys) => {
        const { credits } = creditJourneys(of, journeys)
        for (const { orderKey, entries } of journeys) {
          const own = credits.filter((credit) => credit.orderKey === orderKey)
          for (const currency of currencies) {
            const moved = (kind: Entry['kind']) =>
              sum(entries.filter((e) => e.kind === kind && e.currency === currency).map((e) => e.amountMinor))
            const net = moved('capture') + moved('refund')
            const credited = sum(own.filter((c) => c.currency === currency).map((c) => c.revenueMinor))
            expect(credited).toBe(net < 0n ? 0n : net)
          }
          expect(sum(own.map((credit) => credit.conversionMicro))).toBe(1_000_000n)
        }
      }),
      RUNS,
    )
  })

  test('no touch ever holds less than nothing, captures only add and refunds only take', () => {
    fc.assert(
      fc.property(model, day, (of, journeys) => {
        const balances = new Map<string, bigint>()
        for (const credit of creditJourneys(of, journeys).credits) {
          const place = `${credit.orderKey} ${credit.currency} ${credit.position}`
          const balance = (balances.get(place) ?? 0n) + credit.revenueMinor
          balances.set(place, balance)
          expect(balance).toBeGreaterThanOrEqual(0n)
          expect(credit.entryKey.startsWith('c') ? credit.revenueMinor >= 0n : credit.revenueMinor < 0n).toBe(true)
          expect(credit.conversionMicro).toBeGreaterThanOrEqual(0n)
        }
      }),
      RUNS,
    )
  })

  test('the totals of a run are what its credits and entries add up to', () => {
    fc.assert(
      fc.property(model, day, (of, journeys) => {
        const { credits, totals } = creditJourneys(of, journeys)
        const entries = journeys.flatMap((j) => j.entries)
        for (const total of totals) {
          const own = credits.filter(({ currency }) => currency === total.currency)
          const moved = (kind: Entry['kind']) =>
            sum(entries.filter((e) => e.kind === kind && e.currency === total.currency).map((e) => e.amountMinor))
          expect(total.netMinor).toBe(sum(own.map((c) => c.revenueMinor)))
          expect(total.capturedMinor).toBe(moved('capture'))
          expect(total.refundedMinor + total.overRefundedMinor).toBe(-moved('refund'))
          expect(total.netMinor).toBe(total.capturedMinor - total.refundedMinor)
          const attributed = own.filter(({ channel }) => channel !== UNATTRIBUTED)
          expect(total.attributedMinor).toBe(sum(attributed.map((c) => c.revenueMinor)))
          expect(total.attributedOrders).toBeLessThanOrEqual(total.orders)
        }
        expect(sum(totals.map((total) => total.netMinor))).toBe(sum(credits.map((c) => c.revenueMinor)))
      }),
      RUNS,
    )
  })

  test('the order in which journeys come changes neither hash', () => {
    fc.assert(
      fc.property(
        model,
        day.chain((journeys) =>
          fc.tuple(fc.constant(journeys), fc.shuffledSubarray(journeys, { minLength: journeys.length })),
        ),
        (of, [journeys, shuffled]) => {
          expect(hashInput(of, '1', shuffled)).toBe(hashInput(of, '1', journeys))
          const { credits } = creditJourneys(of, journeys)
          expect(hashOutput(of, '1', creditJourneys(of, shuffled).credits)).toBe(hashOutput(of, '1', credits))
          expect(hashOutput(of, '1', credits.toReversed())).toBe(hashOutput(of, '1', credits))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('the order of the captures, or of the refunds, of an order changes no sum', () => {
    fc.assert(
      fc.property(model, journey('stripe:pi_1'), (of, one) => {
        const isRefund = (entry: Entry) => entry.kind === 'refund'
        const other = {
          ...one,
          entries: [...one.entries.filter((e) => !isRefund(e)), ...one.entries.filter(isRefund).toReversed()],
        }
        const { totals } = creditJourneys(of, [one])
        expect(creditJourneys(of, [other]).totals).toEqual(totals)
      }),
      { numRuns: 300 },
    )
  })
})

describe('hashes', () => {
  const journeys = [order([capture(100n), refund(5n)], touches('email'))]
  const { credits } = creditJourneys('linear', journeys)
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

  test('are SHA-256 over canonical lines: published figures can be checked without this code', () => {
    expect(hashInput('linear', '1.0.0', journeys)).toBe(
      sha256(
        'skeldir/attribution-input/v1\nlinear\n1.0.0\n' +
          '["stripe:pi_1","2026-03-02T10:00:00.000000Z",[["c1","capture","100","USD"],["r1","refund","-5","USD"]],' +
          '[["t0","2026-03-01T10:00:00.000000Z","email"]]]\n',
      ),
    )
    expect(hashOutput('linear', '1.0.0', credits)).toBe(
      sha256(
        'skeldir/attribution-output/v1\nlinear\n1.0.0\n' +
          '["stripe:pi_1","c1",0,"email","t0","USD","100","1000000"]\n' +
          '["stripe:pi_1","r1",0,"email","t0","USD","-5","0"]\n',
      ),
    )
  })

  test('the input hash tells any two inputs apart', () => {
    const [one] = journeys as [Journey]
    const variants: [Model, string, Journey[]][] = [
      ['linear', '1.0.0', journeys],
      ['last_touch', '1.0.0', journeys],
      ['linear', '1.0.1', journeys],
      ['linear', '1.0.0', []],
      ['linear', '1.0.0', [{ ...one, orderKey: 'stripe:pi_2' }]],
      ['linear', '1.0.0', [{ ...one, orderedAt: '2026-03-02T10:00:00.000001Z' }]],
      ['linear', '1.0.0', [{ ...one, entries: [capture(101n), refund(5n)] }]],
      ['linear', '1.0.0', [{ ...one, entries: [capture(100n, 'c1', 'EUR'), refund(5n)] }]],
      ['linear', '1.0.0', [{ ...one, entries: [capture(100n)] }]],
      ['linear', '1.0.0', [{ ...one, touches: [] }]],
      ['linear', '1.0.0', [{ ...one, touches: touches('sms') }]],
      ['linear', '1.0.0', [{ ...one, touches: touches('email', 'email') }]],
    ]
    expect(new Set(variants.map((variant) => hashInput(...variant))).size).toBe(variants.length)
  })

  test('the output hash holds no times: the same traffic a week later gives the same one', () => {
    const later = credits.map((credit) => ({ ...credit, orderedAt: 'later', touchedAt: 'later' }))
    expect(hashOutput('linear', '1.0.0', later)).toBe(hashOutput('linear', '1.0.0', credits))
    const other = credits.map((credit) => ({ ...credit, channel: 'sms' }))
    expect(hashOutput('linear', '1.0.0', other)).not.toBe(hashOutput('linear', '1.0.0', credits))
  })
})
