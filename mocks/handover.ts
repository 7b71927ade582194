import { operations } from '../generated/operations.ts'
import { loadMockContract } from './contract.ts'
import { fetchDescription, type Implementations, readRealUrl } from './real.ts'

export interface HandoverRow {
  operation_id: string
  method: string
  path: string
  domain: string
  /** Who answers it under `--real`. */
  served_by: 'real' | 'mock'
}

export interface HandoverList {
  /** URL of the real server. */
  real: string
  /** Why nothing is known of it; null when it has answered. */
  fault: string | null
  operations: HandoverRow[]
}

/** By domain, then by path. Throws when `real` is no URL. */
export async function listHandover(real: string): Promise<HandoverList> {
  const url = readRealUrl(real)
  let implementations: Implementations = new Map()
  let fault: string | null = null
  try {
    const answer = await fetchDescription(url)
    if (answer !== 'unchanged') implementations = answer.implementations
  } catch (error) {
    fault = `${(error as Error).message}; everything is mocked`
  }
  const { domainOf } = loadMockContract()
  const rows = Object.entries(operations).map(
    ([id, { method, path }]): HandoverRow => ({
      operation_id: id,
      method: method.toUpperCase(),
      path,
      domain: domainOf.get(id) ?? '',
      served_by: implementations.get(id) ?? 'mock',
    }),
  )
  rows.sort((a, b) => compare(a.domain, b.domain) || compare(a.path, b.path) || compare(a.method, b.method))
  return { real: url.origin, fault, operations: rows }
}

export function printHandover({ real, operations: rows }: HandoverList): string {
  const width = (key: 'domain' | 'operation_id') => Math.max(...rows.map((row) => row[key].length))
  const [domainWidth, idWidth] = [width('domain'), width('operation_id')]
  const lines = rows.map(
    ({ served_by, domain, operation_id, method, path }) =>
      `${served_by}  ${domain.padEnd(domainWidth)}  ${operation_id.padEnd(idWidth)}  ${method.padEnd(6)} ${path}`,
  )
  const count = rows.filter(({ served_by }) => served_by === 'real').length
  return `${lines.join('\n')}\n\n${count} of ${rows.length} operations are answered by ${real}, ${rows.length - count} by the mocks\n`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
