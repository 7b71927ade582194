import type { IncomingHttpHeaders } from 'node:http'
import type { Vendor } from '../../context.ts'
import { fieldMaps } from '../normalize/field-map.ts'

/** A body that could not be read, with the headers that say what it is about. */
export interface KeptBody {
  /** Names in lower case. */
  headers: Record<string, string>
  rawBody: Buffer
}

const ENVELOPE_HEADERS: Readonly<Record<Vendor, readonly string[]>> = {
  stripe: [],
  paypal: [],
  shopify: ['x-shopify-topic', 'x-shopify-webhook-id', 'x-shopify-shop-domain'],
  woocommerce: ['x-wc-webhook-topic', 'x-wc-webhook-id', 'x-wc-webhook-source'],
}
const MAX_HEADER_LENGTH = 500
const LINE_FEED = 0x0a

/** One line of JSON with the headers that a reader of this vendor asks for, then the bytes as they came. */
export function packBody(vendor: Vendor, headers: IncomingHttpHeaders, rawBody: Buffer): Buffer {
  const names = [...ENVELOPE_HEADERS[vendor], ...(fieldMaps.headers[vendor] ?? [])]
  const kept = names.flatMap((name) => {
    const value = headers[name]
    return typeof value === 'string' && value.length <= MAX_HEADER_LENGTH ? [[name, value] as const] : []
  })
  return Buffer.concat([Buffer.from(`${JSON.stringify(Object.fromEntries(kept))}\n`), rawBody])
}

/** The inverse of `packBody`. Throws TypeError for bytes that it did not make. */
export function unpackBody(packed: Buffer): KeptBody {
  const end = packed.indexOf(LINE_FEED)
  if (end === -1) throw new TypeError('a kept body begins with its headers')
  return { headers: JSON.parse(packed.toString('utf8', 0, end)), rawBody: packed.subarray(end + 1) }
}
