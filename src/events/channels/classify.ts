import type { ChannelRule } from '../../tenants/settings/settings.ts'
import type { Channel } from './channel.ts'
import { BUILT_IN_RULES, BUILT_IN_VERSION, type BuiltInCondition } from './rules.ts'
import { CATEGORY_OF, type SourceCategory } from './source-lists.ts'

/** A tenant's own rules, tried before the built-in ones. */
export interface ChannelRules {
  /** Of the tenant's rules; 1 or more. */
  version: number
  rules: readonly ChannelRule[]
}

/** Of a tenant that has none: version 1 is empty for everybody. */
export const NO_RULES_OF_ITS_OWN: ChannelRules = { version: 1, rules: [] }

/** What is known of where a visit came from. Texts as they were sent; null: absent. */
export interface Visit {
  source: string | null
  medium: string | null
  campaign: string | null
  /** In lower case; null where there is none. */
  referrerHost: string | null
  /** Names of the parameters, in lower case, such as `gclid`. */
  clickIds: readonly string[]
}

export interface Classification {
  channel: Channel
  /** Matches ^[a-z0-9.]{1,20}/[0-9]{1,9}$: the version of the built-in rules, and that of the tenant's. */
  ruleVersion: string
  /** Of the tenant's own rule that decided; null: a built-in one did. */
  ruleName: string | null
}

/** The channel of a visit: by the tenant's own rules, or else by the built-in ones. The same for the same input, for ever. */
export function classify(rules: ChannelRules, visit: Visit): Classification {
  const ruleVersion = versionOf(rules)
  const own = rules.rules.find(({ conditions }) => conditions.every((condition) => holds(condition, visit)))
  if (own !== undefined) return { channel: own.channel as Channel, ruleVersion, ruleName: own.name }
  return { channel: classifyByDefault(visit), ruleVersion, ruleName: null }
}

export function versionOf({ version }: ChannelRules): string {
  return `${BUILT_IN_VERSION}/${version}`
}

type TenantCondition = ChannelRule['conditions'][number]

/** An absent field fulfils no condition. */
function holds({ field, operator, value }: TenantCondition, visit: Visit): boolean {
  const wanted = value.toLowerCase()
  return textsOf(visit, field).some((text) => {
    const found = text.toLowerCase()
    if (operator === 'starts_with') return found.startsWith(wanted)
    if (operator === 'ends_with') return found.endsWith(wanted)
    if (operator === 'contains') return found.includes(wanted)
    return found === wanted
  })
}

function textsOf(visit: Visit, field: string): readonly string[] {
  if (field === 'click_id') return visit.clickIds
  const { source, medium, campaign, referrerHost } = visit
  const text = { source, medium, campaign, referrer_host: referrerHost }[field]
  return text === null || text === undefined ? [] : [text]
}

interface Facts {
  source: string
  medium: string
  campaign: string
  category: SourceCategory | undefined
}

/** The channel by the built-in rules alone. */
export function classifyByDefault({
  source,
  medium,
  campaign,
}: Pick<Visit, 'source' | 'medium' | 'campaign'>): Channel {
  const lower = (text: string | null) => (text ?? '').toLowerCase()
  const facts: Facts = {
    source: lower(source),
    medium: lower(medium),
    campaign: lower(campaign),
    category: CATEGORY_OF.get(lower(source)),
  }
  const rule = BUILT_IN_RULES.find(({ anyOf }) => anyOf.some((condition) => holdsByDefault(condition, facts)))
  return rule?.channel ?? 'unassigned'
}

function holdsByDefault(condition: BuiltInCondition, { source, medium, campaign, category }: Facts): boolean {
  if (condition.isDirect === true && !isDirect(source, medium)) return false
  if (condition.category !== undefined && condition.category !== category) return false
  if (condition.source?.includes(source) === false) return false
  if (condition.medium?.includes(medium) === false) return false
  if (condition.mediumMatches?.test(medium) === false) return false
  return condition.campaignMatches?.test(campaign) !== false
}

function isDirect(source: string, medium: string): boolean {
  if (source === '' && medium === '') return true
  return source === '(direct)' && (medium === '(none)' || medium === '(not set)')
}
