import { isIP } from 'node:net'
import { looksPersonal } from '../../webhooks/personal-data.ts'
import type { Visit } from './classify.ts'
import { type ClickId, type ClickIdKind, findClickIdKind, readClickIds } from './click-ids.ts'
import { hostOf, readReferral } from './referrer.ts'
import { isOwnHost, isPassedThrough } from './self-referral.ts'
import { readUtm, type Utm, type UtmField } from './utm.ts'

/** All that a page's address and its referrer tell. Nothing of it is what a person typed or is called. */
export interface Arrival {
  utm: Utm
  clickIds: readonly ClickId[]
  /** In lower case; null without a referrer, or where it is our own or one that is only passed through. */
  referrerHost: string | null
  /** Where the visit came to. */
  landingHost: string | null
  landingPath: string | null
  /** The referrer is the shop's own, or a payment or sign-in page: by itself it starts no touch. */
  isReturn: boolean
}

/**
 * Reads the address of a page (http or https) and its referrer. Parameters are percent-decoded once, `+` is a space but in a
 * telephone number; those of the fragment are not read. Null when the address is none.
 */
export function readArrival(
  { pageUrl, referrer }: { pageUrl: string; referrer: string | null },
  ownHosts: readonly string[] = [],
): Arrival | null {
  const url = URL.parse(pageUrl)
  const landingHost = hostOf(pageUrl)
  if (url === null || landingHost === null) return null
  const parameters = parametersOf(url)
  return {
    utm: readUtm(parameters),
    clickIds: readClickIds(parameters),
    ...judgeReferrer(referrer, [landingHost, ...ownHosts]),
    landingHost,
    landingPath: url.pathname,
  }
}

/** A number that has lost its plus would be one that nothing tells from an id. */
function parametersOf(url: URL): [name: string, value: string][] {
  // The pairs that `searchParams` has, in the same order: it passes over empty ones.
  const sent = url.search.slice(1).split('&').filter(Boolean)
  return [...url.searchParams].map(([name, value], index) => {
    const text = sent[index] ?? ''
    // Behind a letter or a digit it parts two words.
    const told = text.slice(text.indexOf('=') + 1).replace(/(?<=[0-9A-Za-z])\+/g, ' ')
    return [name, told.includes('+') && looksPersonal(told) ? told : value]
  })
}

/** A referrer of another site has a host; one of our own, or one on the way to a payment, is a return. */
export function judgeReferrer(
  referrer: string | null,
  ownHosts: readonly string[],
): Pick<Arrival, 'referrerHost' | 'isReturn'> {
  const host = referrer === null ? null : hostOf(referrer)
  if (host === null) return { referrerHost: null, isReturn: false }
  const isReturn = isOwnHost(host, ownHosts) || isPassedThrough(host)
  // A number is no name of a source, and may be somebody's own machine.
  const isNamed = isIP(host) === 0 && !host.startsWith('[')
  return { referrerHost: isReturn || !isNamed ? null : host, isReturn }
}

/**
 * The visit that an arrival is, for `classify`; null when it starts none. A field of the link itself always holds;
 * where it has no medium, a paid click id implies one; where it has no source, a click id or else the referrer does.
 */
export function toVisit({
  utm,
  clickIds,
  referrerHost,
  isReturn,
}: Omit<Arrival, 'landingHost' | 'landingPath'>): Visit | null {
  const { fields } = utm
  const isTagged = Object.keys(fields).length > 0 || clickIds.length > 0
  if (isReturn && !isTagged) return null
  const kinds = clickIds.map(({ name }) => findClickIdKind(name) as ClickIdKind)
  const named = {
    campaign: fields.campaign ?? null,
    referrerHost,
    clickIds: kinds.map(({ name }) => name),
  }
  return { ...named, ...sourceOf(fields, kinds, referrerHost) }
}

function sourceOf(
  fields: Partial<Record<UtmField, string>>,
  kinds: readonly ClickIdKind[],
  referrerHost: string | null,
): Pick<Visit, 'source' | 'medium'> {
  const paid = kinds.find(({ proves }) => proves === 'paid')
  const { source, medium } = fields
  if (source !== undefined) return { source, medium: medium ?? paid?.medium ?? null }
  const kind = paid ?? kinds[0]
  if (kind !== undefined) return { source: kind.source, medium: medium ?? kind.medium }
  const referral = referrerHost === null ? null : readReferral(referrerHost)
  return { source: referral?.source ?? null, medium: medium ?? referral?.medium ?? null }
}
