import type { Logger } from 'pino'
import type { KeyUses } from '../../context.ts'
import type { Lookup } from '../../db/connect.ts'
import { type KeyUse, recordKeyUse } from './queries.ts'

/** Milliseconds between two writes: so much of what keys did is lost by a crash, and nothing depends on it. */
const FLUSH_MS = 10_000
const MINUTE_MS = 60_000

export interface RunningKeyUses extends KeyUses {
  /** Writes what was noted. What cannot be written waits for the next time. */
  flush(): Promise<void>
  start(): void
  /** Writes for the last time. */
  stop(): Promise<void>
}

/**
 * When keys were last used, to the minute: noted in memory, and written every 10 s in one statement for all keys of all
 * tenants. There is one note per key, however often it is used, and only keys that work are noted.
 */
export function createKeyUses({ lookup, log }: { lookup: Lookup; log: Logger }): RunningKeyUses {
  let noted = new Map<string, KeyUse>()
  let timer: NodeJS.Timeout | undefined

  async function flush(): Promise<void> {
    if (noted.size === 0) return
    const uses = noted
    noted = new Map()
    try {
      await recordKeyUse(lookup, [...uses.values()])
    } catch (error) {
      log.warn({ error: (error as Error).message }, 'when keys were last used could not be written; it is tried again')
      // A key that was used in the meantime has a newer note.
      noted = new Map([...uses, ...noted])
    }
  }

  return {
    note(tenantId, keyId, at) {
      const usedAt = new Date(Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS)
      noted.set(keyId, { tenantId, keyId, usedAt })
    },
    flush,
    start() {
      timer ??= setInterval(flush, FLUSH_MS).unref()
    },
    async stop() {
      clearInterval(timer)
      await flush()
    },
  }
}
