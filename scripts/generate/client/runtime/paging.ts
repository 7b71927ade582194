import { SkeldirProblem, SkeldirUnexpectedResponse } from './errors.ts'
import type { CallOptions } from './options.ts'
import type { AnyReply } from './reply.ts'
import type { AnyArguments } from './request.ts'
import type { OperationId } from './types.ts'

interface Page {
  items: unknown[]
  next_cursor: string | null
}
export type AnyCall = (args?: AnyArguments, options?: CallOptions) => Promise<AnyReply>

/**
 * The pages of a list from `query.cursor` on, until `next_cursor` is null. Throws SkeldirProblem where a page is
 * refused, and SkeldirUnexpectedResponse where the cursors go round in a circle.
 */
export async function* pagesOf(
  operationId: OperationId,
  call: AnyCall,
  args: AnyArguments = {},
  options: CallOptions = {},
): AsyncGenerator<Page, void, undefined> {
  let cursor = args.query?.cursor
  // Brent's algorithm: a circle of any length is found, and one cursor is kept.
  let landmark = cursor
  let steps = 0
  let stride = 1
  for (;;) {
    const result = await call({ ...args, query: { ...args.query, cursor } }, options)
    const { data, response, ok } = result
    if (!ok) throw new SkeldirProblem(result)
    const page = data as Page
    yield page
    cursor = page.next_cursor ?? undefined
    if (cursor === undefined) return
    if (cursor === landmark) {
      const details = { response, mediaType: result.mediaType, body: JSON.stringify({ next_cursor: cursor }) }
      throw new SkeldirUnexpectedResponse(operationId, 'cursor', details)
    }
    steps += 1
    if (steps === stride) {
      landmark = cursor
      steps = 0
      stride *= 2
    }
  }
}
