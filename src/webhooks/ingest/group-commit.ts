/** What goes into one write. The numbers are measured: `npm run bench -- ingest`. */
export interface GroupLimits {
  /** Writes at once. Two: while the log of one is flushed the database works on the other. */
  lanes: number
  /** Items of one write. */
  maxItems: number
  /** Of one write, by `sizeOf`; a larger item goes alone. */
  maxSize: number
  /** With a write under way the next one waits for so many items: each costs a flush of the log, whatever it holds. */
  worthwhile: number
}

export interface GroupOptions<T, R> extends GroupLimits {
  /** Writes all items or none; one result for each, in their order. */
  write: (items: readonly T[]) => Promise<readonly R[]>
  sizeOf: (item: T) => number
  /** Whether this failure may be due to one item, so that the others are worth writing without it. */
  isOfOneItem: (error: unknown) => boolean
  /** Milliseconds that an item may wait to be written. What waits longer is not written at all. */
  maxWaitMs: number
  /** What `add` throws then. */
  late: () => Error
}

export interface GroupCommit<T, R> {
  /** Resolves once the write that this item was part of has succeeded, and with it the item's own result. */
  add(item: T): Promise<R>
}

interface Entry<T, R> {
  item: T
  size: number
  /** By performance.now(). */
  since: number
  resolve: (result: R) => void
  reject: (error: unknown) => void
}

/**
 * Writes items that come one by one in groups: those that come while others are being written go together with the next
 * write. Nobody waits for a group to fill while nothing is being written. A group that fails for one of its items is
 * written in halves, so that the one fails alone.
 */
export function createGroupCommit<T, R>(options: GroupOptions<T, R>): GroupCommit<T, R> {
  const { write, sizeOf, isOfOneItem, maxWaitMs, late, lanes, maxItems, maxSize, worthwhile } = options
  const waiting: Entry<T, R>[] = []
  let running = 0
  let isScheduled = false
  let timer: NodeJS.Timeout | undefined

  function schedule(): void {
    if (isScheduled) return
    isScheduled = true
    // What came in the same turn of the event loop goes together.
    setImmediate(start)
  }

  function start(): void {
    isScheduled = false
    while (waiting.length > 0 && running < lanes && (running === 0 || waiting.length >= worthwhile)) {
      running += 1
      run(takeGroup()).finally(() => {
        running -= 1
        if (waiting.length > 0) schedule()
      })
    }
    watch()
  }

  function takeGroup(): Entry<T, R>[] {
    let size = waiting[0]?.size ?? 0
    let count = 1
    while (count < Math.min(maxItems, waiting.length)) {
      size += (waiting[count] as Entry<T, R>).size
      if (size > maxSize) break
      count += 1
    }
    return waiting.splice(0, count)
  }

  async function run(group: readonly Entry<T, R>[]): Promise<void> {
    try {
      const results = await write(group.map(({ item }) => item))
      for (const [index, { resolve }] of group.entries()) resolve(results[index] as R)
    } catch (error) {
      if (group.length > 1 && isOfOneItem(error)) {
        const middle = group.length >> 1
        await run(group.slice(0, middle))
        await run(group.slice(middle))
      } else for (const { reject } of group) reject(error)
    }
  }

  /** One timer, for the item that has waited longest. */
  function watch(): void {
    const [eldest] = waiting
    if (eldest === undefined || timer !== undefined) return
    timer = setTimeout(refuseLate, Math.max(0, eldest.since + maxWaitMs - performance.now()))
  }

  function refuseLate(): void {
    timer = undefined
    const limit = performance.now() - maxWaitMs
    // A timer may fire a little early; whoever is due within it is due now.
    const count = waiting.findIndex(({ since }) => since > limit + 1)
    for (const { reject } of waiting.splice(0, count === -1 ? waiting.length : count)) reject(late())
    watch()
  }

  return {
    add(item) {
      return new Promise((resolve, reject) => {
        waiting.push({ item, size: sizeOf(item), since: performance.now(), resolve, reject })
        schedule()
      })
    },
  }
}
