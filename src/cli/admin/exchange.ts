import { readFileSync, statSync } from 'node:fs'
import { type RateFile, RateFileError, readRateFile } from '../../attribution/rates/file.ts'
import { loadRates } from '../../attribution/rates/service.ts'
import { ProvisioningError } from '../../tenants/operator.ts'
import { UsageError } from '../environment.ts'
import type { AdminCommand } from './command.ts'
import { showProgress } from './print.ts'

/** Far more than all rates of the European Central Bank since 1999, which are 2 MB. */
const MAX_BYTES = 64 * 1024 * 1024

const DAY_MS = 86_400_000

export const exchangeCommands: Record<string, AdminCommand> = {
  'load-fx': {
    usage: 'FILE|- [--dry-run]',
    summary:
      "exchange rates: CSV with date,base,quote,rate,source, or the European Central Bank's CSV or XML; may be repeated",
    options: ['dry-run'],
    takesOperands: true,
    run: async ({ ctx, operands, is }) => {
      const [path, ...surplus] = operands
      if (path === undefined) throw new UsageError('admin load-fx needs a file, or - for what comes in')
      if (surplus.length > 0) throw new UsageError('admin load-fx takes one file')
      const { rates, skipped } = readRates(path, path === '-' ? await readInput() : readFile(path))
      const days = rates.map(({ asOf }) => asOf).sort()
      const facts = { rates: rates.length, first_day: days[0] ?? null, last_day: days.at(-1) ?? null, skipped }
      if (is('dry-run')) return { ...facts, dry_run: true }
      return { ...facts, ...(await loadRates(ctx(), rates, showProgress('rates'))) }
    },
  },
}

/** Whoever is ahead of UTC may have tomorrow's. */
function readRates(path: string, text: string): RateFile {
  try {
    return readRateFile(text, new Date(Date.now() + DAY_MS).toISOString().slice(0, 10))
  } catch (error) {
    if (!(error instanceof RateFileError)) throw error
    throw new ProvisioningError(`${path}: ${error.message}`, { cause: error })
  }
}

function readFile(path: string): string {
  const { size } = statSync(path)
  if (size > MAX_BYTES) throw tooLarge(path)
  return toText(path, readFileSync(path))
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > MAX_BYTES) throw tooLarge('-')
  }
  return toText('-', Buffer.concat(chunks))
}

function toText(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new ProvisioningError(`${path}: not UTF-8 text`)
  }
}

function tooLarge(path: string): ProvisioningError {
  return new ProvisioningError(`${path}: more than ${MAX_BYTES / 1024 / 1024} MB`)
}
