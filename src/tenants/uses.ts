import type { Logger } from 'pino'

/** Milliseconds between two writes: so much of what was used is lost by a crash, and nothing depends on it. */
const FLUSH_MS = 10_000

export interface RunningUses<Use> {
  /** By its id: of one thing only the last use is kept. */
  note(id: string, use: Use): void
  /** Writes what was noted. What cannot be written waits for the next time. */
  flush(): Promise<void>
  start(): void
  /** Writes for the last time. */
  stop(): Promise<void>
}

/** When things were last used: noted in memory, and written every 10 s in one statement for all tenants. */
export function createUses<Use>({
  what,
  write,
  log,
}: {
  /** As the log names it, such as `when keys were last used`. */
  what: string
  write: (uses: readonly Use[]) => Promise<void>
  log: Logger
}): RunningUses<Use> {
  let noted = new Map<string, Use>()
  let timer: NodeJS.Timeout | undefined

  async function flush(): Promise<void> {
    if (noted.size === 0) return
    const uses = noted
    noted = new Map()
    try {
      await write([...uses.values()])
    } catch (error) {
      log.warn({ error: (error as Error).message }, `${what} could not be written; it is tried again`)
      // What was used in the meantime has a newer note.
      noted = new Map([...uses, ...noted])
    }
  }

  return {
    note: (id, use) => void noted.set(id, use),
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
