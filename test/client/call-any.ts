import { requests } from '../../generated/client/fixtures.js'
import type { CallOptions, Client } from '../../generated/client/index.js'
import type { OperationId } from '../../generated/operations.ts'

/** What every result has, whatever the operation. */
export interface AnyResult {
  operationId: string
  ok: boolean
  status: number
  mediaType: string | null
  data: unknown
  problem: { status: number; code: string } | undefined
  response: Response
}

/** Calls an operation with the contract's first example of a request. */
export function callAny(client: Client, id: OperationId, options: CallOptions = {}): Promise<AnyResult> {
  const method = client[id] as unknown as (args: unknown, options: CallOptions) => Promise<AnyResult>
  return method(Object.values(requests[id])[0], options)
}
