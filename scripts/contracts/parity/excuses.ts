import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import ajvFormats from 'ajv-formats'
import { parse } from 'yaml'
import { ToolError } from '../finding.ts'
import type { Cell } from './contract.ts'
import type { Disagreement } from './disagreement.ts'

/** A disagreement that somebody knows of and will end. */
export interface Excuse {
  operation: string
  status: number
  media_type?: string
  /** A matter, or a matter and its place: `header`, `header etag`, `body /items`. */
  what: string
  reason: string
  /** YYYY-MM-DD (UTC): the last day on which it holds. */
  until: string
}

/** Of all cells; more would be another contract. */
const MAX_SHARE = 0.02
export const EXCUSES_FILE = 'api-contracts/governance/parity-excuses.yaml'
const SCHEMA_FILE = 'api-contracts/governance/schemas/parity-excuses.json'

/** Throws ToolError for a file that is missing or is not what its schema demands. */
export function readExcuses(root: string): Excuse[] {
  let data: unknown
  try {
    data = parse(readFileSync(join(root, EXCUSES_FILE), 'utf8'))
  } catch (error) {
    throw new ToolError(`${EXCUSES_FILE} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
  const ajv = new Ajv2020({ allErrors: true })
  ajvFormats.default(ajv)
  const validate = ajv.compile<{ excuses: Excuse[] }>(JSON.parse(readFileSync(join(root, SCHEMA_FILE), 'utf8')))
  if (validate(data)) return data.excuses
  const faults = (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
  throw new ToolError(`${EXCUSES_FILE}: ${faults.join('; ')}`)
}

/** The first excuse that holds for the disagreement. */
export function findExcuse(excuses: readonly Excuse[], cell: Cell, { matter, at }: Disagreement): Excuse | undefined {
  return excuses.find(
    ({ operation, status, media_type, what }) =>
      operation === cell.operationId &&
      status === cell.status &&
      (media_type === undefined || media_type === cell.mediaType) &&
      (what === matter || what === `${matter} ${at}`),
  )
}

/** What is wrong with the excuses themselves: expired, unneeded, about nothing, or too many. */
export function judgeExcuses(
  excuses: readonly Excuse[],
  used: ReadonlySet<Excuse>,
  { cells, excusedCells, today }: { cells: readonly Cell[]; excusedCells: number; today: string },
): string[] {
  const single = excuses.flatMap((excuse) => {
    const name = `${excuse.operation} ${excuse.status} ${excuse.what}`
    const isKnown = cells.some(
      ({ operationId, status, mediaType }) =>
        operationId === excuse.operation &&
        status === excuse.status &&
        (excuse.media_type === undefined || excuse.media_type === mediaType),
    )
    if (!isKnown) return [`${name}: the contract has no such answer of an operation that is implemented`]
    if (excuse.until < today) return [`${name}: expired on ${excuse.until}`]
    return used.has(excuse) ? [] : [`${name}: not needed any more`]
  })
  const most = Math.floor(cells.length * MAX_SHARE)
  const surplus =
    excusedCells > most ? [`${excusedCells} of ${cells.length} answers are excused; at most ${most} may be`] : []
  return [...single, ...surplus]
}
