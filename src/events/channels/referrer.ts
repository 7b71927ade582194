import { CATEGORY_OF } from './source-lists.ts'

/** Where a link was, as far as it brings visitors. */
export interface Referral {
  source: string
  medium: 'organic' | 'referral'
}

/**
 * Hosts of search engines, under the names that the source lists have for them. Only the search itself: `mail.google.com`
 * and `docs.google.com` are other sites that happen to belong to the same company.
 */
const SEARCH_ENGINES: readonly (readonly [name: string, host: RegExp])[] = [
  ['google', /^(?:www\.|m\.|lens\.|search\.)?google\.(?:com|cat|com?\.[a-z]{2}|[a-z]{2})$/],
  ['google', /^com\.google\.android\.googlequicksearchbox$/],
  ['bing', /^(?:www\.|m\.|cn\.|www2\.)?bing\.com$/],
  ['yahoo', /^(?:[a-z-]+\.)?search\.yahoo\.(?:com|co\.jp)$|^(?:www\.)?yahoo\.(?:com|co\.jp)$/],
  ['duckduckgo', /^(?:www\.|html\.|lite\.|start\.)?duckduckgo\.com$/],
  ['yandex', /^(?:www\.|m\.)?yandex\.(?:com|ru|by|kz|ua|uz|fr|eu|com\.tr)$|^ya\.ru$/],
  ['baidu', /^(?:www\.|m\.)?baidu\.com$/],
  ['naver', /^(?:m\.)?(?:search\.)?naver\.com$/],
  ['seznam', /^(?:www\.|search\.)?seznam\.cz$/],
  ['qwant', /^(?:www\.|lite\.)?qwant\.com$/],
  ['sogou', /^(?:www\.|m\.|wap\.)?sogou\.com$/],
  ['ecosia.org', /^(?:www\.)?ecosia\.org$/],
  ['startpage.com', /^(?:www\.)?startpage\.com$/],
  ['search.brave.com', /^search\.brave\.com$/],
  ['kagi.com', /^(?:www\.)?kagi\.com$/],
]

/** What a referrer's host (in lower case) says. */
export function readReferral(host: string): Referral {
  const engine = SEARCH_ENGINES.find(([, pattern]) => pattern.test(host))
  if (engine !== undefined) return { source: engine[0], medium: 'organic' }
  const source = listedSource(host)
  return { source, medium: CATEGORY_OF.get(source) === 'search' ? 'organic' : 'referral' }
}

/**
 * The host without `www.`; or the nearest domain above it that the lists have: pages of `mobile.twitter.com` are
 * Twitter's. Not for search, where hosts beside the engine are mail, maps and the like.
 */
function listedSource(host: string): string {
  const bare = host.replace(/^www\./, '')
  if (CATEGORY_OF.has(bare)) return bare
  const labels = bare.split('.')
  for (let from = 1; from < labels.length - 1; from += 1) {
    const domain = labels.slice(from).join('.')
    const category = CATEGORY_OF.get(domain)
    if (category !== undefined) return category === 'search' ? bare : domain
  }
  return bare
}

/** The host of a URL, in lower case and without a final dot; null where it has none. `android-app:` names the app. */
export function hostOf(text: string): string | null {
  const url = URL.parse(text)
  if (url === null || !/^(?:https?|android-app|ios-app):$/.test(url.protocol)) return null
  const host = url.hostname.toLowerCase().replace(/\.$/, '')
  return host === '' || host.length > 253 ? null : host
}
