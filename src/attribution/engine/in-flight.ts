import { setImmediate as nextTurn } from 'node:timers/promises'

/** Statements that were sent and have not ended. */
export interface InFlight {
  /** Waits while there are too many, and lets what was sent leave this process; throws what one of them threw. */
  add(statement: Promise<unknown>): Promise<void>
  /** Waits for all of them. */
  end(): Promise<void>
}

/** Keeps a connection busy with at most so many statements, so that what waits for it does not fill the memory. */
export function createInFlight(limit: number): InFlight {
  const sent: Promise<unknown>[] = []
  return {
    async add(statement) {
      // It is waited for later; until then a failure is nobody's.
      statement.catch(() => {})
      sent.push(statement)
      if (sent.length > limit) await sent.shift()
      await nextTurn()
    },
    async end() {
      for (const statement of sent.splice(0)) await statement
    },
  }
}
