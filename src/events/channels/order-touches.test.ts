import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Vendor } from '../../context.ts'
import type { JsonObject, JsonValue } from '../../webhooks/lossless-json.ts'
import { findPersonalData } from '../../webhooks/personal-data.ts'
import { NO_RULES_OF_ITS_OWN } from './classify.ts'
import { attributionContextOf, keepAttribution, toOrderTouches, toPublicPath } from './order-touches.ts'

const hashClickId = (name: string, value: string) => createHmac('sha256', 'key').update(`${name} ${value}`).digest()
const orderedAt = new Date('2026-11-20T08:30:00Z')

function touchesOf(vendor: Vendor, body: JsonValue) {
  const payload = { attribution: keepAttribution(vendor, body, { hashClickId }) }
  // As it comes back from the database.
  const stored = JSON.parse(JSON.stringify(payload)) as JsonObject
  expect(findPersonalData(stored)).toBeNull()
  const raw = attributionContextOf(vendor, 'any/topic', stored)
  return toOrderTouches(raw, { orderKey: `${vendor}:1`, orderedAt, rules: NO_RULES_OF_ITS_OWN })
}

const brief = (vendor: Vendor, body: JsonValue) =>
  touchesOf(vendor, body).map(({ tier, channel, source, medium, campaign }) => [
    tier,
    channel,
    source,
    medium,
    campaign,
  ])

describe('Shopify', () => {
  test('the landing page and the referrer of the order', () => {
    const [touch, ...others] = touchesOf('shopify', {
      landing_site:
        '/products/boots?utm_source=google&utm_medium=cpc&utm_campaign=Brand&gclid=AbC&email=mira@shop.example',
      referring_site: 'https://www.google.com/',
      order_status_url: 'https://shop.example/1/orders/abc/authenticate?key=1',
      browser_ip: '203.0.113.9',
    })
    expect(others).toEqual([])
    expect(touch).toEqual({
      eventId: 'shopify:1:touch0',
      occurredAt: orderedAt,
      channel: 'paid_search',
      source: 'google',
      medium: 'cpc',
      campaign: 'Brand',
      identity: null,
      session: null,
      tier: 'landing_page',
      orderKey: 'shopify:1',
      click: { kind: 'gclid', hash: hashClickId('gclid', 'AbC') },
      landingPath: '/products/boots',
      referrerHost: 'www.google.com',
      channelRules: 'ga4.1/1',
      itemSha256: expect.any(Buffer),
    })
  })

  test.each([
    [
      'a landing page without tags',
      { landing_site: '/', referring_site: null },
      [['landing_page', 'direct', null, null, null]],
    ],
    [
      'a referrer alone',
      { referring_site: 'https://t.co/x' },
      [['landing_page', 'organic_social', 't.co', 'referral', null]],
    ],
    ['neither', { landing_site: null, referring_site: null }, []],
    ['the page of an express wallet', { landing_site: '/wallets/checkouts.json', referring_site: 'https://t.co/' }, []],
    [
      'the shop as its own referrer',
      { landing_site: '/', referring_site: 'https://www.shop.example/', order_status_url: 'https://shop.example/1' },
      [],
    ],
    ['a payment page', { landing_site: '/', referring_site: 'https://www.paypal.com/' }, []],
    ['things of other types', { landing_site: 5, referring_site: { a: 1 } }, []],
    [
      'an address in a tag',
      { landing_site: '/?utm_source=mira@shop.example&utm_medium=email' },
      [['landing_page', 'email', null, 'email', null]],
    ],
  ])('%s', (_name, order, expected) => {
    expect(brief('shopify', order as JsonObject)).toEqual(expected)
  })

  test('the journey that Shopify followed, with its times', () => {
    const visit = {
      landingPage: 'https://shop.example/?utm_source=news&utm_medium=email',
      referrerUrl: null,
      occurredAt: '2026-11-19T10:00:00Z',
    }
    const last = {
      landingPage: 'https://shop.example/',
      referrerUrl: 'https://www.bing.com/',
      occurredAt: '2026-11-20T09:00:00Z',
    }
    const touches = touchesOf('shopify', {
      landing_site: '/x',
      customerJourneySummary: { firstVisit: visit, lastVisit: last },
    })
    expect(touches.map(({ tier, channel, occurredAt }) => [tier, channel, occurredAt.toISOString()])).toEqual([
      ['vendor_journey', 'email', '2026-11-19T10:00:00.000Z'],
      // Never after the order, whatever the clocks say.
      ['vendor_journey', 'organic_search', orderedAt.toISOString()],
    ])
    expect(touchesOf('shopify', { customerJourneySummary: { firstVisit: visit, lastVisit: visit } })).toHaveLength(1)
  })
})

describe('WooCommerce', () => {
  const order = (fields: Record<string, unknown>, prefix = '_wc_order_attribution_') =>
    ({
      meta_data: [
        { id: 1, key: '_billing_email_copy', value: 'mira@shop.example' },
        ...Object.entries(fields).map(([name, value]) => ({ id: 2, key: `${prefix}${name}`, value })),
      ],
    }) as JsonObject

  test('tags, the time of the session, and the click id that only the entry page has', () => {
    const [touch] = touchesOf(
      'woocommerce',
      order({
        source_type: 'utm',
        utm_source: 'google',
        utm_medium: 'cpc',
        utm_campaign: 'google_cpc',
        referrer: 'https://www.google.com/',
        session_entry: 'https://shop.example/boots/?gclid=AbC',
        session_start_time: '2026-11-20 08:09:17',
        user_agent: 'Mozilla/5.0',
      }),
    )
    expect(touch).toMatchObject({
      tier: 'vendor_journey',
      channel: 'paid_search',
      campaign: 'google_cpc',
      occurredAt: new Date('2026-11-20T08:09:17Z'),
      click: { kind: 'gclid', hash: hashClickId('gclid', 'AbC') },
      landingPath: '/boots/',
    })
  })

  test.each([
    ['typed in', { source_type: 'typein', utm_source: '(direct)' }, [['vendor_journey', 'direct', null, null, null]]],
    [
      'organic',
      { source_type: 'organic', utm_source: 'google', utm_medium: 'organic', referrer: 'https://www.google.com/' },
      [['vendor_journey', 'organic_search', 'google', 'organic', null]],
    ],
    [
      'organic, without the referrer',
      { source_type: 'organic', utm_source: 'bing', utm_medium: 'organic' },
      [['vendor_journey', 'organic_search', 'bing', 'organic', null]],
    ],
    [
      'a payment page as referral',
      {
        source_type: 'referral',
        utm_source: 'paypal.com',
        utm_medium: 'referral',
        referrer: 'https://www.paypal.com/',
      },
      [],
    ],
    ['typed in by somebody of the shop', { source_type: 'admin' }, []],
    ['no order attribution', {}, []],
  ])('%s', (_name, fields, expected) => {
    expect(brief('woocommerce', order(fields))).toEqual(expected)
  })

  test('under another prefix', () => {
    const fields = { source_type: 'utm', utm_source: 'a', utm_medium: 'email' }
    expect(brief('woocommerce', order(fields, 'myshop_attribution_'))).toEqual([
      ['vendor_journey', 'email', 'a', 'email', null],
    ])
  })
})

describe('Stripe and PayPal', () => {
  test('tags in the metadata', () => {
    const metadata = {
      skeldir: 'av1.x.y',
      utm_source: 'news',
      utm_medium: 'email',
      customer_email: 'mira@shop.example',
    }
    expect(brief('stripe', { data: { object: { metadata } } })).toEqual([
      ['landing_page', 'email', 'news', 'email', null],
    ])
  })

  test.each([
    ['stripe', { data: { object: { metadata: { order: '1' } } } }],
    ['stripe', { data: { object: { metadata: null } } }],
    ['paypal', { resource: { custom_id: 'av1.x.y' } }],
  ] as const)('%s without any', (vendor, body) => {
    expect(brief(vendor, body as JsonObject)).toEqual([])
  })
})

test.each([null, 1, 'x', [], {}, { meta_data: 1 }, { meta_data: [null, 1, { key: 1 }] }, { data: [] }])(
  'any body: %j',
  (body) => {
    for (const vendor of ['shopify', 'woocommerce', 'stripe', 'paypal'] as const)
      expect(keepAttribution(vendor, body as JsonValue, { hashClickId })).toEqual([])
  },
)

test.each([null, 'x', [null, 1, {}, { tier: 'visitor_id' }, { tier: 3 }]])(
  'a stored payload that somebody repaired: %j',
  (attribution) => {
    expect(attributionContextOf('shopify', 'orders/create', { attribution } as JsonObject)).toEqual([])
  },
)

test('a long key still gives an id that fits', () => {
  const touches = [
    {
      tier: 'landing_page',
      utm: {},
      macroUnfilled: false,
      clickIds: [],
      referrerHost: null,
      landingPath: null,
      occurredAt: null,
    },
  ] as const
  const orderKey = `woocommerce:${'9'.repeat(128)}`
  const [touch] = toOrderTouches(touches, { orderKey, orderedAt, rules: NO_RULES_OF_ITS_OWN })
  expect(touch?.eventId).toMatch(/^[0-9a-f]{64}:touch0$/)
})

test.each([
  ['/products/boots', '/products/boots'],
  ['/', '/'],
  ['/checkouts/c/abc123', null],
  ['/en/checkouts/x', null],
  ['/12345678/orders/0123456789abcdef/authenticate', null],
  ['/account/reset', null],
  ['/u/mira@shop.example', null],
  ['/s/8f14e45fceea167a5a36/x', '/s/*/x'],
  ['/a/jane%2540mail.de', null],
  ['/a/jane%EF%BC%A0mail.de/x', null],
  ['/hello/Jane%20Doe/x', '/hello/*/x'],
  ['/a/@jane/id=7', '/a/*/*'],
  ['/blog/ten-boots-for-2026', '/blog/ten-boots-for-2026'],
  [`/${'a'.repeat(300)}`, null],
])('the path %s is kept as %s', (path, kept) => {
  expect(toPublicPath(path)).toBe(kept)
})
