import type { IncomingHttpHeaders } from 'node:http'
import type { Request } from 'express'
import { ProblemError } from '../problem/problem.ts'

/** Throws `unsupported_media_type` (415) unless the body is sent plain. Compressed bodies would make the size limit a lie. */
export function requireIdentityEncoding(headers: IncomingHttpHeaders): void {
  const encoding = headers['content-encoding']
  if (encoding === undefined || encoding.trim().toLowerCase() === 'identity' || encoding.trim() === '') return
  throw new ProblemError('unsupported_media_type', 'Send the body without a Content-Encoding.', {
    headers: { 'Accept-Encoding': 'identity' }, // RFC 9110 section 12.5.3: what a 415 for a content coding carries
  })
}

/** Parameters of a range that say how text is to be written, not which type: an offer has none and is no worse for it. */
const HOW = /;[ \t]*(?:charset|escaping)=(?:"[^"]*"|[^\s;,"]*)/gi

/**
 * The one of `offers` that Accept likes best; false where it likes none. Without HOW, Prometheus 3, which asks for
 * `application/openmetrics-text;version=1.0.0;escaping=allow-utf-8`, would be refused that type.
 */
export function choose(req: Request, offers: string[]): string | false {
  const accept = req.headers.accept?.replace(HOW, '')
  // All that it looks at of a request.
  const asked = { headers: { accept }, accepts: req.accepts } as Request
  return asked.accepts(offers)
}

/** The one of `accepted` (lower case) that Content-Type names; as UTF-8 where it says so. Throws `unsupported_media_type` (415). */
export function requireMediaType(headers: IncomingHttpHeaders, accepted: readonly string[]): string {
  const value = headers['content-type']
  if (value !== undefined) {
    if (accepted.includes(value)) return value
    const [type = '', ...parameters] = value.split(';')
    const isUtf8 = parameters.every((parameter) => {
      const [name, charset = ''] = parameter.split('=')
      return name?.trim().toLowerCase() !== 'charset' || /^"?utf-?8"?$/i.test(charset.trim())
    })
    const mediaType = type.trim().toLowerCase()
    if (isUtf8 && accepted.includes(mediaType)) return mediaType
  }
  throw new ProblemError('unsupported_media_type', `Send the body as ${accepted.join(' or ')}, in UTF-8.`, {
    headers: { Accept: accepted.join(', ') }, // RFC 9110 section 15.5.16
  })
}
