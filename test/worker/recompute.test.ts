import { expect, test } from 'vitest'
import { startPlatform, until } from '../support/platform.ts'
import { connectAs } from '../support/rows.ts'
import {
  bringUp,
  givenShop,
  type Happening,
  isIdle,
  readResult,
  recomputeAll,
  type Shop,
  workerContext,
} from '../support/worker.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const BASE = Math.floor(Date.now() / DAY) * DAY - 45 * DAY
const at = (days: number, hours = 0) => new Date(BASE + days * DAY + hours * HOUR)

type Story = [name: string, story: Happening[], lastTouch: string[] | null]

/**
 * Each is a story whose last happening changes what earlier ones mean, on days that the happening itself does not name.
 * After it was worked off, computing every order anew must change nothing.
 */
const STORIES: readonly Story[] = [
  [
    'a payment that turns out to be older gives its touch back to an order 21 days later',
    [
      { kind: 'touch', touch: { id: 't1', visitor: 'ann', at: at(9, 23), channel: 'email' } },
      { kind: 'charge', order: 'one', visitor: 'ann', at: at(10), amount: 100 },
      { kind: 'charge', order: 'two', visitor: 'ann', at: at(30, 1), amount: 200 },
      { kind: 'payment', order: 'one', visitor: 'ann', at: at(0), amount: 100 },
    ],
    ['one (unattributed)', 'two email'],
  ],
  [
    'an order of which the visitor is learned later uses up what an order before that news had',
    [
      { kind: 'touch', touch: { id: 't1', visitor: 'ann', at: at(0), channel: 'email' } },
      { kind: 'charge', order: 'one', visitor: null, at: at(1), amount: 100 },
      { kind: 'charge', order: 'two', visitor: 'ann', at: at(5), amount: 200 },
      { kind: 'payment', order: 'one', visitor: 'ann', at: at(20), amount: 100 },
    ],
    ['one email', 'two (unattributed)'],
  ],
  // Two visitors for one payment: the smaller keyed hash counts, which one that is depends on the tenant's key.
  ...[
    ['ann', 'ben'],
    ['ben', 'ann'],
  ].map(
    ([first = '', second = '']): Story => [
      `an order that turns out to be ${second}'s frees the touches of ${first}`,
      [
        { kind: 'touch', touch: { id: 't1', visitor: first, at: at(0), channel: 'email' } },
        { kind: 'touch', touch: { id: 't2', visitor: second, at: at(0), channel: 'sms' } },
        { kind: 'charge', order: 'one', visitor: first, at: at(1), amount: 100 },
        { kind: 'charge', order: 'two', visitor: first, at: at(25), amount: 200 },
        { kind: 'charge', order: 'three', visitor: second, at: at(25), amount: 300 },
        { kind: 'payment', order: 'one', visitor: second, at: at(1), amount: 100 },
      ],
      null,
    ],
  ),
  [
    'a touch that comes in after 29 days counts for the order, not for the next one',
    [
      { kind: 'charge', order: 'one', visitor: 'ann', at: at(29), amount: 100 },
      { kind: 'charge', order: 'two', visitor: 'ann', at: at(29, 5), amount: 200 },
      { kind: 'touch', touch: { id: 't1', visitor: 'ann', at: at(0), channel: 'email' } },
    ],
    ['one email', 'two (unattributed)'],
  ],
  [
    'an order that moves to the day before leaves none behind',
    [
      { kind: 'touch', touch: { id: 't1', visitor: 'ann', at: at(0), channel: 'email' } },
      { kind: 'charge', order: 'one', visitor: 'ann', at: at(2, 0.1), amount: 100 },
      { kind: 'payment', order: 'one', visitor: 'ann', at: at(1, 23.9), amount: 100 },
    ],
    ['one email'],
  ],
]

test('no news is left without the recompute of every order that it changes', { timeout: 90_000 }, async ({
  onTestFinished,
}) => {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  await platform.startWorker()
  const shops = []
  for (const [, story] of STORIES) {
    const shop = await givenShop(platform, await platform.createTenant())
    await shop.send(story.slice(0, -1))
    shops.push(shop)
  }
  await until(() => isIdle(admin), Boolean, 20_000)
  for (const [index, [, story]] of STORIES.entries()) await shops[index]?.send(story.slice(-1))
  await until(() => isIdle(admin), Boolean, 20_000)
  for (const [index, [name, , lastTouch]] of STORIES.entries()) {
    const { tenant } = shops[index] as Shop
    const answered = await readResult(admin, tenant.tenantId)
    const ctx = workerContext(platform, tenant, onTestFinished)
    await recomputeAll(ctx)
    expect(answered, name).toEqual(await readResult(admin, tenant.tenantId))
    const credited = answered.credits.filter((line) => line.startsWith('last_touch')).map((line) => line.split(' '))
    const pairs = credited.map((parts) => `${parts[1]?.replace('stripe:pi_', '')} ${parts[4]}`)
    expect(pairs, name).toEqual(lastTouch ?? expect.anything())
  }
})

test('an order is computed anew only when its inputs changed, also by several at once', async ({ onTestFinished }) => {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const shop = await givenShop(platform)
  await platform.startWorker()
  await shop.send([{ kind: 'charge', order: 'one', visitor: 'ann', at: at(0, 1), amount: 100 }])
  await until(() => isIdle(admin), Boolean)
  const runs = async () => (await admin.query('select count(*)::int as n from attribution_day_runs')).rows[0].n
  const models = (await admin.query('select cardinality(models) as n from attribution_editions')).rows[0].n
  expect(models).toBeGreaterThan(3)
  expect(await runs()).toBe(models)

  const ctx = workerContext(platform, shop.tenant, onTestFinished)
  await Promise.all(Array.from({ length: 4 }, () => recomputeAll(ctx)))
  expect(await runs()).toBe(models)

  await shop.sendTouches([{ id: 't1', visitor: 'ann', at: at(0), channel: 'email' }])
  await Promise.all(Array.from({ length: 4 }, () => bringUp(ctx)))
  expect(await runs()).toBe(2 * models)
  const { credits } = await readResult(admin, shop.tenant.tenantId)
  expect(credits).toHaveLength(models)
  expect(credits.every((line) => line.includes(' email t1 '))).toBe(true)
})
