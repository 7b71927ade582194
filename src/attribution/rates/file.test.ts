import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type RateFault, RateFileError, readRateFile } from './file.ts'

const TODAY = '2026-04-01'
const HEADER = 'date,base,quote,rate,source'
const read = (text: string) => readRateFile(text, TODAY)
const csv = (...lines: string[]) => `${[HEADER, ...lines].join('\n')}\n`

function faultsOf(text: string): readonly RateFault[] {
  try {
    read(text)
  } catch (error) {
    if (error instanceof RateFileError) return error.faults
    throw error
  }
  throw new Error('the file was read')
}

describe('date,base,quote,rate,source', () => {
  test('is read by the names of its columns, whatever their order', () => {
    expect(read('\ufeffSource,Rate,quote,BASE,date\r\nbank,1.0921,USD,EUR,2026-03-31\r\n\r\n')).toEqual({
      rates: [{ line: 2, asOf: '2026-03-31', base: 'EUR', quote: 'USD', rate: '1.0921', source: 'bank' }],
      skipped: 0,
    })
  })

  test('a rate that stands there twice counts once', () => {
    const { rates } = read(
      csv('2026-03-31,EUR,USD,1.5,bank', '2026-03-31,EUR,USD,01.50,bank', '2026-03-31,EUR,USD,1.6,other'),
    )
    expect(rates.map(({ line }) => line)).toEqual([2, 4])
  })

  test.each([
    ['2026-02-30,EUR,USD,1.5,bank', 'the date is not a day such as 2026-03-31'],
    ['31.03.2026,EUR,USD,1.5,bank', 'the date is not a day such as 2026-03-31'],
    ['2026-04-02,EUR,USD,1.5,bank', 'the date is in the future'],
    ['2026-03-31,EUR,usd,1.5,bank', 'the quote is no currency of ISO 4217 in capitals'],
    ['2026-03-31,BTC,USD,1.5,bank', 'the base is no currency of ISO 4217 in capitals'],
    ['2026-03-31,EUR,EUR,1.5,bank', 'base and quote are the same'],
    ['2026-03-31,EUR,USD,0.000,bank', 'the rate is not a decimal above 0 such as 1.0921'],
    ['2026-03-31,EUR,USD,-1,bank', 'the rate is not a decimal above 0 such as 1.0921'],
    ['2026-03-31,EUR,USD,1e3,bank', 'the rate is not a decimal above 0 such as 1.0921'],
    ['2026-03-31,EUR,USD,"1,5",bank', 'the rate is not a decimal above 0 such as 1.0921'],
    ['2026-03-31,EUR,USD,1.0000000000000001,bank', 'the rate is not a decimal above 0 such as 1.0921'],
    ['2026-03-31,EUR,USD,1.5', 'the source is not a name of small letters, digits, ".", "_" and "-"'],
    ['2026-03-31,EUR,USD,1.5,My Bank', 'the source is not a name of small letters, digits, ".", "_" and "-"'],
  ])('%s', (line, detail) => {
    expect(faultsOf(csv('2026-03-31,GBP,USD,1.3,bank', line))).toEqual([{ line: 3, detail }])
  })

  test('two rates for one pair, day and source are told with both lines', () => {
    expect(faultsOf(csv('2026-03-31,EUR,USD,1.5,bank', '2026-03-31,EUR,USD,1.6,bank'))).toEqual([
      { line: 3, detail: 'another rate than in line 2 for the same pair, day and source' },
    ])
  })

  test('all faults are found, and twenty of them are told', () => {
    const lines = Array.from({ length: 25 }, () => '2026-03-31,EUR,USD,x,bank')
    expect(faultsOf(csv(...lines))).toHaveLength(25)
    expect(() => read(csv(...lines))).toThrow(/line 21: .*\nand 5 more$/)
  })

  test('nothing of what stands there is repeated', () => {
    expect(JSON.stringify(faultsOf(csv('jane@example.com,Jane,Doe,secret,x')))).not.toMatch(/jane|doe|secret/i)
  })

  test.each([
    ['', 'there are no rates in it'],
    [csv(), 'there are no rates in it'],
    ['date,base,rate\n2026-03-31,EUR,1\n', 'the header has no quote, source'],
    [csv('2026-03-31,"EUR,USD,1.5,bank'), 'what ends here is not CSV (look for a quote)'],
  ])('%j', (text, detail) => {
    expect(faultsOf(text)).toEqual([{ line: expect.any(Number), detail }])
  })
})

describe('lists of the European Central Bank', () => {
  test('the history as CSV: N/A and the empty column at the end are no rates, and currencies that are no more are counted', () => {
    const text = 'Date,USD,JPY,TRL,\n2026-03-31,1.0921,163.52,N/A,\n2026-03-30,1.0900,N/A,1700000,\n'
    expect(read(text)).toEqual({
      rates: [
        { line: 2, asOf: '2026-03-31', base: 'EUR', quote: 'USD', rate: '1.0921', source: 'ecb' },
        { line: 2, asOf: '2026-03-31', base: 'EUR', quote: 'JPY', rate: '163.52', source: 'ecb' },
        { line: 3, asOf: '2026-03-30', base: 'EUR', quote: 'USD', rate: '1.0900', source: 'ecb' },
      ],
      skipped: 1,
    })
  })

  test('the day as CSV, which writes the month', () => {
    expect(
      read('Date, USD, JPY, \n9 March 2026, 1.0921, 163.52, \n').rates.map(({ asOf, quote }) => [asOf, quote]),
    ).toEqual([
      ['2026-03-09', 'USD'],
      ['2026-03-09', 'JPY'],
    ])
  })

  test('XML, on one line or many', () => {
    const lines = [
      '<?xml version="1.0" encoding="UTF-8"?>',
      '<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"><gesmes:subject>Reference rates</gesmes:subject>',
      '<Cube><Cube time="2026-03-31">',
      "<Cube currency='USD' rate='1.0921'/>",
      '<Cube rate="163.52" currency="JPY"/></Cube>',
      '<Cube time="2026-03-30"><Cube currency="USD" rate="1.09"/></Cube></Cube></gesmes:Envelope>',
    ]
    const expected = [
      [4, '2026-03-31', 'USD', '1.0921'],
      [5, '2026-03-31', 'JPY', '163.52'],
      [6, '2026-03-30', 'USD', '1.09'],
    ]
    const facts = (text: string) => read(text).rates.map(({ line, asOf, quote, rate }) => [line, asOf, quote, rate])
    expect(facts(lines.join('\n'))).toEqual(expected)
    expect(facts(lines.join(''))).toEqual(expected.map(([, ...fact]) => [1, ...fact]))
  })

  test.each([
    ['Date,USD\n2026-03-31,1.09,7\n', 2, 'more columns than the header has'],
    ['Date,USD\n31 Mars 2026,1.09\n', 2, 'the date is not a day such as 2026-03-31'],
    [
      '<Cube time="2026-03-31">\n<Cube currency="USD"/></Cube>',
      2,
      'a rate without its currency, or the other way round',
    ],
    ['<Cube currency="USD" rate="1.09"/>', 1, 'the date is not a day such as 2026-03-31'],
    ['<html><body>Sorry</body></html>', 1, 'there are no rates in it'],
  ])('%j', (text, line, detail) => {
    expect(faultsOf(text)).toEqual([{ line, detail }])
  })
})

test('any text is read or refused with lines that it has', () => {
  const piece = fc.constantFrom(
    ...HEADER.split(','),
    ',',
    '\n',
    '"',
    '<Cube ',
    'time=',
    '"2026-03-31"',
    '/>',
    '2026-03-31',
    'EUR',
    'USD',
    '1.5',
    'bank',
    'Date',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((pieces) => pieces.join('')),
      ),
      (text) => {
        try {
          expect(read(text).rates.length).toBeGreaterThan(0)
        } catch (error) {
          if (!(error instanceof RateFileError)) throw error
          const lines = text.split('\n').length
          for (const { line } of error.faults) expect(line >= 1 && line <= lines).toBe(true)
        }
      },
    ),
    { numRuns: 5_000 },
  )
})
