import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { type Books, givenBooks } from '../../support/books.ts'
import { startPlatform } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { bringUp, readResult, workerContext } from '../../support/worker.ts'

const HOUR = 3_600_000
const BASE = Date.parse('2026-03-01T12:00:00Z')
const at = (hours: number) => new Date(BASE + hours * HOUR)

/** Twenty orders of six visitors over two weeks, with touches between them, some at the same instant, and refunds. */
const STORY: readonly ((books: Books) => Promise<void>)[] = [
  ...Array.from(
    { length: 20 },
    (_, n) => (books: Books) =>
      books.addOrders([
        { key: `o${n}`, at: at(n * 17), amount: 1_000 + n * 37, visitor: n % 7 === 6 ? null : `v${n % 6}` },
      ]),
  ),
  ...Array.from(
    { length: 40 },
    (_, n) => (books: Books) =>
      books.addTouches([
        {
          id: `t${n}`,
          visitor: `v${n % 6}`,
          at: at(Math.floor(n / 2) * 17 - 5),
          channel: ['email', 'sms', 'direct'][n % 3] ?? '',
        },
      ]),
  ),
  ...[3, 3, 8, 11, 12].map(
    (order, n) => (books: Books) =>
      books.addRefund({ order: `o${order}`, at: at(400 + (n % 2)), amount: 300 + n * 400 }),
  ),
]

test('the same books give the same hashes, in whatever order they are written and however often published', async () => {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const play = async (story: typeof STORY, pauses: ReadonlySet<number>) => {
    const tenant = await platform.createTenant()
    const books = await givenBooks(admin, tenant.tenantId)
    const ctx = workerContext(platform, tenant, onTestFinished)
    for (const [index, happen] of story.entries()) {
      await happen(books)
      if (pauses.has(index)) await bringUp(ctx)
    }
    await bringUp(ctx)
    return readResult(admin, tenant.tenantId)
  }
  const expected = await play(STORY, new Set())
  expect(Object.keys(expected.runs).length).toBeGreaterThan(100)
  const orders = fc.shuffledSubarray([...STORY], { minLength: STORY.length })
  const pauses = fc.uniqueArray(fc.nat({ max: STORY.length - 1 }), { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(orders, pauses, async (story, stops) => {
      expect(await play(story, new Set(stops))).toEqual(expected)
    }),
    { numRuns: 6, endOnFailure: true },
  )
})
