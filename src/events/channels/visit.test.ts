import { expect, test } from 'vitest'
import { classify, NO_RULES_OF_ITS_OWN } from './classify.ts'
import { readReferral } from './referrer.ts'
import { isOwnHost, isPassedThrough, siteOf } from './self-referral.ts'
import { readArrival, toVisit } from './visit.ts'

const SHOP = 'https://shop.northwind.example'

function visitOf(query: string, referrer: string | null = null, ownHosts: string[] = []) {
  const arrival = readArrival({ pageUrl: `${SHOP}/jackets${query}`, referrer }, ownHosts)
  const visit = arrival === null ? null : toVisit(arrival)
  if (visit === null) return null
  const { source, medium, campaign } = visit
  return [source, medium, campaign, classify(NO_RULES_OF_ITS_OWN, visit).channel]
}

test.each([
  ['?utm_term=+491701234567', { term: '+491701234567' }],
  ['?a=1&&utm_term=+49+170+1234567&utm_source=x+y', { term: '+49 170 1234567', source: 'x y' }],
  ['?utm_term=%2B491701234567', { term: '+491701234567' }],
  ['?utm_campaign=black+friday+2026', { campaign: 'black friday 2026' }],
  ['?utm_campaign=summer+%2B100000000', { campaign: 'summer +100000000' }],
])('a telephone number in a query keeps its plus, so that it is known for one: %s', (query, fields) => {
  expect(readArrival({ pageUrl: `${SHOP}/${query}`, referrer: null })?.utm.fields).toEqual(fields)
})

test.each([
  ['no tag and no referrer', '', null, [null, null, null, 'direct']],
  ['tags', '?utm_source=google&utm_medium=cpc&utm_campaign=brand', null, ['google', 'cpc', 'brand', 'paid_search']],
  ['a Google click id alone', '?gclid=Cj0KCQjw', null, ['google', 'cpc', null, 'paid_search']],
  ['the one for groups of clicks', '?gbraid=0AAAA&gad_source=1', null, ['google', 'cpc', null, 'paid_search']],
  ['Microsoft', '?msclkid=ab12', null, ['bing', 'cpc', null, 'paid_search']],
  ['TikTok', '?ttclid=E.C.P', null, ['tiktok', 'cpc', null, 'paid_social']],
  ['Google display products', '?dclid=CNx', null, ['dfa', 'cpm', null, 'display']],
  ['fbclid alone', '?fbclid=IwAR0', 'https://l.facebook.com/', ['facebook', null, null, 'organic_social']],
  ['fbclid and a paid medium', '?fbclid=IwAR0&utm_medium=cpc', null, ['facebook', 'cpc', null, 'paid_social']],
  ['other networks: proven, but not as paid', '?rdt_cid=1', null, ['reddit', null, null, 'organic_social']],
  ['srsltid is of plain results', '?srsltid=AfmBOo', null, ['google', 'organic', null, 'organic_search']],
  ['a newsletter of Mailchimp', '?mc_cid=12ab&mc_eid=34cd', null, ['mailchimp', 'email', null, 'email']],
  [
    'utm_medium wins over a click id',
    '?gclid=x&utm_medium=organic',
    null,
    ['google', 'organic', null, 'organic_search'],
  ],
  ['utm_medium wins, whatever the case', '?gclid=x&utm_source=G&utm_medium=Email', null, ['G', 'Email', null, 'email']],
  [
    'a source without a medium, and a paid id',
    '?gclid=x&utm_source=google',
    null,
    ['google', 'cpc', null, 'paid_search'],
  ],
  ['a source without a medium, and another id', '?fbclid=x&utm_source=ig', null, ['ig', null, null, 'organic_social']],
  ['a paid id beside fbclid', '?fbclid=x&gclid=y', null, ['google', 'cpc', null, 'paid_search']],
  ['an id that is a macro', '?gclid=%7Bgclid%7D', null, [null, null, null, 'direct']],
  ['an empty id', '?gclid=', null, [null, null, null, 'direct']],
  ['ids under any case of the name', '?ScCid=AbC', null, ['snapchat', null, null, 'organic_social']],
  ['a search engine', '', 'https://www.google.de/', ['google', 'organic', null, 'organic_search']],
  [
    'its app',
    '',
    'android-app://com.google.android.googlequicksearchbox/',
    ['google', 'organic', null, 'organic_search'],
  ],
  [
    'its mail is a site as any other',
    '',
    'https://mail.google.com/',
    ['mail.google.com', 'referral', null, 'referral'],
  ],
  ['a social network', '', 'https://l.facebook.com/x?y', ['l.facebook.com', 'referral', null, 'organic_social']],
  ['below one', '', 'https://mobile.twitter.com/a', ['twitter.com', 'referral', null, 'organic_social']],
  ['video', '', 'https://www.youtube.com/', ['youtube.com', 'referral', null, 'organic_video']],
  ['any other site', '', 'https://www.chatgpt.com/', ['chatgpt.com', 'referral', null, 'referral']],
  [
    'a source beside a referrer',
    '?utm_source=partner',
    'https://www.google.com/',
    ['partner', null, null, 'unassigned'],
  ],
  [
    'a campaign beside a referrer',
    '?utm_campaign=x',
    'https://www.google.com/',
    ['google', 'organic', 'x', 'organic_search'],
  ],
  [
    'tags on the way back from a payment',
    '?utm_source=a&utm_medium=email',
    'https://www.paypal.com/',
    ['a', 'email', null, 'email'],
  ],
])('%s', (_name, query, referrer, expected) => {
  expect(visitOf(query, referrer)).toEqual(expected)
})

test.each([
  ['the page itself', `${SHOP}/`],
  ['a sibling', 'https://blog.northwind.example/'],
  ['the domain', 'https://northwind.example/'],
  ['another domain of the tenant', 'https://northwind.test/'],
  ['PayPal', 'https://www.paypal.com/checkoutnow'],
  ['Stripe', 'https://checkout.stripe.com/c/pay'],
  ['Shop Pay', 'https://shop.app/'],
  ['Klarna', 'https://pay.klarna.com/'],
  ['a bank asks for 3-D Secure', 'https://acs2.bank.example/challenge'],
  ['sign-in', 'https://accounts.google.com/'],
])('starts no touch: %s', (_name, referrer) => {
  expect(visitOf('', referrer, ['northwind.test'])).toBeNull()
})

test.each(['', 'nonsense', 'about:blank', 'javascript:alert(1)', 'file:///etc/passwd'])('%j is no page', (pageUrl) => {
  expect(readArrival({ pageUrl, referrer: null })).toBeNull()
})

test.each([
  ['www.example.com', 'example.com'],
  ['a.b.example.co.uk', 'example.co.uk'],
  ['shop.example.com.au', 'example.com.au'],
  ['one.myshopify.com', 'one.myshopify.com'],
  ['localhost', 'localhost'],
  ['127.0.0.1', '127.0.0.1'],
  ['[::1]', '[::1]'],
  ['Example.COM.', 'example.com'],
])('%s belongs to %s', (host, site) => {
  expect(siteOf(host)).toBe(site)
})

test('two shops of one platform are two sites', () => {
  expect(isOwnHost('one.myshopify.com', ['two.myshopify.com'])).toBe(false)
  expect(isOwnHost('notexample.com', ['example.com'])).toBe(false)
})

test.each(['paypal.community.example', 'mypaypal.com', 'acs.example', 'example.com'])(
  '%s is passed by nobody',
  (host) => {
    expect(isPassedThrough(host)).toBe(false)
  },
)

test.each([
  ['www.google.co.uk', 'google', 'organic'],
  ['google.com.au', 'google', 'organic'],
  ['docs.google.com', 'docs.google.com', 'referral'],
  ['google.evil.example', 'google.evil.example', 'referral'],
  ['de.search.yahoo.com', 'yahoo', 'organic'],
  ['mail.yahoo.com', 'mail.yahoo.com', 'referral'],
  ['www.startpage.com', 'startpage.com', 'organic'],
  ['out.reddit.com', 'out.reddit.com', 'referral'],
])('%s is %s / %s', (host, source, medium) => {
  expect(readReferral(host)).toEqual({ source, medium })
})
