/** What the parameter that an advertising network adds to a link says about the click. */
export interface ClickIdKind {
  /** The parameter in lower case. */
  name: string
  /** What it implies where the link names none itself; null: nothing. */
  source: string | null
  /** As above. A medium that is implied only together with the source is one of clicks that were not paid for. */
  medium: string | null
  /** `paid`: only an advertisement carries it. `network`: it proves the network, and that is all. */
  proves: 'paid' | 'network'
  /** Whether its value belongs to one click, so that an order that carries the same value came by that click. */
  isUnique: boolean
}

/**
 * Tried from the top: of several ids the first implies source and medium. Google, Microsoft and TikTok add theirs to paid
 * clicks only; Meta adds fbclid to every outbound link, paid or not, and of the other networks it is not certain, so
 * theirs prove the network alone. gbraid and wbraid are made for groups of clicks, gad_* and mc_cid name campaigns.
 * Sources: https://support.google.com/google-ads/answer/9744275 (gclid), /10417364 (gbraid, wbraid), the help pages of the
 * networks. mc_eid is not here: it identifies a subscriber, so it is never read.
 */
export const CLICK_IDS: readonly ClickIdKind[] = [
  paid('gclid', 'google', 'cpc'),
  { ...paid('gbraid', 'google', 'cpc'), isUnique: false },
  { ...paid('wbraid', 'google', 'cpc'), isUnique: false },
  paid('msclkid', 'bing', 'cpc'),
  paid('ttclid', 'tiktok', 'cpc'),
  // Of Google's display products, which Analytics reports as dfa / cpm.
  paid('dclid', 'dfa', 'cpm'),
  { ...paid('gad_source', 'google', 'cpc'), isUnique: false },
  { ...paid('gad_campaignid', 'google', 'cpc'), isUnique: false },
  network('fbclid', 'facebook'),
  network('twclid', 'twitter'),
  network('li_fat_id', 'linkedin'),
  network('epik', 'pinterest'),
  network('sccid', 'snapchat'),
  network('rdt_cid', 'reddit'),
  network('yclid', 'yandex'),
  // Free listings and plain results of Google, never an advertisement.
  { name: 'srsltid', source: 'google', medium: 'organic', proves: 'network', isUnique: false },
  { name: 'mc_cid', source: 'mailchimp', medium: 'email', proves: 'network', isUnique: false },
]

const KIND_OF: ReadonlyMap<string, ClickIdKind> = new Map(CLICK_IDS.map((kind) => [kind.name, kind]))

export interface ClickId {
  /** As in `CLICK_IDS`. */
  name: string
  /** As it was sent: case matters. 1 to MAX_LENGTH characters. */
  value: string
}

/** None that a network makes is half as long; a longer value is an attempt to make us work. */
const MAX_LENGTH = 1_024

export function findClickIdKind(name: string): ClickIdKind | undefined {
  return KIND_OF.get(name)
}

/** The ids among the parameters of a link, in the order of `CLICK_IDS`; of several values of one the first. */
export function readClickIds(parameters: Iterable<readonly [name: string, value: string]>): ClickId[] {
  const found = new Map<string, string>()
  for (const [parameter, text] of parameters) {
    const name = parameter.toLowerCase()
    const value = text.trim()
    if (!KIND_OF.has(name) || found.has(name)) continue
    if (value !== '' && value.length <= MAX_LENGTH && !PLACEHOLDER.test(value)) found.set(name, value)
  }
  return CLICK_IDS.flatMap(({ name }) => {
    const value = found.get(name)
    return value === undefined ? [] : [{ name, value }]
  })
}

/** Something like `{gclid}`, which the network has not filled in. */
const PLACEHOLDER = /[{}]/

function paid(name: string, source: string, medium: string): ClickIdKind {
  return { name, source, medium, proves: 'paid', isUnique: true }
}

function network(name: string, source: string): ClickIdKind {
  return { name, source, medium: null, proves: 'network', isUnique: true }
}
