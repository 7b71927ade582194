import { expect, test } from 'vitest'
import type { JsonValue } from '../../lossless-json.ts'
import type { VendorClient } from '../lister.ts'
import { woocommerce } from './woocommerce.ts'

interface Order {
  id: number
  /** Seconds since 1970. */
  modified: number
}

interface Shop {
  orders: Order[]
  /** What happens while an answer is read. */
  meanwhile?: (answers: number) => void
  maxPage?: number
  withoutHeaders?: boolean
  withoutExclude?: boolean
}

const SINCE = new Date('2026-11-20T00:00:00Z')
const UNTIL = new Date('2026-11-21T00:00:00Z')
const START_S = SINCE.getTime() / 1000 + 60

/** Answers as WooCommerce does: in the order of the last change, exclusive bounds, as many as are asked for. */
function clientOf({ orders, meanwhile, maxPage = 100, withoutHeaders, withoutExclude }: Shop): VendorClient {
  let answers = 0
  return {
    post: () => Promise.reject(new Error('nothing is posted')),
    async get(path) {
      const query = new URL(path, 'https://shop.example').searchParams
      const [after, before] = ['modified_after', 'modified_before'].map(
        (name) => Date.parse(query.get(name) ?? '') / 1000,
      )
      const excluded = withoutExclude ? [] : (query.get('exclude') ?? '').split(',')
      const fitting = orders
        .filter(
          ({ id, modified }) =>
            modified > (after as number) && modified < (before as number) && !excluded.includes(`${id}`),
        )
        .sort((a, b) => a.modified - b.modified || a.id - b.id)
      const size = Math.min(Number(query.get('per_page')), maxPage)
      const body: JsonValue = fitting.slice(0, size).map(({ id, modified }) => ({
        id,
        date_modified_gmt: new Date(modified * 1000).toISOString().slice(0, 19),
      }))
      answers += 1
      meanwhile?.(answers)
      const pages = String(Math.ceil(fitting.length / size))
      return { body, headers: withoutHeaders ? {} : { 'x-wp-totalpages': pages } }
    },
  }
}

async function listed(shop: Shop): Promise<number[]> {
  const access = { origin: 'https://shop.example', credential: { consumer_key: 'a', consumer_secret: 'b' } }
  const ids: number[] = []
  for await (const { body } of woocommerce.list(clientOf(shop), access, { since: SINCE, until: UNTIL }))
    ids.push(Number(body.id))
  return ids
}

const ordersOf = (count: number, modifiedOf: (n: number) => number): Order[] =>
  Array.from({ length: count }, (_, n) => ({ id: n + 1, modified: START_S + modifiedOf(n) }))
const idsOf = (orders: readonly Order[]) => orders.map(({ id }) => id)

test('orders that change while pages are read take none of the others with them', async () => {
  const orders = ordersOf(120, (n) => n)
  const meanwhile = (answers: number) => {
    if (answers !== 1) return
    for (const order of orders.slice(0, 2)) order.modified = UNTIL.getTime() / 1000 + 5
  }
  expect((await listed({ orders, meanwhile })).toSorted((a, b) => a - b)).toEqual(idsOf(orders))
})

test.each<[string, Omit<Shop, 'orders'>, number, (n: number) => number]>([
  ['none', {}, 0, (n) => n],
  ['one page', {}, 49, (n) => n],
  ['a full page', {}, 50, (n) => n],
  ['several', {}, 173, (n) => n],
  ['several of a second', {}, 173, (n) => Math.floor(n / 20)],
  ['hundreds that were edited at once', {}, 173, () => 0],
  ['a shop that gives less than was asked for', { maxPage: 10 }, 45, (n) => n],
  ['without the number of pages', { withoutHeaders: true }, 173, (n) => n],
])('each order is listed once: %s', async (_, shop, count, modifiedOf) => {
  const orders = ordersOf(count, modifiedOf)
  expect(await listed({ ...shop, orders })).toEqual(idsOf(orders))
})

test('a list that does not go on is no end of it', async () => {
  const orders = ordersOf(173, () => 0)
  await expect(listed({ orders, withoutExclude: true })).rejects.toMatchObject({ code: 'bad_answer' })
})
