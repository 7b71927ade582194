import { expect, onTestFinished, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { DAY, givenEditions } from '../support/editions.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'

const platform = usePlatform()
const params = { edition_number: '1' }
const read = (tenant: TestTenant, number: number, query: Record<string, string> = {}) =>
  platform.call('getAttributionEditionChanges', {
    tenant,
    token: tenant.tokens.viewer,
    params: { edition_number: String(number) },
    query: { start_date: DAY, end_date: DAY, ...query },
  })

type Figure = { revenue: { amount_minor: number }; conversions: number }
type Change = { channel: string } & Record<'before' | 'by_edition' | 'by_data' | 'after', Figure>

/** `channel before + by edition + by data = after` in minor units, of one model in USD. */
function linesOf(
  body: { figures: { model: string; currency: string; channels: Change[] }[] },
  model: string,
): string[] {
  const found = body.figures.find((one) => one.model === model && one.currency === 'USD')
  return (found?.channels ?? []).map(({ channel, before, by_edition: edition, by_data: data, after }) => {
    const [was, byEdition, byData, is] = [before, edition, data, after].map(({ revenue }) => revenue.amount_minor)
    expect((was ?? 0) + (byEdition ?? 0) + (byData ?? 0)).toBe(is)
    expect(before.conversions + edition.conversions + data.conversions).toBeCloseTo(after.conversions, 6)
    return `${channel} ${was} + ${byEdition} + ${byData} = ${is}`
  })
}

test('200: what other settings moved, and what later data moved, sum to what there is', async () => {
  const tenant = await givenEditions(platform, onTestFinished)
  const second = await read(tenant, 2)
  expect(second.status).toBe(200)
  expect(second.body).toMatchObject({ edition: 2, against: 1, start_date: DAY, end_date: DAY, time_zone: 'UTC' })
  expect(second.body.as_of).not.toBeNull()
  expect(second.body.differences).toHaveLength(4)
  expect(linesOf(second.body, 'position')).toEqual([
    'direct 400 + 350 + 0 = 750',
    'display 200 + -200 + 0 = 0',
    'email 400 + -150 + 0 = 250',
    'sms 0 + 0 + 500 = 500',
  ])
  expect(linesOf(second.body, 'last_touch')).toEqual(['direct 1000 + 0 + 0 = 1000', 'sms 0 + 0 + 500 = 500'])

  const third = await read(tenant, 3)
  expect(third.body).toMatchObject({ edition: 3, against: 2 })
  expect(linesOf(third.body, 'first_touch')).toEqual([
    'display 0 + 1000 + 0 = 1000',
    'email 1000 + -1000 + 0 = 0',
    'sms 500 + 0 + 0 = 500',
  ])
  // What the second edition and the data of its time moved is in what lies between the first and the third.
  expect(linesOf((await read(tenant, 3, { against: '1' })).body, 'last_touch')).toEqual([
    'direct 1000 + 0 + 0 = 1000',
    'sms 0 + 500 + 0 = 500',
  ])
})

test('200: of the first edition everything is new, and of days without orders there is nothing', async () => {
  const tenant = await givenEditions(platform, onTestFinished)
  const first = await read(tenant, 1)
  expect(first.body).toMatchObject({ against: null, differences: [] })
  expect(linesOf(first.body, 'last_touch')).toEqual(['direct 0 + 1000 + 0 = 1000'])
  const before = await read(tenant, 2, { start_date: '2026-03-01', end_date: '2026-03-09' })
  expect(before.status).toBe(200)
  expect(before.body).toMatchObject({ against: 1, as_of: null, figures: [] })
})

test('404: an edition that there is not, or of another tenant', async () => {
  const tenant = await givenEditions(platform, onTestFinished)
  expectProblem(await read(tenant, 9), 'not_found')
  expectProblem(await read(platform.tenant, 2), 'not_found')
})

test('422: an edition to compare with that is none before it', async () => {
  const tenant = await givenEditions(platform, onTestFinished)
  for (const against of ['2', '3', '9']) {
    expectProblem(await read(tenant, 2, { against }), 'validation_failed', ['/query/against'])
  }
})

test('401: no token', async () => {
  expectProblem(await platform.call('getAttributionEditionChanges', { params, token: null }), 'unauthorized')
})

test('406: an answer that is not JSON', async () => {
  const headers = { accept: 'text/csv' }
  expectProblem(await platform.call('getAttributionEditionChanges', { params, headers }), 'not_acceptable')
})

test.each([
  ['a day that there is not', { start_date: '2026-02-30' }, '/query/start_date'],
  ['days in disorder', { start_date: '2026-03-11' }, '/query/end_date'],
])('422: %s', async (_, query, pointer) => {
  expectProblem(await read(platform.tenant, 1, query), 'validation_failed', [pointer])
})

test('429: the quota is used up', async () => {
  await expectRateLimited(platform, 'getAttributionEditionChanges', { params })
})

test('503: the database is gone', async () => {
  const answer = await platform.withoutDatabase(() => platform.call('getAttributionEditionChanges', { params }))
  expectProblem(answer, 'service_unavailable')
})
