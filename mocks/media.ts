import type { OperationRow } from '../generated/operations.ts'
import type { Exchange } from '../src/http/exchange.ts'

export function isJson(mediaType: string): boolean {
  return /^application\/(?:[\w.-]+\+)?json$/.test(mediaType)
}

/** What a query parameter `format` means: the exports have one. */
const FORMATS: Record<string, string> = {
  csv: 'text/csv',
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
}

/** The declared media type that the request asks for; without a wish that can be met, the first. */
export function chooseMediaType(row: OperationRow, status: number, { req, query }: Exchange): string | undefined {
  const mediaTypes = row.replies[status]?.mediaTypes ?? []
  if (mediaTypes.length <= 1) return mediaTypes[0]
  const format = FORMATS[new URLSearchParams(query).get('format') ?? '']
  if (format !== undefined && mediaTypes.includes(format)) return format
  const accepted = req.accepts([...mediaTypes])
  return accepted === false ? mediaTypes[0] : accepted
}

/** The status of an answer to a request that nothing is wrong with. */
export function successOf({ replies }: OperationRow): number {
  const statuses = Object.keys(replies).map(Number)
  const success = (from: number) => statuses.filter((status) => status >= from && status < from + 100)
  return Math.min(...(success(200).length > 0 ? success(200) : success(300).length > 0 ? success(300) : statuses))
}
