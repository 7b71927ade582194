import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Chains, diagnose } from './diagnostics.ts'

/** Three chains of 21 whole numbers from 0 to 16: an odd length, and many ties. */
const MIXED: Chains = [
  [9, 9, 15, 6, 14, 8, 12, 2, 9, 5, 8, 4, 2, 7, 3, 3, 13, 2, 8, 13, 7],
  [0, 3, 7, 1, 1, 15, 6, 15, 12, 13, 10, 3, 16, 11, 7, 16, 2, 12, 9, 5, 11],
  [9, 15, 0, 13, 5, 6, 0, 11, 13, 4, 12, 3, 12, 15, 11, 13, 9, 5, 9, 14, 13],
]
const withThird = (change: (draw: number) => number): Chains => MIXED.map((c, row) => (row === 2 ? c.map(change) : c))
const ANTITHETIC: Chains = [
  [5, -5, 9, -2, 10, -7, 6, -4, 10, -1, 6, -6, 7, -3, 11, -5, 7, -5, 8, -2, 7, -4, 8, -4],
  [-5, 7, -5, 8, -4, 8, -7, 9, -3, 6, -6, 10, -5, 7, -5, 8, -4, 8, -7, 9, -3, 6, -6, 10],
]
const DRIFTING: Chains = [
  [-8, -7, -6, -7, -6, -1, 2, 1, 8, 12, 18, 12, 13, 8, 14, 15, 23, 30, 32, 30, 37, 31, 26, 28, 22, 30, 26, 26, 29, 37],
  [0, -5, -12, -18, -13, -18, -21, -26, -18, -23, -15, -22, -25, -26, -34, -36, -38, -38, -35, -28, -35, -30, -22, -29],
].map((chain) => chain.slice(0, 24))

// The figures of a second program, which takes all lags before it sums and equals the published ones in every digit.
test.each<[string, Chains, number[]]>([
  ['chains that mix', MIXED, [0.9995250670754737, 1.0202588463350448, 66.69094065721174, 36.885245901639365]],
  [
    'one chain that is shifted',
    withThird((draw) => draw + 9),
    [1.4694686554998044, 1.4003985173238567, 9.742005160897046, 62.80456385719542],
  ],
  [
    'one chain that is wider, which basic R-hat hardly sees',
    withThird((draw) => (draw - 8) * 5 + 8),
    [1.0183905465880994, 1.4546298269965061, 75.30665041035476, 36.99152542372882],
  ],
  [
    'chains that swing, where the bound holds',
    ANTITHETIC,
    [0.9583198895537892, 0.9795672979754599, 80.69957939402819, 58.576271186440664],
  ],
])('%s', (_name, chains, [rhatBasic, rhat, essBulk, essTail]) => {
  const found = diagnose(chains)
  expect(found.rhatBasic).toBeCloseTo(rhatBasic as number, 10)
  expect(found.rhat).toBeCloseTo(rhat as number, 10)
  expect(found.essBulk).toBeCloseTo(essBulk as number, 8)
  expect(found.essTail).toBeCloseTo(essTail as number, 8)
})

test('the verdict follows R-hat first, then the effective draws per chain', () => {
  const even = Array.from({ length: 400 }, (_, index) => (index * 163) % 400)
  const odd = Array.from({ length: 400 }, (_, index) => (index * 237) % 400)
  expect(diagnose([even, odd]).verdict).toBe('ok')
  expect(diagnose([even, odd.map((draw) => draw + 80)]).verdict).toBe('fail')
  expect(diagnose([even.slice(0, 40), even.slice(40, 80)]).verdict).toBe('warn')
  expect(diagnose(DRIFTING).verdict).toBe('fail')
})

describe('what has no meaning is null', () => {
  test('constant draws, never 1.00', () => {
    const constant = [7, 7, 7, 7, 7, 7, 7, 7]
    expect(diagnose([constant, constant])).toEqual({
      rhatBasic: null,
      rhat: null,
      essBulk: null,
      essTail: null,
      verdict: 'unknown',
    })
  })

  test('draws that are not finite', () => {
    expect(diagnose([[1, 2, Number.NaN, 4, 5, 6, 7, 8]]).rhatBasic).toBeNull()
    expect(diagnose([[1, 2, Infinity, 4, 5, 6, 7, 8]]).verdict).toBe('unknown')
  })

  test('too few draws', () => {
    const pair = [
      [1, 2, 9, 1, 2],
      [2, 1, 9, 2, 1],
    ]
    expect(diagnose(pair)).toMatchObject({ essBulk: null, verdict: 'unknown' })
    expect(diagnose(pair).rhat).not.toBeNull()
    expect(diagnose([[1, 2, 3]]).rhat).toBeNull()
  })

  test.each<[string, Chains]>([
    ['no chain', []],
    ['no draw', [[], []]],
    ['unequal lengths', [[1, 2], [1]]],
  ])('%s throws RangeError', (_name, chains) => {
    expect(() => diagnose(chains)).toThrow(RangeError)
  })
})

test('chains that stand still at different values fail', () => {
  expect(diagnose([1, 2, 4].map((place) => new Array(8).fill(place)))).toMatchObject({
    rhat: Infinity,
    verdict: 'fail',
  })
})

test('units and the order of chains change nothing', () => {
  const chain = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 12, maxLength: 12 })
  fc.assert(
    fc.property(fc.array(chain, { minLength: 2, maxLength: 4 }), fc.constantFrom(0.25, 2, 8), (chains, scale) => {
      const found = diagnose(chains)
      const scaled = diagnose(chains.map((draws) => draws.map((draw) => draw * scale)))
      const turned = diagnose(chains.toReversed())
      for (const name of ['rhatBasic', 'rhat', 'essBulk', 'essTail'] as const) {
        const figure = found[name]
        for (const other of [scaled[name], turned[name]]) {
          if (figure === null || figure === Infinity) expect(other).toBe(figure)
          else expect(Math.abs((other as number) - figure)).toBeLessThan(1e-9 * Math.max(1, figure))
        }
      }
      if (found.essBulk !== null) expect(found.essBulk).toBeLessThanOrEqual(720)
    }),
  )
})

const folder = process.env.SKELDIR_REFERENCE_DATA
describe.skipIf(folder === undefined)('against the published package', () => {
  const published = join(folder ?? '', 'data/attribution/diagnostics')
  const table = (name: string) => {
    const [head = '', ...lines] = readFileSync(join(published, name), 'utf8').replaceAll('"', '').trim().split('\n')
    const columns = head.split(',')
    return lines.map((line) => new Map(line.split(',').map((cell, index) => [columns[index], cell])))
  }

  test('R-hat and effective sizes of four chains of 250 draws, to 1e-6', () => {
    const draws = table('draws.csv')
    const name = readdirSync(published).find((file) => file.startsWith('expected_diagnostics_'))
    const expected = table(name as string)
    expect(expected).toHaveLength(4)
    for (const row of expected) {
      const series = row.get('variable')
      const chains = ['1', '2', '3', '4'].map((chain) =>
        draws.filter((draw) => draw.get('chain') === chain).map((draw) => Number(draw.get(series))),
      )
      expect(chains.flat()).toHaveLength(1_000)
      const { rhatBasic, rhat, essBulk, essTail } = diagnose(chains)
      const figures = { rhat_basic: rhatBasic, rhat_rank: rhat, ess_bulk: essBulk, ess_tail: essTail }
      for (const [column, figure] of Object.entries(figures)) {
        expect(Math.abs((figure as number) - Number(row.get(column))), `${series} ${column}`).toBeLessThan(1e-6)
      }
    }
  })
})
