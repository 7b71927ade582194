import type { IncomingHttpHeaders } from 'node:http'
import { BlockList, isIP, SocketAddress } from 'node:net'

/** What is known of a request's way here. */
export interface Hop {
  /** Of the socket; undefined when it is closed already. */
  peer: string | undefined
  headers: IncomingHttpHeaders
}

export type FindClient = (hop: Hop) => string | null

/**
 * Finds who sent a request: the peer of the socket, unless that is a proxy of `networks` (addresses or CIDR). Then it is
 * the rightmost address of Forwarded (RFC 7239) or X-Forwarded-For that is not itself such a proxy, since a proxy appends
 * whom it heard and everything before that is whatever the client wrote. Null when the socket is closed.
 *
 * The peer's own address stands where the headers cannot be right: an entry that must be read is no address, or the two
 * headers name different clients. X-Forwarded-Proto and -Host are never read: addresses that are given out start with
 * SKELDIR_PUBLIC_URL. Canonical form: IPv6 compressed, an IPv4 address never as IPv6. Throws for a bad network.
 *
 * `onUnheard` is called once, for the first such header where there are no networks: a proxy that nobody trusts makes one
 * address of all its callers.
 */
export function createClientFinder(networks: readonly string[], onUnheard?: () => void): FindClient {
  const proxies = toBlockList(networks)
  const isProxy = (address: string) => proxies.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  let isToBeSaid = networks.length === 0
  return ({ peer, headers }) => {
    if (isToBeSaid && (headers.forwarded !== undefined || headers['x-forwarded-for'] !== undefined)) {
      isToBeSaid = false
      onUnheard?.()
    }
    const own = peer === undefined ? null : toAddress(peer)
    if (own === null || networks.length === 0 || !isProxy(own)) return own
    const told = [readForwarded(headers.forwarded), readForwardedFor(headers['x-forwarded-for'])]
    const named = told.filter((entries) => entries !== undefined).map((entries) => findClient(entries, isProxy))
    const [first] = named
    return first !== undefined && first !== null && named.every((client) => client === first) ? first : own
  }
}

/** Entries from the client to the last proxy. Null: what would have to be the client's is no address, or there is none. */
function findClient(entries: readonly (string | null)[], isProxy: (address: string) => boolean): string | null {
  const last = entries.findLast((entry) => entry === null || !isProxy(entry))
  // All of them are proxies: the request began at the first.
  return last === undefined ? (entries[0] ?? null) : last
}

function toBlockList(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [text = '', prefix] = network.split('/')
    const address = toAddress(text)
    if (address === null) throw new TypeError(`${JSON.stringify(network)} is not a network`)
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return list
}

const MAPPED = '::ffff:'

/** Canonical, or null for what is no address. A zone (`%eth0`) is of this machine only, and dropped. */
function toAddress(text: string): string | null {
  const family = isIP(text)
  if (family === 4) return text
  if (family === 0) return null
  // What a socket for both families says of an IPv4 peer.
  if (text.startsWith(MAPPED) && isIP(text.slice(MAPPED.length)) === 4) return text.slice(MAPPED.length)
  const zone = text.indexOf('%')
  const { address } = new SocketAddress({ address: zone === -1 ? text : text.slice(0, zone), family: 'ipv6' })
  const inner = address.startsWith(MAPPED) ? address.slice(MAPPED.length) : ''
  return isIP(inner) === 4 ? inner : address
}

/** `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`. Null for anything else. */
function toNode(text: string): string | null {
  const [, bracketed, bare] = /^(?:\[([^\]]*)\](?::\d{1,5})?|(\d[\d.]*):\d{1,5})$/.exec(text) ?? []
  if (bracketed !== undefined) return isIP(bracketed) === 6 && !bracketed.includes('%') ? toAddress(bracketed) : null
  const address = bare ?? text
  return address.includes('%') ? null : toAddress(address)
}

/** Undefined where the header is absent. Node joins repeated lines by commas, in their order. */
function readForwardedFor(header: string | string[] | undefined): (string | null)[] | undefined {
  if (header === undefined) return undefined
  return String(header)
    .split(',')
    .map((entry) => toNode(withoutBlanks(entry)))
}

/** By hand: /[ \t]+$/ begins anew at each blank of a run inside. */
function withoutBlanks(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && isBlank(text, start)) start += 1
  while (end > start && isBlank(text, end - 1)) end -= 1
  return text.slice(start, end)
}

function isBlank(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t'
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
/**
 * One pair of RFC 7239 section 4, or none, up to a semicolon, a comma or the end. Each run of blanks has one place to be
 * in, before the pair or behind it: with two, the ways to share them out would multiply from pair to pair.
 */
const PAIR = new RegExp(`[ \\t]*(?:(${TOKEN})=(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)")[ \\t]*)?(;|,|$)`, 'y')

function readForwarded(header: string | undefined): (string | null)[] | undefined {
  if (header === undefined) return undefined
  const entries: (string | null)[] = []
  /** Of the element that is being read. */
  let nodes: string[] = []
  let at = 0
  while (at < header.length) {
    PAIR.lastIndex = at
    const [whole, name, token, quoted = '', end] = PAIR.exec(header) ?? []
    // Not of the form: nobody can say where the next element begins.
    if (whole === undefined) return [null]
    at += whole.length
    if (name?.toLowerCase() === 'for') nodes.push(token ?? quoted.replace(/\\(.)/g, '$1'))
    if (end === ';' && at < header.length) continue
    const [node] = nodes
    entries.push(node !== undefined && nodes.length === 1 ? toNode(node) : null)
    nodes = []
  }
  return entries
}
