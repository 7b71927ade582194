import { lookup } from 'node:dns'
import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/** A request to somebody else's server. */
export interface OutboundRequest {
  method: 'GET' | 'POST'
  url: URL
  headers: Readonly<Record<string, string>>
  body?: Buffer
  /** For the whole of it. */
  timeoutMs: number
  /** Of the answer's body. */
  maxBytes: number
}

export interface OutboundAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/** Rejects when there is no whole answer. */
export type Outbound = (request: OutboundRequest) => Promise<OutboundAnswer>

/** Thrown where a request would leave the public internet; the message does not repeat the address. */
export class PrivateAddressError extends Error {
  override name = 'PrivateAddressError'
}

/** Not on the public internet. Source: IANA's special-purpose address registries (RFC 6890). */
const SPECIAL_V4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const
/** Of 2000::/3, the only part of IPv6 that is global unicast. Tunnels would lead to an address of IPv4 that nobody looked at. */
const SPECIAL_V6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const

const special = new BlockList()
for (const [network, prefix] of SPECIAL_V4) special.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of SPECIAL_V6) special.addSubnet(network, prefix, 'ipv6')
const globalUnicast = new BlockList()
globalUnicast.addSubnet('2000::', 3, 'ipv6')

export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !special.check(address, 'ipv4')
  return family === 6 && globalUnicast.check(address, 'ipv6') && !special.check(address, 'ipv6')
}

/** Looks at the address that is connected to, so that a name cannot lead elsewhere after it was looked at. */
const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? []
    if (error !== null || first === undefined) return callback(error ?? new Error('the name has no address'), '', 0)
    if (!addresses.every(({ address }) => isPublicAddress(address)))
      return callback(new PrivateAddressError('the name leads to an address that is not public'), '', 0)
    return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family)
  })
}

/**
 * To a server on the public internet: https and a name, no redirects, no proxies, no cookies, no compression; the name
 * must lead to public addresses only. Certificates are checked, whatever NODE_TLS_REJECT_UNAUTHORIZED says.
 */
export const requestPublic: Outbound = ({ method, url, headers, body, timeoutMs, maxBytes }) =>
  new Promise((resolve, reject) => {
    if (url.protocol !== 'https:' || url.username !== '' || isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0)
      return reject(new PrivateAddressError('only https addresses with a name are called'))
    const signal = AbortSignal.timeout(timeoutMs)
    const sent = request(
      url,
      {
        method,
        headers: { ...headers, ...(body !== undefined && { 'content-length': String(body.length) }) },
        agent: false,
        lookup: lookupPublic,
        rejectUnauthorized: true,
        signal,
      },
      (answer) => {
        const chunks: Buffer[] = []
        let length = 0
        answer.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > maxBytes) sent.destroy(new Error(`the answer has more than ${maxBytes} bytes`))
          else chunks.push(chunk)
        })
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
        )
        answer.on('error', reject)
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
