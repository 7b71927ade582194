import { join } from 'node:path'
import { diagnose } from '../../../src/statistics/diagnostics.ts'
import { compare, type Table } from '../table.ts'
import { readCsv } from './csv.ts'

/** R-hat and effective sizes of published draws, beside those that R's package posterior gives. */
export function compareDiagnostics(folder: string): Table[] {
  const table = compare('R-hat and effective sizes', 1e-6)
  const draws = readCsv(join(folder, 'draws.csv'))
  const chains = [...Map.groupBy(draws, ({ chain }) => chain).values()]
  const expected = readCsv(join(folder, 'expected_diagnostics_R_posterior_1.4.0_coda_0.19.4.csv'))
  for (const { variable = '', rhat_basic, rhat_rank, ess_bulk, ess_tail } of expected) {
    const found = diagnose(chains.map((chain) => chain.map((draw) => Number(draw[variable]))))
    table.add(`${variable} basic R-hat`, found.rhatBasic ?? Number.NaN, Number(rhat_basic))
    table.add(`${variable} R-hat`, found.rhat ?? Number.NaN, Number(rhat_rank))
    table.add(`${variable} bulk`, found.essBulk ?? Number.NaN, Number(ess_bulk))
    table.add(`${variable} tail`, found.essTail ?? Number.NaN, Number(ess_tail))
  }
  return [table]
}
