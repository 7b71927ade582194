import { ulid } from './ulid.ts'

/** As the API takes it. */
export interface Touchpoint {
  event_id: string
  occurred_at: string
  page_url: string
  referrer?: string
}

/** Parameters that say how somebody came. Of the address of a page, nothing else leaves the browser. */
const CAMPAIGN =
  /^(utm_(source|medium|campaign|content|term|id|source_platform|creative_format|marketing_tactic)|[gd]clid|[gw]braid|gad_(source|campaignid)|fbclid|msclkid|ttclid|twclid|li_fat_id|epik|sccid|rdt_cid|yclid|srsltid|mc_cid)$/i
/** What the API takes. */
const MAX_URL_LENGTH = 2048

/** The campaign of the last address that had one; undefined before the first look. */
let lastQuery: string | undefined

/**
 * How somebody came to this page, or null where the page was reached from another page of the same host, was loaded
 * again, or is one more of a session without a campaign. How the document was loaded and from where tells of its first
 * address only: a later one is an arrival by another campaign, or none. What is left to doubt is judged by the API.
 */
export function findArrival(isNewSession: boolean): Touchpoint | null {
  const query = campaignQuery()
  const isLater = lastQuery !== undefined
  const isOther = query !== '' && query !== lastQuery
  lastQuery = query || (lastQuery ?? '')
  const referrer = isLater ? null : referrerOrigin()
  const isOwn = referrer !== null && new URL(referrer).host === location.host
  const isForeign = referrer !== null && !isOwn
  const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
  const isAgain = !isLater && navigation !== undefined && navigation.type !== 'navigate'
  if (isAgain || !(isOther || isForeign || (isNewSession && !isOwn && !isLater))) return null
  return {
    event_id: `b-${ulid()}`,
    occurred_at: new Date().toISOString(),
    page_url: `${location.origin}/${query}`,
    ...(referrer !== null && { referrer }),
  }
}

/** A `+` stays one, so that the API can tell a telephone number from a row of words. */
function campaignQuery(): string {
  let query = ''
  new URLSearchParams(location.search.replace(/\+/g, '%01')).forEach((value, name) => {
    const pair = `${encodeURIComponent(name)}=${encodeURIComponent(value)}`.replace(/%01/g, '+')
    const next = `${query}${query === '' ? '?' : '&'}${pair}`
    if (CAMPAIGN.test(name) && location.origin.length + next.length < MAX_URL_LENGTH) query = next
  })
  return query
}

/** Its host and no path: an app has a host too, and no origin. */
function referrerOrigin(): string | null {
  if (document.referrer === '') return null
  const { protocol, host } = new URL(document.referrer)
  return `${protocol}//${host}/`
}
