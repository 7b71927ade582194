/** Fields of a campaign, each the parameter `utm_<field>` of a link. */
export const UTM_FIELDS = [
  'source',
  'medium',
  'campaign',
  'content',
  'term',
  'id',
  'source_platform',
  'creative_format',
  'marketing_tactic',
] as const
export type UtmField = (typeof UTM_FIELDS)[number]

export interface Utm {
  /** Those that are present: in NFC, trimmed, 1 to 255 code points, and in the case that they were sent in. */
  fields: Partial<Record<UtmField, string>>
  /** Whether a placeholder arrived that an advertising system should have filled in. */
  macroUnfilled: boolean
}

/** Code points; what the columns and the contract hold. */
export const MAX_FIELD_LENGTH = 255

const FIELDS: ReadonlySet<string> = new Set(UTM_FIELDS)
/** The whole value is `{campaign}`, `{{campaign.name}}` or `__CAMPAIGN_NAME__`. */
const MACRO = /^(?:\{[^{}]*\}|\{\{[^{}]*\}\}|__[A-Z0-9_]+__)$/
/** Part of a value is: that campaign was meant to have a longer name. */
const PARTIAL_MACRO = /\{[A-Za-z_.:]+\}|__[A-Z0-9]+(?:_[A-Z0-9]+)*__/
/**
 * Control characters, and what nobody sees either: no part of a name, and one that is pasted in with it makes two names of
 * one. Those that join and part letters (U+200C, U+200D) are spelling.
 */
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]+/g

/**
 * The campaign fields among parameters that were percent-decoded, once. Names are compared without regard to case. Of
 * several values the first holds; one that is empty or a macro that nobody filled in is absent.
 */
export function readUtm(parameters: Iterable<readonly [name: string, value: string]>): Utm {
  const fields: Partial<Record<UtmField, string>> = {}
  let macroUnfilled = false
  for (const [parameter, text] of parameters) {
    const name = parameter.toLowerCase()
    const field = name.startsWith('utm_') ? name.slice(4) : ''
    if (!FIELDS.has(field) || fields[field as UtmField] !== undefined) continue
    const value = cleanText(text)
    if (value === null) continue
    macroUnfilled ||= MACRO.test(value) || PARTIAL_MACRO.test(value)
    if (!MACRO.test(value)) fields[field as UtmField] = value
  }
  return { fields, macroUnfilled }
}

/** As a field is kept; null when nothing is left. Characters that nobody sees count as spaces. */
export function cleanText(text: string): string | null {
  // Decomposed text is longer at most by a factor that is far below this, so no long text is normalised for nothing.
  const clean = text
    .slice(0, MAX_FIELD_LENGTH * 20)
    .toWellFormed()
    .normalize('NFC')
    .replaceAll(UNSEEN, ' ')
    .trim()
  const capped = [...clean].slice(0, MAX_FIELD_LENGTH).join('').trimEnd()
  return capped === '' ? null : capped
}
