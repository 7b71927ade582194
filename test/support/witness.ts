import { appendFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { threadId } from 'node:worker_threads'
import { expect } from 'vitest'
import { operations } from '../../generated/operations.ts'
import { type Exchange, toWitness, WITNESS_FOLDER } from '../../scripts/contracts/parity/witness.ts'
import type { OperationId } from '../../src/contract.ts'

const root = join(import.meta.dirname, '../..')

/** Keeps an answer for `npm run contracts:diff`, one line in a file of this worker's own. Does nothing without a folder. */
export function recordWitness(
  operationId: OperationId,
  request: Exchange['request'],
  reply: { status: number; headers: Headers; text: string },
): void {
  const folder = process.env[WITNESS_FOLDER]
  if (folder === undefined || folder === '') return
  const { testPath, currentTestName } = expect.getState()
  const test = testPath === undefined ? null : `${relative(root, testPath)} > ${currentTestName ?? '(hook)'}`
  const witness = toWitness({ operationId, test, row: operations[operationId], request, reply })
  appendFileSync(join(folder, `${process.pid}-${threadId}.ndjson`), `${JSON.stringify(witness)}\n`)
}
