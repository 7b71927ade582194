import { describe, expect, test } from 'vitest'
import { createGroupCommit, type GroupOptions } from './group-commit.ts'

class Poison extends Error {}

/** Writes that last until they are let go; an item that is `bad` makes its write fail. */
function setUp(options: Partial<GroupOptions<string, string>> = {}) {
  const writes: { items: readonly string[]; end: () => void; fail: (error: Error) => void }[] = []
  const group = createGroupCommit<string, string>({
    write: (items) =>
      new Promise((resolve, reject) => {
        const end = () => (items.includes('bad') ? reject(new Poison('bad')) : resolve(items.map((item) => `${item}!`)))
        writes.push({ items, end, fail: reject })
      }),
    sizeOf: (item) => item.length,
    isOfOneItem: (error) => error instanceof Poison,
    maxWaitMs: 60_000,
    late: () => new Error('late'),
    lanes: 1,
    maxItems: 100,
    maxSize: 1_000,
    worthwhile: 1,
    ...options,
  })
  return { group, writes }
}

/** Whatever is due has happened. */
const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

/** Lets every write go as soon as it begins, until there is none left. */
async function endAll(writes: ReturnType<typeof setUp>['writes']): Promise<void> {
  for (let done = 0; done < writes.length; done += 1) {
    writes[done]?.end()
    await turn()
  }
}

describe('a group', () => {
  test('is what came in one turn; whatever comes while it is written goes together with the next', async () => {
    const { group, writes } = setUp()
    const first = [group.add('a'), group.add('b')]
    await turn()
    const second = [group.add('c'), group.add('d'), group.add('e')]
    await turn()
    expect(writes.map(({ items }) => items)).toEqual([['a', 'b']])
    writes[0]?.end()
    expect(await Promise.all(first)).toEqual(['a!', 'b!'])
    await turn()
    expect(writes.map(({ items }) => items)).toEqual([
      ['a', 'b'],
      ['c', 'd', 'e'],
    ])
    writes[1]?.end()
    expect(await Promise.all(second)).toEqual(['c!', 'd!', 'e!'])
  })

  test('has so many items and so much size at most; what is larger than that goes alone', async () => {
    const { group, writes } = setUp({ maxItems: 3, maxSize: 4 })
    const all = ['a', 'b', 'c', 'd', 'ee', 'ff', 'g', 'larger'].map(group.add)
    await turn()
    await endAll(writes)
    expect(writes.map(({ items }) => items)).toEqual([['a', 'b', 'c'], ['d', 'ee'], ['ff', 'g'], ['larger']])
    expect(await Promise.all(all)).toHaveLength(8)
  })

  test('is written beside another only when it is worth it', async () => {
    const { group, writes } = setUp({ lanes: 2, worthwhile: 3 })
    const all = [group.add('a')]
    await turn()
    all.push(group.add('b'), group.add('c'))
    await turn()
    expect(writes).toHaveLength(1)
    all.push(group.add('d'))
    await turn()
    expect(writes.map(({ items }) => items)).toEqual([['a'], ['b', 'c', 'd']])
    all.push(...['e', 'f', 'g', 'h'].map(group.add))
    await turn()
    // Both lanes are taken.
    expect(writes).toHaveLength(2)
    await endAll(writes)
    expect(await Promise.all(all)).toHaveLength(8)
  })
})

describe('a write that fails', () => {
  test('for one of its items fails for that one alone', async () => {
    const { group, writes } = setUp()
    const all = ['a', 'b', 'c', 'bad', 'd', 'e', 'f'].map(group.add)
    const settled = Promise.allSettled(all)
    await turn()
    await endAll(writes)
    const results = await settled
    expect(results.map(({ status }) => status)).toEqual([
      ...Array(3).fill('fulfilled'),
      'rejected',
      ...Array(3).fill('fulfilled'),
    ])
    expect(results[3]).toMatchObject({ reason: expect.any(Poison) })
  })

  test('for another reason fails for all of them, and is not tried again', async () => {
    const { group, writes } = setUp()
    const settled = Promise.allSettled([group.add('a'), group.add('b')])
    await turn()
    writes[0]?.fail(new Error('the connection is lost'))
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(writes).toHaveLength(1)
    const next = group.add('c')
    await turn()
    writes[1]?.end()
    expect(await next).toBe('c!')
  })
})

test('what waits too long is refused and never written; what is being written is waited for', async () => {
  const { group, writes } = setUp({ maxWaitMs: 30 })
  const first = group.add('a')
  await turn()
  const waiting = Promise.allSettled([group.add('b'), group.add('c')])
  expect(await waiting).toMatchObject([{ reason: { message: 'late' } }, { reason: { message: 'late' } }])
  writes[0]?.end()
  expect(await first).toBe('a!')
  await turn()
  expect(writes.map(({ items }) => items)).toEqual([['a']])
  const next = group.add('d')
  await turn()
  writes[1]?.end()
  expect(await next).toBe('d!')
})
