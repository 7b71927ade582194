import type { OperationRow } from '../../generated/operations.ts'

/**
 * `Deprecation` (RFC 9745) and `Sunset` (RFC 8594) of a deprecated operation, as names and values. The operation works
 * until the end of its last day, UTC.
 */
export function deprecationHeaders({ deprecatedSince, sunset }: OperationRow): [name: string, value: string][] {
  return [
    ...(deprecatedSince === null
      ? []
      : [['Deprecation', `@${Date.parse(deprecatedSince) / 1000}`] as [string, string]]),
    ...(sunset === null ? [] : [['Sunset', new Date(`${sunset}T23:59:59Z`).toUTCString()] as [string, string]]),
  ]
}
