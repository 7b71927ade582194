import type { Logger } from 'pino'
import type { KeyUses } from '../../context.ts'
import type { Lookup } from '../../db/connect.ts'
import { createUses, type RunningUses } from '../uses.ts'
import { type KeyUse, recordKeyUse } from './queries.ts'

const MINUTE_MS = 60_000

export interface RunningKeyUses extends KeyUses, Omit<RunningUses<KeyUse>, 'note'> {}

/** When API keys were last used, to the minute. Only keys that work are noted. */
export function createKeyUses({ lookup, log }: { lookup: Lookup; log: Logger }): RunningKeyUses {
  const write = (uses: readonly KeyUse[]) => recordKeyUse(lookup, uses)
  const uses = createUses<KeyUse>({ what: 'when keys were last used', write, log })
  return {
    ...uses,
    note(tenantId, keyId, at) {
      const usedAt = new Date(Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS)
      uses.note(keyId, { tenantId, keyId, usedAt })
    },
  }
}
