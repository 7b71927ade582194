import { expect, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { usePlatform } from '../support/platform.ts'

const platform = usePlatform()

test('200: alive', async () => {
  const { status, body, headers } = await platform.call('getLiveness')
  expect(status).toBe(200)
  expect(body).toEqual({ status: 'alive' })
  expect(headers.get('cache-control')).toBe('no-store')
})

test('200: alive without the database, since a restart would not bring that back', async () => {
  const { status } = await platform.withoutDatabase(() => platform.call('getLiveness'))
  expect(status).toBe(200)
})

test('200: whatever a probe adds to the address', async () => {
  expect((await platform.call('getLiveness', { query: { t: '1' } })).status).toBe(200)
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await platform.call('getLiveness', { headers: { accept: 'text/plain' } }), 'not_acceptable')
})
