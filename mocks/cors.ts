import type { IncomingMessage, ServerResponse } from 'node:http'

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'
/** Seconds; short, since a contract under work changes its methods and headers. */
const MAX_AGE_S = 60

/**
 * Pages of every origin may call and read everything, without credentials of the browser's own: the API takes none either,
 * so what works here works there. Answers a preflight, and then returns true.
 */
export function answerCors(req: IncomingMessage, res: ServerResponse): boolean {
  const { origin } = req.headers
  res.setHeader('Vary', 'Origin, Prefer')
  res.setHeader('Access-Control-Allow-Origin', origin ?? '*')
  if (origin === undefined) return false
  res.setHeader('Access-Control-Expose-Headers', '*')
  if (req.method !== 'OPTIONS' || req.headers['access-control-request-method'] === undefined) return false
  const headers = req.headers['access-control-request-headers']
  if (headers !== undefined) res.setHeader('Access-Control-Allow-Headers', headers)
  res.setHeader('Access-Control-Allow-Methods', METHODS)
  res.writeHead(204, { 'Access-Control-Max-Age': String(MAX_AGE_S) }).end()
  return true
}
