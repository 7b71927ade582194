import { grants } from '../../generated/grants.ts'
import type { AppContext } from '../context.ts'
import type { Database } from '../db/connect.ts'
import {
  type Checked,
  CheckFailed,
  conclude,
  createBelief,
  createExpectedSchema,
  type Passed,
  requireSchema,
  requireWritable,
  tryCheck,
} from './checks.ts'
import {
  canBypassPolicies,
  checkOut,
  getSchemaVersion,
  listMissingGrants,
  listUnprotectedTables,
  roundTripTenantContext,
} from './queries.ts'
import type { Verdict } from './verdict.ts'
import { TooLate, within } from './within.ts'

export type CheckName = 'database' | 'pool' | 'schema' | 'row_level_security' | 'tenant_context' | 'grants'

export type Check = Passed<CheckName>

export interface ReadinessMeasurement extends Checked<CheckName> {
  measuredAt: Date
  /** The newest migration; null where it could not be read. */
  schemaVersion: string | null
}

/** What the process believes of itself. */
export function createReadiness(ctx: AppContext): Verdict<ReadinessMeasurement> {
  const expectedSchema = createExpectedSchema()
  return createBelief(ctx, (timeoutMs) => measureReadiness(ctx, expectedSchema(), timeoutMs))
}

/** Tries each part for real, the database first: without it nothing can be said of the others. */
export async function measureReadiness(
  ctx: AppContext,
  expectedSchema: Promise<string>,
  timeoutMs: number,
): Promise<ReadinessMeasurement> {
  const { main, ingest, probe } = ctx.db
  const { lookup } = probe
  const deadline = performance.now() + timeoutMs
  let schemaVersion: string | null = null
  const run = (name: CheckName, check: () => Promise<void>) => tryCheck(ctx, name, check, deadline)
  const database = await run('database', () => requireWritable(lookup))
  const outcomes = [database]
  if (!('pointer' in database)) {
    const rest = await Promise.all([
      run('pool', async () => {
        await Promise.all([checkOutOf(main, 'app_user', deadline), checkOutOf(ingest, 'app_ingest', deadline)])
      }),
      run('schema', async () => {
        schemaVersion = await getSchemaVersion(lookup)
        requireSchema(schemaVersion, await expectedSchema)
      }),
      run('row_level_security', async () => {
        if (await canBypassPolicies(lookup))
          throw new CheckFailed('The role in DATABASE_URL is not bound by row level security.')
        const open = await listUnprotectedTables(lookup)
        if (open.length > 0) throw new CheckFailed(`Row level security is not forced on: ${name(open)}.`)
      }),
      run('tenant_context', async () => {
        if (!(await roundTripTenantContext(probe)))
          throw new CheckFailed('The tenant of a transaction does not end with it.')
      }),
      run('grants', async () => {
        const missing = await listMissingGrants(lookup, grants)
        // A newer release may have taken back what it no longer needs, and this one neither.
        if (missing.length === 0 || ((await getSchemaVersion(lookup)) ?? '') > (await expectedSchema)) return
        throw new CheckFailed(`Not granted: ${name(missing)}.`)
      }),
    ])
    outcomes.push(...rest)
  }
  return { ...conclude(outcomes), measuredAt: ctx.clock(), schemaVersion }
}

/**
 * Whether a connection can be had and used. Those who wait are served in turn: in a pool that others keep giving back to, a long
 * queue is load and not a fault, since every request in it is served. Throws CheckFailed.
 */
async function checkOutOf({ lookup, pool }: Database, role: string, deadline: number): Promise<void> {
  let returned = 0
  const count = (error: unknown) => {
    if (!error) returned += 1
  }
  pool.on('release', count)
  try {
    await within(Math.max(0, deadline - performance.now()), checkOut(lookup))
  } catch (cause) {
    if (cause instanceof TooLate && returned > 0) return
    const why = cause instanceof TooLate ? 'was free in time' : 'could be used'
    throw new CheckFailed(`No connection of ${role} ${why}.`, { cause })
  } finally {
    pool.off('release', count)
  }
}

/** At most five, and how many more. */
function name(things: readonly string[]): string {
  const more = things.length - 5
  return things.slice(0, 5).join('; ') + (more > 0 ? ` and ${more} more` : '')
}
