import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { createContext } from '../../scripts/contracts/context.ts'
import { GOVERNANCE_FOLDER, type LedgerStates, readMaps } from '../../scripts/contracts/governance/data.ts'
import { canonicalTagsOf } from '../../scripts/contracts/governance/maps.ts'
import { checkGovernance, GOVERNANCE_RULES } from '../../scripts/contracts/governance.ts'
import { operationRules } from '../../scripts/contracts/profile/operations.ts'
import { childOf, contentOf } from '../../scripts/contracts/source.ts'
import { factsOf, type OrderMoney, stateOf } from '../../src/webhooks/ledger/order-state.ts'
import { type JsonObject, parseJson } from '../../src/webhooks/lossless-json.ts'
import { applyFieldMap, type MappedEvent } from '../../src/webhooks/normalize/apply.ts'
import { type CanonicalEvent, toCanonicalEvents } from '../../src/webhooks/normalize/canonical-event.ts'
import { DeadDelivery } from '../../src/webhooks/normalize/dead-delivery.ts'
import { MapFault } from '../../src/webhooks/normalize/transform.ts'
import { readSent } from '../support/readings.ts'
import { referenceData } from '../support/reference-data.ts'
import { shareOf } from '../support/share.ts'

const ROOT = join(import.meta.dirname, '../..')
const CONTRACT = 'api-contracts/openapi/v1'
const TOKEN = 'av1.01JBMXK5N7Q3W8Z2Y4V6T9R0SA.01JBMXKB00HCDEFGHJKMNPQRST'
const VISITOR = '01JBMXK5N7Q3W8Z2Y4V6T9R0SA'

const identityOf = (visitorId: string): string => Buffer.from(visitorId).toString('hex').padEnd(64, '0')

interface Tree {
  [key: string]: unknown
}

function contextOf(root: string) {
  const folder = join(root, CONTRACT)
  return createContext({ root, folder, profile: 'skeldir', isOwn: true, today: '2026-11-21' })
}

interface Found {
  rule: string | undefined
  file: string
  /** The line that is pointed at. */
  text: string
  message: string
}

function findingsIn(root: string): Found[] {
  const ctx = contextOf(root)
  return checkGovernance(ctx).map(({ rule, at, message }) => {
    const { file, line } = 'pointer' in at ? ctx.files.position(at) : at
    const isFile = /\.(?:ya?ml|json)$/.test(file)
    return {
      rule,
      file,
      text: isFile ? (readFileSync(join(root, file), 'utf8').split('\n')[line - 1] ?? '') : '',
      message,
    }
  })
}

function edited(edits: readonly Edit[]): Found[] {
  const root = mkdtempSync(join(tmpdir(), 'skeldir governance '))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  cpSync(join(ROOT, 'api-contracts'), join(root, 'api-contracts'), { recursive: true })
  for (const [name, from, to] of edits) {
    const file = join(root, 'api-contracts', name)
    const text = readFileSync(file, 'utf8')
    if (!text.includes(from)) throw new Error(`${name} does not have ${from}`)
    writeFileSync(
      file,
      text.replace(from, () => to),
    )
  }
  return findingsIn(root)
}

type Edit = [file: string, from: string, to: string]

const untouched = findingsIn(ROOT)

test('the data hold for the contract', () => {
  expect(untouched).toEqual([])
})

test('the owners are those that lint knows', () => {
  const owner = operationRules.find(({ id }) => id === 'lint/owner')
  const { owners } = parse(readFileSync(join(GOVERNANCE_FOLDER, 'owners.yaml'), 'utf8'))
  for (const name of Object.keys(owners)) expect(owner?.description).toContain(name)
  expect(owner?.description.split(',')).toHaveLength(Object.keys(owners).length)
})

describe('a fault is found where it is', () => {
  const STRIPE = 'governance/field-maps/stripe.yaml'
  const WOOCOMMERCE = 'governance/field-maps/woocommerce.yaml'
  const SHOPIFY = 'governance/field-maps/shopify.yaml'
  const WOO = 'governance/field-maps/woocommerce.yaml'
  const PAYPAL = 'governance/field-maps/paypal.yaml'
  const V1 = 'openapi/v1'
  const amount = '[/data/object/amount_captured, /data/object/amount]'
  const currency = 'currency: { from: /data/object/currency, transform: [upper, currency_code] }'

  const cases: [name: string, rule: string, at: string, ...edits: Edit[]][] = [
    [
      'a member that the schema does not know',
      'data',
      'teem',
      ['governance/owners.yaml', 'team: Revenue ledger', 'teem: Revenue ledger'],
    ],
    ['a file that is no YAML', 'data', '', ['governance/coverage.yaml', 'vendors:', 'vendors: [']],
    [
      'a waiver without a reason',
      'data',
      'order_cancelled',
      [
        'governance/coverage.yaml',
        'none: PayPal sends no event when a buyer or merchant drops an order before it is captured.',
        'none: No.',
      ],
    ],
    [
      'an event that is neither mapped nor ignored',
      'map',
      'ShopifyDelivery:',
      [SHOPIFY, '  checkouts/create: { schema: ShopifyCheckoutsCreateEvent, reason: A checkout is no order. }\n', ''],
    ],
    ['an event under another name', 'map', 'charge.caught:', [STRIPE, '  charge.captured:', '  charge.caught:']],
    [
      'a schema that the contract does not have',
      'map',
      'schema: StripeChargeWonEvent',
      [STRIPE, 'schema: StripeChargeCapturedEvent', 'schema: StripeChargeWonEvent'],
    ],
    [
      'a document that the contract does not have',
      'map',
      'document: webhooks/strype',
      [STRIPE, 'document: webhooks/stripe', 'document: webhooks/strype'],
    ],
    [
      'an unknown security scheme',
      'signature',
      'scheme: stripeSignet',
      [STRIPE, 'scheme: stripeSignature', 'scheme: stripeSignet'],
    ],
    [
      'another header than the scheme has',
      'signature',
      'headers: [Stripe-Signet]',
      [STRIPE, 'headers: [Stripe-Signature]', 'headers: [Stripe-Signet]'],
    ],
    [
      'a vendor operation without a signature',
      'signature',
      'post:',
      [`${V1}/webhooks/stripe.yaml`, 'security:\n        - stripeSignature: []', 'security:\n        - tenantKey: []'],
    ],
    [
      'a path that the vendor does not have',
      'path',
      '/data/object/sum',
      [STRIPE, amount, '[/data/object/amount_captured, /data/object/sum]'],
    ],
    [
      'a path that the contract has lost',
      'path',
      'amount_received',
      [`${V1}/webhooks/stripe.yaml`, 'amount_received: { $ref', 'amount_taken: { $ref'],
    ],
    [
      'a path in a key',
      'path',
      'stripe:dispute:{/data/object/number}',
      [STRIPE, 'stripe:dispute:{/data/object/id}', 'stripe:dispute:{/data/object/number}'],
    ],
    [
      'a path in a condition',
      'path',
      '/data/object/caught',
      [STRIPE, 'when: [{ from: /data/object/captured,', 'when: [{ from: /data/object/caught,'],
    ],
    [
      'a path of what was authorised',
      'path',
      'released',
      [STRIPE, 'authorised: /data/object/amount,', 'authorised: /data/object/authorised,'],
    ],
    [
      'a filter that the items cannot pass',
      'path',
      '[sort=refund',
      [
        SHOPIFY,
        "from: '/transactions/[kind=refund,status=success]'\n            explained_by",
        "from: '/transactions/[sort=refund,status=success]'\n            explained_by",
      ],
    ],
    ['an object that cannot be so', 'path', '[sort=reversed]', [PAYPAL, '[state=reversed]', '[sort=reversed]']],
    ['what is owed elsewhere', 'path', 'owed: /owed', [SHOPIFY, 'owed: /total_outstanding', 'owed: /owed']],
    [
      'an explanation that is nowhere',
      'path',
      'amount_sets',
      [SHOPIFY, "less: ['/order_adjustments/*/amount_set'", "less: ['/order_adjustments/*/amount_sets'"],
    ],
    [
      'a transform without what it needs',
      'type',
      'returned',
      [
        SHOPIFY,
        "explained_by:\n              plus: ['/refund_line_items/*/subtotal_set', '/refund_line_items/*/total_tax_set', /total_duties_set]\n              less: ['/order_adjustments/*/amount_set', '/order_adjustments/*/tax_amount_set']\n            ",
        '',
      ],
    ],
    ['a list that is none', 'path', 'for_each: /status', [WOO, 'for_each: /refunds', 'for_each: /status']],
    [
      'a header that no operation has',
      'path',
      'X-Shopify-Subject',
      [SHOPIFY, "event_name: { from: 'header:X-Shopify-Topic' }", "event_name: { from: 'header:X-Shopify-Subject' }"],
    ],
    [
      'a delivery key that is not there',
      'path',
      '/number',
      [STRIPE, "of: ['@endpoint', /id]", "of: ['@endpoint', /number]"],
    ],
    [
      'an unknown canonical event',
      'event',
      'event: payment_taken',
      [STRIPE, 'event: payment_captured', 'event: payment_taken'],
    ],
    [
      'a required field that is not mapped',
      'field',
      'fields:',
      [STRIPE, `          ${currency}\n          visitor_id`, '          visitor_id'],
    ],
    [
      'parts without what an order costs',
      'field',
      'fields:',
      [WOO, 'total_minor: { from: /total, transform: [decimal_major] }\n          tax_minor', 'tax_minor'],
    ],
    [
      'a part that there is not',
      'field',
      'gift_minor',
      [WOO, 'tax_minor: { from: /total_tax', 'gift_minor: { from: /total_tax'],
    ],
    [
      'a part where the vendor has none',
      'path',
      '/shipping_sum',
      [WOO, 'shipping_minor: { from: /shipping_total', 'shipping_minor: { from: /shipping_sum'],
    ],
    [
      'what is taken off, where the vendor has none',
      'path',
      '/shipping_lines/*/duty',
      [SHOPIFY, '/shipping_lines/*/tax_lines/*/price', '/shipping_lines/*/duty'],
    ],
    [
      'a rest of which nothing is taken off',
      'type',
      'decimal_rest',
      [SHOPIFY, "less: ['/shipping_lines/*/tax_lines/*/price']", ''],
    ],
    [
      'a condition of parts on what the vendor does not have',
      'path',
      '/tax_total',
      [WOO, '{ from: /total_tax, present', '{ from: /tax_total, present'],
    ],
    ['an event that gives nothing, and no parts', 'data', 'refund.updated:', [STRIPE, 'gives: *refund', 'gives: []']],
    [
      'a field that the event does not have',
      'field',
      'colour:',
      [
        STRIPE,
        `          ${currency}`,
        `          ${currency}\n          colour: { value: red, transform: [constant] }`,
      ],
    ],
    [
      'a key that is the same for every event',
      'field',
      "template: 'capture'",
      [STRIPE, "template: '{order_key}:capture'", "template: 'capture'"],
    ],
    [
      'a key out of a field that is not there',
      'field',
      '{refund_key}',
      [STRIPE, "template: '{order_key}:capture'", "template: '{refund_key}:capture'"],
    ],
    [
      'a required field that the vendor may leave out',
      'optional',
      'amount_minor:',
      [STRIPE, 'transform: [stripe_minor], on_missing: dead', 'transform: [stripe_minor]'],
    ],
    [
      'a field that the contract has made optional',
      'optional',
      'amount_minor:',
      [
        `${V1}/webhooks/stripe.yaml`,
        'required: [id, object, amount, amount_received, created, currency]',
        'required: [id, object, amount, created, currency]',
      ],
    ],
    [
      'a transform that does not exist',
      'type',
      'stripe_major',
      [
        STRIPE,
        `amount_minor: { from: ${amount}, transform: [stripe_minor] }`,
        `amount_minor: { from: ${amount}, transform: [stripe_major] }`,
      ],
    ],
    [
      'a decimal text where the vendor sends integers',
      'type',
      'decimal_major',
      [
        STRIPE,
        `amount_minor: { from: ${amount}, transform: [stripe_minor] }`,
        `amount_minor: { from: ${amount}, transform: [decimal_major] }`,
      ],
    ],
    [
      'a time where an amount is meant',
      'type',
      'amount_minor:',
      [
        STRIPE,
        `amount_minor: { from: ${amount}, transform: [stripe_minor] }`,
        `amount_minor: { from: ${amount}, transform: [unix_seconds] }`,
      ],
    ],
    [
      'a difference without its parameter',
      'type',
      'less_released',
      [
        STRIPE,
        'released: { authorised: /data/object/amount, captured: /data/object/amount_captured }',
        'skip_invalid: true',
      ],
    ],
    [
      'a condition of what counts, of a path that is not there',
      'path',
      '/data/object/caught',
      [STRIPE, 'counts_when: [{ from: /data/object/captured,', 'counts_when: [{ from: /data/object/caught,'],
    ],
    [
      'a sum of a list that has no key',
      'field',
      'list',
      [STRIPE, '          list_key: { from: /data/object/id, transform: [text_id, order_key] }\n', ''],
    ],
    [
      'a whole list without items',
      'field',
      'list',
      [WOOCOMMERCE, 'for_each: /refunds\n        list: whole', 'list: whole'],
    ],
    [
      'an outcome that there is none',
      'type',
      'lost: gone',
      [STRIPE, 'table: { won: won, lost: lost,', 'table: { won: won, lost: gone,'],
    ],
    [
      'a condition that can never hold',
      'type',
      "in: ['yes']",
      [
        STRIPE,
        'when: [{ from: /data/object/captured, in: [true] }]',
        "when: [{ from: /data/object/captured, in: ['yes'] }]",
      ],
    ],
    [
      'a transform that no program does',
      'transform',
      'round:',
      [
        'governance/transforms.yaml',
        'transforms:\n',
        'transforms:\n  round: { takes: [string], gives: string, meaning: To the nearest. }\n',
      ],
    ],
    [
      'a hole in the matrix',
      'coverage',
      'paypal:',
      ['governance/coverage.yaml', '    dispute_closed: { from: [CUSTOMER.DISPUTE.RESOLVED] }\n', ''],
    ],
    [
      'a source that the map does not have',
      'coverage',
      'orders/updated',
      [
        'governance/coverage.yaml',
        'order_cancelled: { from: [orders/cancelled] }',
        'order_cancelled: { from: [orders/cancelled, orders/updated] }',
      ],
    ],
    [
      'a source that the matrix does not have',
      'coverage',
      'payment_disputed:',
      ['governance/coverage.yaml', 'from: [disputes/create, disputes/update] }', 'from: [disputes/create] }'],
    ],
    [
      'an unknown event in the matrix',
      'coverage',
      'order_lost:',
      ['governance/coverage.yaml', '  shopify:\n', '  shopify:\n    order_lost: { from: [orders/cancelled] }\n'],
    ],
    [
      'an operation with an unknown event',
      'operation',
      'payment_catched',
      [`${V1}/webhooks/shopify.yaml`, 'x-canonical-event: payment_captured', 'x-canonical-event: payment_catched'],
    ],
    [
      'an operation with another event',
      'operation',
      'x-canonical-event: order_cancelled',
      [`${V1}/webhooks/shopify.yaml`, 'x-canonical-event: order_created', 'x-canonical-event: order_cancelled'],
    ],
    [
      'an operation without its event',
      'operation',
      'post:',
      [`${V1}/webhooks/shopify.yaml`, '      x-canonical-event: payment_refunded\n', ''],
    ],
    [
      'a receiver that leaves one out',
      'operation',
      'x-canonical-events',
      [
        `${V1}/webhooks/woocommerce.yaml`,
        '[order_created, payment_captured, payment_refunded, order_cancelled]',
        '[order_created, payment_captured, payment_refunded]',
      ],
    ],
    [
      'an event outside the webhooks',
      'operation',
      'x-canonical-event: order_created',
      [
        `${V1}/events.yaml`,
        '      x-owner: ingestion\n',
        '      x-owner: ingestion\n      x-canonical-event: order_created\n',
      ],
    ],
    [
      'an unknown invariant',
      'invariant',
      'x-invariant: money_major',
      [
        `${V1}/_common/schemas.yaml`,
        '          x-invariant: money_minor\n          description: Amount in minor units of the currency; negative',
        '          x-invariant: money_major\n          description: Amount in minor units of the currency; negative',
      ],
    ],
    [
      'a tagged schema of another form',
      'invariant',
      'x-invariant: sha256',
      [`${V1}/_common/schemas.yaml`, "pattern: '^[0-9a-f]{64}$'", "pattern: '^[0-9a-fA-F]{64}$'"],
    ],
    [
      'a tagged schema with wider bounds',
      'invariant',
      'x-invariant: micro_usd',
      [
        `${V1}/_common/schemas.yaml`,
        'x-invariant: micro_usd\n      description: Millionths of a US dollar.\n      minimum: 0',
        'x-invariant: micro_usd\n      description: Millionths of a US dollar.\n      minimum: -1',
      ],
    ],
    [
      'a value outside the vocabulary',
      'invariant',
      'x-invariant: vendor',
      [
        `${V1}/_common/schemas.yaml`,
        'enum: [shopify, stripe, paypal, woocommerce]',
        'enum: [shopify, stripe, paypal, woocommerce, magento]',
      ],
    ],
    [
      'an untagged schema of a governed form',
      'invariant-tag',
      'window_end:',
      [
        `${V1}/_common/schemas.yaml`,
        'window_end: { type: string, format: date-time, x-invariant: date_time_utc,',
        'window_end: { type: string, format: date-time,',
      ],
    ],
    [
      'an invariant that nothing uses',
      'invariant-unused',
      'phone:',
      [
        'governance/invariants.yaml',
        '  slug:',
        '  phone: { meaning: A number to call., demands: { type: string } }\n  slug:',
      ],
    ],
    [
      'a waiver that nothing needs',
      'invariant-unused',
      'Touchpoint/properties/seen_at',
      [
        'governance/invariants.yaml',
        '#/components/schemas/Touchpoint/properties/occurred_at',
        '#/components/schemas/Touchpoint/properties/seen_at',
      ],
    ],
    [
      "another domain's owner",
      'owner',
      'x-owner: revenue',
      [`${V1}/health.yaml`, 'x-owner: platform', 'x-owner: revenue'],
    ],
    [
      'a domain of two owners',
      'owner',
      'domains: [export]',
      ['governance/owners.yaml', 'domains: [revenue, reconciliation]', 'domains: [revenue, reconciliation, export]'],
    ],
    [
      'a domain of nobody',
      'owner',
      'jobs: {',
      ['governance/owners.yaml', 'domains: [health, jobs, errors, platforms]', 'domains: [health, errors, platforms]'],
    ],
    [
      'a document in no domain',
      'owner',
      'openapi: 3.1',
      [
        'governance/owners.yaml',
        '[llm-budget, llm-explanations, llm-investigations]',
        '[llm-budget, llm-investigations]',
      ],
    ],
    [
      'a state that no event leads to',
      'state',
      'cancelled:',
      ['governance/ledger-states.yaml', '  - { from: unpaid, event: order_cancelled, to: [cancelled] }\n', ''],
      [
        'governance/ledger-states.yaml',
        'to: [unpaid, cancelled, partially_refunded',
        'to: [unpaid, partially_refunded',
      ],
    ],
    [
      'a dead end',
      'state',
      'dispute_won:',
      [
        'governance/ledger-states.yaml',
        `  - { from: dispute_won, event: payment_refunded, to: [partially_refunded, refunded, over_refunded] }
  - { from: dispute_won, event: payment_disputed, to: [disputed] }
  - { from: dispute_won, event: dispute_closed, to: [dispute_lost] }
`,
        '',
      ],
    ],
    [
      'a state that never holds',
      'state',
      'captured:',
      [
        'governance/ledger-states.yaml',
        'dispute_won: { when: { disputes: [won], captured: [some] }',
        'dispute_won: { when: { captured: [some] }',
      ],
    ],
    [
      'a transition by an unknown event',
      'state',
      'event: order_expired',
      [
        'governance/ledger-states.yaml',
        '{ from: unpaid, event: order_cancelled',
        '{ from: unpaid, event: order_expired',
      ],
    ],
    [
      'an effect without a sign',
      'state',
      'effect: { kind: refund',
      ['governance/canonical-events.yaml', 'effect: { kind: refund, sign: -1 }', 'effect: { kind: refund, sign: 0 }'],
    ],
    [
      'a policy that the contract contradicts',
      'policy',
      'limit_maximum',
      [
        `${V1}/_common/parameters.yaml`,
        'minimum: 1, maximum: 100, default: 20',
        'minimum: 1, maximum: 200, default: 20',
      ],
    ],
    [
      'a policy that a field map contradicts',
      'policy',
      'stripe_tolerance_s',
      [STRIPE, 'tolerance_s: 300', 'tolerance_s: 3000'],
    ],
  ]

  test.each(shareOf(cases, 16, 'faults of governance'))('%s', (_name, rule, at, ...edits) => {
    const before = new Set(untouched.map((found) => JSON.stringify(found)))
    const found = edited(edits).filter((each) => !before.has(JSON.stringify(each)))
    expect(found.map((each) => each.rule)).toContain(`governance/${rule}`)
    expect(
      found
        .filter((each) => each.rule === `governance/${rule}`)
        .map(({ text }) => text)
        .join('\n'),
    ).toContain(at)
  })

  test('every rule has such a case', () => {
    expect(Object.keys(GOVERNANCE_RULES).filter((rule) => !cases.some((each) => each[1] === rule))).toEqual([])
  })
})

type Said = Pick<
  CanonicalEvent,
  | 'type'
  | 'orderKey'
  | 'entryKey'
  | 'listKey'
  | 'list'
  | 'amountMinor'
  | 'counts'
  | 'currency'
  | 'occurredAt'
  | 'prevails'
  | 'identity'
>

/** What is said by what is stored of a delivery. */
function byStored(vendor: 'stripe' | 'shopify', rawBody: Buffer, headers: Record<string, string>): Said[] | 'dead' {
  try {
    const { topic, payload } = readSent(vendor, rawBody, { headers, identityOf })
    return toCanonicalEvents({ vendor, topic, payload }).map(
      ({ sameAs: _same, versionAt: _version, disputeKey: _dispute, outcome: _outcome, ...said }) => said,
    )
  } catch (error) {
    if (error instanceof DeadDelivery) return 'dead'
    throw error
  }
}

/** What is said by the delivery itself. */
function byMap(vendor: string, event: string, rawBody: Buffer, headers: Record<string, string>): Said[] | 'dead' {
  try {
    return applyFieldMap(vendor, event, parseJson(rawBody) as JsonObject, headers).map(
      ({ event: type, list, counts, prevails, fields }) =>
        ({
          type,
          list,
          counts,
          prevails,
          listKey: fields.list_key ?? null,
          orderKey: fields.order_key,
          entryKey: fields.entry_key ?? null,
          amountMinor: fields.amount_minor ?? null,
          currency: fields.currency ?? null,
          occurredAt: fields.occurred_at,
          identity: typeof fields.visitor_id === 'string' ? identityOf(fields.visitor_id) : null,
        }) as Said,
    )
  } catch (error) {
    if (error instanceof MapFault) return 'dead'
    throw error
  }
}

describe('what is stored says what was sent', () => {
  const fixture = (file: string) => readFileSync(join(ROOT, 'test/fixtures', `${file}.json`), 'utf8')
  const shopifyHeaders = (topic: string) => ({ 'x-shopify-topic': topic, 'x-shopify-webhook-id': 'b54557e4' })
  const set = (path: string, json: string) => (text: string) => {
    const body = parseJson(Buffer.from(text)) as Tree
    const keys = path.split('/').slice(1)
    const parent = keys.slice(0, -1).reduce((node, key) => node[key] as Tree, body)
    parent[keys.at(-1) ?? ''] = JSON.parse(json)
    return JSON.stringify(body)
  }
  const same = (text: string) => text

  const stripe: [name: string, change: (text: string) => string][] = [
    ['as it is', same],
    ['of a charge alone', set('/data/object/payment_intent', 'null')],
    ['in JPY', set('/data/object/currency', '"jpy"')],
    ['in UGX', set('/data/object/currency', '"ugx"')],
    ['in MGA', set('/data/object/currency', '"mga"')],
    ['in a currency that nobody knows', set('/data/object/currency', '"zzz"')],
    ['without a token', set('/data/object/metadata', '{}')],
    ['with a token of another kind', set('/data/object/metadata', '{"skeldir":"av2.x.y"}')],
    ['without metadata', set('/data/object/metadata', 'null')],
    ['not captured', set('/data/object/captured', 'false')],
    ['captured in part', set('/data/object/amount_captured', '1000')],
    ['of an old API version', set('/data/object/amount_captured', 'null')],
    ['of nothing', set('/data/object/amount_captured', '0')],
    ['that did not succeed', set('/data/object/status', '"failed"')],
    ['without a state', set('/data/object/status', 'null')],
    ['of an intent of another alphabet', set('/data/object/payment_intent', '"pi_Ω"')],
    ['received in part', set('/data/object/amount_received', '77')],
    ['refunded once more', set('/data/object/amount_refunded', '4850')],
    ['refunded less than before', set('/data/object/amount_refunded', '500')],
    ['without the former amount', set('/data/previous_attributes', '{}')],
    ['of a time as text', set('/created', '"2026-11-05"')],
  ]
  const stripeEvents = ['charge.succeeded', 'payment_intent.succeeded', 'charge.refunded']
  const pairs = stripeEvents.flatMap((event) => stripe.map(([name, change]) => [event, name, change] as const))

  test.each(pairs)('Stripe: %s %s', (event, _name, change) => {
    const rawBody = Buffer.from(change(fixture(`stripe/${event}`)))
    expect(byStored('stripe', rawBody, {})).toEqual(byMap('stripe', event, rawBody, {}))
  })

  const shopify: [topic: string, name: string, change: (text: string) => string][] = [
    ['orders/paid', 'as it is', same],
    ['orders/create', 'as it is', same],
    ['refunds/create', 'as it is', same],
    ['orders/paid', 'voided', set('/financial_status', '"voided"')],
    ['orders/paid', 'cancelled', set('/cancelled_at', '"2026-11-05T10:00:00Z"')],
    ['orders/paid', 'refunded since', set('/financial_status', '"refunded"')],
    ['orders/paid', 'without a state', set('/financial_status', 'null')],
    ['orders/paid', 'pending', set('/financial_status', '"pending"')],
    ['orders/paid', 'free', set('/total_price', '"0.00"')],
    ['orders/paid', 'with parts of a cent', set('/total_price', '"1.005"')],
    ['orders/paid', 'below 0', set('/total_price', '"-1.00"')],
    ['orders/paid', 'edited since', set('/current_total_price', '"1.00"')],
    ['orders/paid', 'a test', set('/test', 'true')],
    ['orders/paid', 'in JPY', set('/currency', '"JPY"')],
    ['orders/paid', 'imported on 31 April', set('/processed_at', '"2026-04-31T10:00:00Z"')],
    ['orders/create', 'not imported', set('/processed_at', 'null')],
    ['orders/create', 'without attributes', set('/note_attributes', '[]')],
    [
      'orders/create',
      'with two attributes of our name',
      set('/note_attributes', `[{"name":"skeldir","value":"x"},{"name":"skeldir","value":"${TOKEN}"}]`),
    ],
    ['refunds/create', 'of nothing', set('/transactions', '[]')],
    ['refunds/create', 'in two currencies', (text) => text.replace('"currency":"EUR"', '"currency":"USD"')],
    ['refunds/create', 'that failed', (text) => text.replaceAll('"status":"success"', '"status":"failure"')],
    ['refunds/create', 'with a test transaction', (text) => text.replace('"test":false', '"test":true')],
    ['refunds/create', 'below 0', (text) => text.replace('"9.65"', '"-9.65"')],
  ]
  test.each(shopify)('Shopify: %s %s', (topic, _name, change) => {
    const rawBody = Buffer.from(
      change(fixture(`shopify/${topic === 'orders/create' ? 'orders.paid' : topic.replace('/', '.')}`)),
    )
    const headers = shopifyHeaders(topic)
    expect(byStored('shopify', rawBody, headers)).toEqual(byMap('shopify', topic, rawBody, headers))
  })

  test('an order of Shopify, read by hand', () => {
    const rawBody = Buffer.from(fixture('shopify/orders.paid'))
    const events = applyFieldMap(
      'shopify',
      'orders/paid',
      parseJson(rawBody) as JsonObject,
      shopifyHeaders('orders/paid'),
    )
    expect(events).toEqual([
      {
        event: 'payment_captured',
        vendor: 'shopify',
        sourceEvent: 'orders/paid',
        isTest: false,
        versionAt: new Date('2026-11-05T09:15:44Z'),
        list: null,
        counts: true,
        prevails: false,
        fields: {
          order_key: 'shopify:7205759403792794001',
          entry_key: 'shopify:7205759403792794001:capture',
          amount_minor: 19965n,
          currency: 'EUR',
          occurred_at: new Date('2026-11-05T09:15:40Z'),
        },
      },
      expect.objectContaining({
        event: 'order_created',
        fields: {
          order_key: 'shopify:7205759403792794001',
          currency: 'EUR',
          occurred_at: new Date('2026-11-05T09:15:40Z'),
          visitor_id: VISITOR,
        },
      }),
    ])
  })
})

describe('the examples of the contract', () => {
  const ctx = contextOf(ROOT)
  const maps = readMaps()
  const examples = ctx
    .source()
    .operations.filter(({ isVendor, requestBody }) => isVendor && requestBody !== null)
    .flatMap((operation) => {
      const map = Object.values(maps.vendors).find(({ document }) => document === operation.document.name)
      if (map === undefined || operation.requestBody === null) return []
      return contentOf(operation.requestBody)
        .filter(({ mediaType }) => mediaType === 'application/json')
        .flatMap((media) =>
          Object.entries(childOf(media, 'examples')?.value ?? {}).map(([name, example]) => ({
            id: operation.id,
            name,
            vendor: map.vendor,
            tags: canonicalTagsOf(operation)?.names ?? [],
            schema: childOf(media, 'schema')?.value.$ref,
            body: (example as { value: JsonObject }).value,
            map,
          })),
        )
    })

  test('are there, of all vendors', () => {
    expect(new Set(examples.map(({ vendor }) => vendor))).toEqual(new Set(Object.keys(maps.vendors)))
    expect(examples.length).toBeGreaterThanOrEqual(15)
  })

  /** The event that an example is of: as it says itself, as the operation's schema says, or as the example is named. */
  function eventOf({ vendor, body, schema, name, map }: (typeof examples)[number]): string {
    const named = vendor === 'stripe' ? body.type : vendor === 'paypal' ? body.event_type : undefined
    if (typeof named === 'string') return named
    const all = { ...map.events, ...map.ignored }
    const own = Object.entries(all).find(([, event]) => String(schema).endsWith(`/${event.schema}`))?.[0]
    return (
      own ??
      Object.keys(all).find((event) => event.replace(/\W/g, '_').replace('s_', '_') === name.replace('s_', '_')) ??
      name
    )
  }

  test.each(examples)('$id: $name', (example) => {
    const event = eventOf(example)
    expect(Object.keys({ ...example.map.events, ...example.map.ignored })).toContain(event)
    const given = applyFieldMap(
      example.vendor,
      event,
      parseJson(Buffer.from(JSON.stringify(example.body))) as JsonObject,
    )
    if (Object.hasOwn(example.map.ignored, event) || example.tags.length === 0) expect(given).toEqual([])
    else expect(given.map((each) => each.event).filter((name) => example.tags.includes(name))).not.toEqual([])
  })
})

describe('the maps, read by hand', () => {
  const read = (vendor: string, event: string, body: object) =>
    applyFieldMap(vendor, event, parseJson(Buffer.from(JSON.stringify(body))) as JsonObject).map(
      ({ event: name, fields }) => ({ name, ...fields }),
    )
  const order = {
    id: 1042,
    status: 'completed',
    currency: 'USD',
    total: '132.00',
    date_created_gmt: '2026-11-19T16:42:10',
    date_modified_gmt: '2026-11-20T08:00:00',
    date_paid_gmt: '2026-11-19T16:42:15',
    refunds: [
      { id: 7, total: '-10.00' },
      { id: 8, total: '-9.50' },
    ],
  }

  test('each refund of a WooCommerce order is an event', () => {
    const refunds = read('woocommerce', 'order.updated', order).filter(({ name }) => name === 'payment_refunded')
    // The last one says that these are all.
    expect(refunds.at(-1)).toMatchObject({ list_key: 'woocommerce:1042', entry_key: 'woocommerce:1042' })
    expect(refunds.slice(0, -1)).toMatchObject([
      { entry_key: 'woocommerce:1042:refund:7', amount_minor: 1000n, order_key: 'woocommerce:1042' },
      { entry_key: 'woocommerce:1042:refund:8', amount_minor: 950n, order_key: 'woocommerce:1042' },
    ])
  })

  test.each([
    ['processing', null, 0],
    ['processing', '2026-11-19T16:42:15', 1],
    ['completed', null, 1],
    ['cancelled', null, 0],
  ])('a WooCommerce order that is %s, paid at %s', (status, paidAt, captures) => {
    const events = applyFieldMap('woocommerce', 'order.updated', { ...order, status, date_paid_gmt: paidAt })
    expect(events.filter(({ event, counts }) => event === 'payment_captured' && counts)).toHaveLength(captures)
  })

  test('the sign of a PayPal refund does not matter, and version 2 names its capture in a link', () => {
    const up = { href: 'https://api.paypal.com/v2/payments/captures/3CA00000AA000001A', rel: 'up' }
    for (const value of ['32.00', '-32.00']) {
      const resource = {
        id: '4RE1',
        amount: { currency_code: 'USD', value },
        status: 'COMPLETED',
        create_time: '2026-11-20T06:01:27-08:00',
        links: [{ href: 'https://x/self', rel: 'self' }, up],
      }
      expect(
        read('paypal', 'PAYMENT.CAPTURE.REFUNDED', { id: 'WH-1', event_type: 'PAYMENT.CAPTURE.REFUNDED', resource }),
      ).toEqual([
        {
          name: 'payment_refunded',
          order_key: 'paypal:3CA00000AA000001A',
          entry_key: 'paypal:refund:4RE1',
          list_key: 'paypal:3CA00000AA000001A',
          amount_minor: 3200n,
          currency: 'USD',
          occurred_at: new Date('2026-11-20T14:01:27Z'),
        },
      ])
    }
  })

  test("an impossible date of PayPal's simulator is passed over", () => {
    const resource = {
      id: 'CA1',
      amount: { currency: 'USD', total: '1.00' },
      update_time: '2018-19-12T00:00:00Z',
      create_time: '2018-12-19T00:00:00Z',
    }
    const [capture] = read('paypal', 'PAYMENT.SALE.COMPLETED', { id: 'WH-1', resource })
    expect(capture).toMatchObject({ name: 'payment_captured', occurred_at: new Date('2018-12-19T00:00:00Z') })
  })

  test('a dispute that is won gives its key back', () => {
    const object = {
      id: 'dp_1',
      object: 'dispute',
      amount: 4850,
      charge: 'ch_1',
      payment_intent: 'pi_1',
      created: 1793880000,
      currency: 'usd',
    }
    const of = (type: string, status: string) =>
      read('stripe', type, { type, created: 1793990000, livemode: true, data: { object: { ...object, status } } })
    const [opened] = of('charge.dispute.created', 'needs_response')
    const [closed] = of('charge.dispute.closed', 'won')
    expect(opened).toMatchObject({ name: 'payment_disputed', amount_minor: 4850n, entry_key: 'stripe:dispute:dp_1' })
    expect(closed).toMatchObject({ name: 'dispute_closed', outcome: 'won', dispute_key: 'stripe:dispute:dp_1' })
    expect(of('charge.dispute.created', 'warning_needs_response')).toEqual([])
    expect(of('charge.dispute.closed', 'warning_closed')).toEqual([])
  })

  test('the four Stripe events of one payment share one key', () => {
    const at = { created: 1793880000, livemode: true }
    const captures = [
      read('stripe', 'charge.succeeded', {
        ...at,
        data: {
          object: {
            id: 'ch_1',
            payment_intent: 'pi_1',
            amount: 500,
            amount_captured: 500,
            captured: true,
            created: 1793880000,
            currency: 'eur',
          },
        },
      }),
      read('stripe', 'payment_intent.succeeded', {
        ...at,
        data: { object: { id: 'pi_1', amount_received: 500, created: 1793880000, currency: 'eur' } },
      }),
      read('stripe', 'checkout.session.completed', {
        ...at,
        data: {
          object: {
            id: 'cs_1',
            mode: 'payment',
            payment_status: 'paid',
            payment_intent: 'pi_1',
            amount_total: 500,
            currency: 'eur',
          },
        },
      }),
      read('stripe', 'invoice_payment.paid', {
        ...at,
        data: { object: { id: 'inpay_1', payment: { payment_intent: 'pi_1' }, amount_paid: 500, currency: 'eur' } },
      }),
    ].map((events) => events.find(({ name }) => name === 'payment_captured'))
    for (const capture of captures)
      expect(capture).toMatchObject({ entry_key: 'stripe:pi_1:capture', amount_minor: 500n, currency: 'EUR' })
  })

  test('an event that nobody knows is refused', () => {
    expect(() => applyFieldMap('stripe', 'toString', {})).toThrow(MapFault)
    expect(() => applyFieldMap('magento', 'order', {})).toThrow(MapFault)
    expect(applyFieldMap('stripe', 'checkout.session.async_payment_failed', {})).toEqual([])
  })
})

interface Recording {
  file: string
  vendor: string
  topic: string
  headers?: string
  facts: Record<string, string | string[] | boolean | null>
}

describe.skipIf(referenceData() === null)('recorded deliveries', () => {
  const folder = join(referenceData() ?? '', 'fixtures', 'webhooks')
  const load = (file: string): Buffer => readFileSync(join(folder, file))
  const recordings: Recording[] =
    referenceData() === null
      ? []
      : (JSON.parse(load('index.json').toString()) as Recording[]).filter(({ file }) => file.endsWith('.json'))
  const { vendors: fieldMaps } = readMaps()

  function eventsOf({ file, vendor, topic, headers }: Recording): MappedEvent[] {
    const sent = headers === undefined ? {} : JSON.parse(load(headers).toString())
    return applyFieldMap(vendor, topic, parseJson(load(file)) as JsonObject, sent)
  }

  /** Of the recorded amount text or integer, by the vendor's own unit; all of the recordings are in currencies of two decimals. */
  const toMinor = (vendor: string, amount: string): bigint =>
    vendor === 'stripe' ? BigInt(amount) : BigInt(amount.replace('-', '').replace('.', ''))

  const NO_MONEY = new Map<string, string>([
    ['shopify/orders.create.json', 'order_created'],
    ['shopify/orders.paid.json', 'order_created'],
    ['shopify/orders.updated.json', 'order_created'],
    ['shopify/orders.cancelled.json', 'order_cancelled'],
    ['shopify/order_transactions.create.json', 'order_created'],
  ])
  const NOTHING = [
    'shopify/refunds.create.json', // lines of 398.00, and no transactions
    'stripe/checkout.session.completed.json', // a trial of a subscription
    'stripe/invoice.paid.json', // of 0
    'stripe/charge.dispute.created.json', // an inquiry
  ]
  const DEAD = new Map<string, string>([
    ['stripe/charge.dispute.closed.json', 'the dispute has no id'],
    ['paypal/PAYMENT.SALE.REVERSED.v1.json', 'nothing names the sale'],
  ])

  test.each(recordings)('$file', (recording) => {
    const { file, vendor, topic, facts } = recording
    const map = fieldMaps[vendor]
    if (map === undefined || !Object.hasOwn({ ...map.events, ...map.ignored }, topic)) {
      expect(() => eventsOf(recording)).toThrow(MapFault)
      return
    }
    if (DEAD.has(file)) {
      expect(() => eventsOf(recording)).toThrow(MapFault)
      return
    }
    const events = eventsOf(recording)
    if (Object.hasOwn(map.ignored, topic) || NOTHING.includes(file)) {
      expect(events).toEqual([])
      return
    }
    expect(events.length).toBeGreaterThan(0)
    const only = NO_MONEY.get(file)
    if (only !== undefined) {
      expect(events).toMatchObject([
        { event: only, isTest: true, fields: { order_key: `shopify:${String(facts.order_id ?? facts.id)}` } },
      ])
      return
    }
    const money = events.filter(({ list, fields }) => list !== 'whole' && fields.amount_minor !== undefined)
    expect(money.length).toBeGreaterThan(0)
    for (const { event, fields } of money) {
      if (event === 'payment_refunded' && Array.isArray(facts.refunds)) continue
      const stated =
        facts.amount_received ??
        facts.amount_captured ??
        facts.amount_paid ??
        facts.amount_total ??
        facts.total ??
        facts.amount
      const amount =
        event === 'payment_refunded' && facts.amount_refunded !== undefined ? facts.amount_refunded : stated
      if (typeof amount === 'string') expect(fields.amount_minor).toBe(toMinor(vendor, amount))
      else expect(topic).toBe('CUSTOMER.DISPUTE.CREATED')
      if (typeof facts.currency === 'string') expect(fields.currency).toBe(facts.currency.toUpperCase())
      const id = String(facts.payment_intent ?? facts.order_id ?? facts.charge ?? facts.objectId ?? facts.id)
      const keys = `${String(fields.order_key)} ${String(fields.entry_key)}`
      if (topic !== 'CUSTOMER.DISPUTE.CREATED') expect(keys).toContain(id)
    }
    if (Array.isArray(facts.refunds)) {
      const refunds = money.filter(({ event }) => event === 'payment_refunded').map(({ fields }) => fields.amount_minor)
      expect(refunds).toEqual(facts.refunds.map((total) => toMinor(vendor, total)))
    }
  })

  test('of all four vendors some are money', () => {
    const paid = recordings.filter((recording) => {
      try {
        return eventsOf(recording).some(({ fields }) => typeof fields.amount_minor === 'bigint')
      } catch {
        return false
      }
    })
    expect(new Set(paid.map(({ vendor }) => vendor))).toEqual(new Set(['stripe', 'shopify', 'paypal', 'woocommerce']))
    expect(paid.length).toBeGreaterThanOrEqual(16)
  })

  test('the recorded PayPal dispute is of 11.56 USD over its capture', () => {
    const [dispute] = eventsOf(recordings.find(({ topic }) => topic === 'CUSTOMER.DISPUTE.CREATED') as Recording)
    expect(dispute).toMatchObject({
      event: 'payment_disputed',
      fields: { amount_minor: 1156n, currency: 'USD', order_key: 'paypal:45V487086B989905H' },
    })
  })
})

describe('the money states', () => {
  const states = parse(readFileSync(join(GOVERNANCE_FOLDER, 'ledger-states.yaml'), 'utf8')) as LedgerStates
  interface Order {
    captured: number
    refunded: number
    disputes: ('' | 'open' | 'won' | 'lost')[]
    cancelled: boolean
  }
  const EMPTY: Order = { captured: 0, refunded: 0, disputes: ['', ''], cancelled: false }
  type Step = { event: string; apply: (order: Order) => Order }

  const dispute = (index: number, end: 'open' | 'won' | 'lost') => (order: Order) => ({
    ...order,
    // The end of a dispute that arrives before its beginning is not undone by it.
    disputes: order.disputes.map((now, at) => (at === index && (end !== 'open' || now === '') ? end : now)),
  })
  const steps: Step[] = [
    ...[1, 2].map((sum) => ({
      event: 'payment_captured',
      apply: (order: Order) => ({ ...order, captured: order.captured + sum }),
    })),
    ...[1, 2].map((sum) => ({
      event: 'payment_refunded',
      apply: (order: Order) => ({ ...order, refunded: order.refunded + sum }),
    })),
    ...[0, 1].map((index) => ({ event: 'payment_disputed', apply: dispute(index, 'open') })),
    ...[0, 1].map((index) => ({ event: 'dispute_closed', apply: dispute(index, 'won') })),
    ...[0, 1].map((index) => ({ event: 'dispute_closed', apply: dispute(index, 'lost') })),
    { event: 'order_cancelled', apply: (order) => ({ ...order, cancelled: true }) },
  ]
  function stateOfOrder({ captured, refunded, disputes, cancelled }: Order): string {
    const known = disputes.flatMap((now, at) => (now === '' ? [] : [[String(at), now] as const]))
    const money: OrderMoney = {
      captured: BigInt(captured),
      refunded: BigInt(refunded),
      disputes: new Map(known),
      cancelled,
    }
    return stateOf(states, factsOf(money))
  }

  test('the transitions are exactly those that can happen', () => {
    const seen = new Set<string>()
    const found = new Map<string, Set<string>>()
    const pending = [EMPTY]
    for (let order = pending.pop(); order !== undefined; order = pending.pop()) {
      const key = JSON.stringify(order)
      if (seen.has(key) || order.captured > 3 || order.refunded > 4) continue
      seen.add(key)
      for (const { event, apply } of steps) {
        const next = apply(order)
        // A dispute ends once.
        if (
          event === 'dispute_closed' &&
          order.disputes.some((now, at) => /won|lost/.test(now) && now !== next.disputes[at])
        )
          continue
        const [from, to] = [stateOfOrder(order), stateOfOrder(next)]
        if (from !== to) found.set(`${from} ${event}`, (found.get(`${from} ${event}`) ?? new Set()).add(to))
        pending.push(next)
      }
    }
    const listed = states.transitions.map(({ from, event, to }) => [`${from} ${event}`, new Set(to)] as const)
    expect(found).toEqual(new Map(listed))
  })

  test('do not depend on the order of arrival', () => {
    const arrivals = fc.subarray(
      steps
        .filter(({ event }) => event !== 'dispute_closed')
        .concat(steps.filter(({ event }) => event === 'dispute_closed').slice(0, 2)),
    )
    fc.assert(
      fc.property(
        arrivals.chain((chosen) =>
          fc.tuple(fc.constant(chosen), fc.shuffledSubarray(chosen, { minLength: chosen.length })),
        ),
        ([chosen, shuffled]) => {
          const run = (list: Step[]) => stateOfOrder(list.reduce((order, { apply }) => apply(order), EMPTY))
          expect(run(shuffled)).toBe(run(chosen))
        },
      ),
    )
  })
})
