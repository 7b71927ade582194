import type { RawBody } from './webhook-delivery.ts'

export function toBytes(body: RawBody): Uint8Array {
  if (typeof body === 'string') return new TextEncoder().encode(body)
  return body instanceof Uint8Array ? body : new Uint8Array(body)
}

export function concat(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const chunks = parts.map((part) => (typeof part === 'string' ? new TextEncoder().encode(part) : part))
  const joined = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    joined.set(chunk, at)
    at += chunk.length
  }
  return joined
}

export function toHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

/** Null unless it is base64 with its padding. */
export function fromBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}

/** HMAC-SHA-256. WebCrypto refuses an empty key, and so do the callers before it. */
export async function hmac(key: Uint8Array, message: Uint8Array): Promise<Uint8Array> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const imported = await crypto.subtle.importKey('raw', key as Uint8Array<ArrayBuffer>, algorithm, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, message as Uint8Array<ArrayBuffer>))
}

/**
 * Whether one of `candidates` is the HMAC of `message` under one of `keys`. The encoded texts are compared, since four
 * spellings of base64 decode to the same bytes and only one is what a vendor sends. Every pair is compared, in a time
 * that does not depend on where they differ.
 */
export async function isHmacOf(
  message: Uint8Array,
  keys: readonly Uint8Array[],
  encode: (bytes: Uint8Array) => string,
  candidates: readonly string[],
): Promise<boolean> {
  let isMatch = false
  for (const key of keys) {
    const expected = encode(await hmac(key, message))
    for (const candidate of candidates) isMatch = isEqual(expected, candidate) || isMatch
  }
  return isMatch
}

function isEqual(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let index = 0; index < a.length; index += 1) difference |= a.charCodeAt(index) ^ b.charCodeAt(index)
  return difference === 0
}

/** Those that are not blank: a vendor signs with an empty secret too, and then anybody can. */
export function usableSecrets(secrets: string | readonly string[]): string[] {
  return (typeof secrets === 'string' ? [secrets] : [...secrets]).filter((secret) => secret.trim() !== '')
}
