import { describe, expect, test } from 'vitest'
import { LIFE_MS } from '../webhooks/simulator/purchase.ts'
import { joinOptionalValues, readSendOptions } from './webhooks-options.ts'
import { isLoopback } from './webhooks-target.ts'

const read = (line: string, env: NodeJS.ProcessEnv = {}) => readSendOptions(line.split(' '), env)
const CHARGE = 'stripe charge.succeeded'

test.each([
  ['--old', '--old='],
  ['--old 60', '--old=60'],
  ['--old=60', '--old=60'],
  ['--old --tamper', '--old= --tamper='],
  ['--tamper header --old', '--tamper=header --old='],
  ['--tamper stripe', '--tamper= stripe'],
  ['--duplicate 0.5 --reorder 20', '--duplicate=0.5 --reorder=20'],
  ['--duplicate --reorder --count 3', '--duplicate= --reorder= --count 3'],
  ['--print --seed 3', '--print= --seed 3'],
  ['--secret --old', '--secret --old='],
])('%s is read as %s', (given, joined) => {
  expect(joinOptionalValues(given.split(' ')).join(' ')).toBe(joined)
})

test('by default one new delivery is sent, about an order that is half an hour old', () => {
  const before = Date.now()
  const command = read(CHARGE)
  expect(command).toMatchObject({
    vendor: 'stripe',
    topic: 'charge.succeeded',
    isSeedNew: true,
    plan: { seed: command.seed, count: 1, duplicate: 0, window: 1 },
    signing: { scheme: 'vendor', tamper: null, ageS: 0 },
    story: { currency: 'USD' },
    url: null,
    secret: null,
    ratePerS: null,
    retry: false,
    print: null,
  })
  expect(command.story.startedAt).toBeGreaterThanOrEqual(before - LIFE_MS)
  expect(command.story.startedAt).toBeLessThanOrEqual(Date.now() - LIFE_MS)
  expect(read(CHARGE).seed).not.toBe(command.seed)
})

test('with a seed nothing hangs on the clock', () => {
  expect(read(`${CHARGE} --seed 7`)).toEqual(read(`${CHARGE} --seed 7`))
  expect(read(`${CHARGE} --seed 7`).story).not.toHaveProperty('startedAt')
  expect(read(`${CHARGE} --seed 7 --at 2026-11-20T14:00:00Z`).story.startedAt).toBe(Date.UTC(2026, 10, 20, 14))
})

test('all of it at once', () => {
  expect(
    read(
      'woocommerce order.updated --to http://localhost:3000/h --secret s --tenant-key k --seed 3 --count 100 --rate 50/s ' +
        '--duplicate 0.1 --reorder --tamper signature --old 20 --retry --retry-speed 10 --currency eur --amount 12.50 ' +
        '--visitor 01KDW3M8Q2Z7C4T9X5B6N1R0JA --stage refunded --concurrency 8 --cert-port 4443 --cert-file a.pem --format json --yes-remote',
    ),
  ).toMatchObject({
    url: new URL('http://localhost:3000/h'),
    secret: 's',
    tenantKey: 'k',
    plan: { seed: 3, count: 100, duplicate: 0.1, window: 10 },
    ratePerS: 50,
    signing: { scheme: 'vendor', tamper: 'signature', ageS: 20 },
    retry: true,
    retrySpeed: 10,
    story: { currency: 'EUR', amount: '12.50', visitorId: '01KDW3M8Q2Z7C4T9X5B6N1R0JA', stage: 'refunded' },
    concurrency: 8,
    certPort: 4443,
    certFile: 'a.pem',
    format: 'json',
    isRemoteMeant: true,
  })
})

test.each([
  ['stripe charge.succeeded', 600],
  ['stripe charge.succeeded --scheme standard-webhooks', 600],
  ['paypal PAYMENT.SALE.COMPLETED', 5 * 86_400],
  ['shopify orders/paid', 86_400],
])('%s --old is %i seconds old', (line, ageS) => {
  expect(read(`${line} --old`).signing.ageS).toBe(ageS)
})

describe('a secret', () => {
  test('may stand in the environment', () => {
    expect(read(`${CHARGE} --endpoint-secret-env HOOK`, { HOOK: 'whsec_x' }).secret).toBe('whsec_x')
  })

  test.each([
    [`${CHARGE} --endpoint-secret-env HOOK`, 'HOOK is not set'],
    [`${CHARGE} --endpoint-secret-env HOOK --secret s`, 'give one of them'],
    [`${CHARGE} --secret=`, '--secret is empty'],
  ])('%s is an error', (line, sentence) => {
    expect(() => read(line)).toThrow(sentence)
  })
})

test('an endpoint is made with the password of the environment', () => {
  const line = `${CHARGE} --create-endpoint --tenant demo --email a@example.com`
  expect(read(line, { SKELDIR_PASSWORD: 'p' }).createEndpoint).toEqual({
    tenant: 'demo',
    email: 'a@example.com',
    password: 'p',
  })
  expect(() => read(line)).toThrow('SKELDIR_PASSWORD')
})

test.each([
  ['stripe', 'takes a vendor and a topic'],
  ['stripe charge.succeeded again', 'takes a vendor and a topic'],
  ['square payment.created', 'one of stripe, shopify, paypal, woocommerce is meant'],
  ['stripe charge.paid', 'near it: charge.'],
  [`${CHARGE} --count 0`, '--count is "0"'],
  [`${CHARGE} --count 1e3`, '--count is "1e3"'],
  [`${CHARGE} --seed -1`, 'seed'],
  [`${CHARGE} --rate 0`, '--rate is "0"'],
  [`${CHARGE} --duplicate=2`, '--duplicate is "2"'],
  [`${CHARGE} --reorder=1`, '--reorder is "1"'],
  [`${CHARGE} --tamper=all`, '--tamper is "all"'],
  [`${CHARGE} --scheme svix`, '--scheme is "svix"'],
  [`${CHARGE} --at yesterday`, '--at is "yesterday"'],
  [`${CHARGE} --to ftp://localhost/`, '--to is "ftp://localhost/"'],
  [`${CHARGE} --to http://a:b@localhost/`, 'an http or https URL'],
  [`${CHARGE} --visitor me`, '--visitor is no ULID'],
  [`${CHARGE} --shop example.com`, '--shop is no domain of Shopify'],
  [`${CHARGE} --stage paid`, '--stage is for woocommerce only'],
  ['woocommerce order.updated --stage lost', '--stage is "lost"'],
  ['woocommerce ping --tamper', 'not signed'],
  [`${CHARGE} --format yaml`, '--format is "yaml"'],
  [`${CHARGE} --colour`, 'colour'],
])('%s: %s', (line, sentence) => {
  expect(() => read(line)).toThrow(sentence)
})

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['localhost', true],
  ['api.localhost', true],
  ['[::1]', true],
  ['10.0.0.1', false],
  ['0.0.0.0', false],
  ['127.0.0.1.example.com', false],
  ['localhost.example.com', false],
  ['example.com', false],
])('%s is this machine: %s', (hostname, expected) => {
  expect(isLoopback(hostname)).toBe(expected)
})
