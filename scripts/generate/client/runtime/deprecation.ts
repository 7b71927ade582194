import type { DeprecationNotice } from './options.ts'
import type { OperationId } from './types.ts'

/** What the reply says about the operation's end; null where it says nothing. */
export function readDeprecation(operationId: OperationId, headers: Headers): DeprecationNotice | null {
  const deprecation = headers.get('deprecation')
  if (deprecation === null) return null
  // RFC 9745: `@` and Unix seconds. Servers of the drafts before it send `true`.
  const seconds = /^@(-?\d{1,12})$/.exec(deprecation.trim())?.[1]
  const sunset = Date.parse(headers.get('sunset') ?? '')
  return {
    operationId,
    deprecatedAt: seconds === undefined ? null : new Date(Number(seconds) * 1_000),
    sunsetAt: Number.isNaN(sunset) ? null : new Date(sunset),
    link: headers.get('link'),
  }
}
