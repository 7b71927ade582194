import { grants } from '../../generated/grants.ts'
import type { AppContext } from '../context.ts'
import type { Database } from '../db/connect.ts'
import { newestMigration } from '../db/migrate.ts'
import type { ProblemItem } from '../problem/problem.ts'
import {
  canBypassPolicies,
  checkOut,
  getSchemaVersion,
  isWritable,
  listMissingGrants,
  listUnprotectedTables,
  roundTripTenantContext,
} from './queries.ts'
import { createVerdict, type Measurement, type Verdict } from './verdict.ts'
import { TooLate, within } from './within.ts'

/**
 * All checks together. With a measurement each second and 450 ms until the next one where it says otherwise, what hangs is
 * known after 1,000 + 450 + 400 ms at the latest.
 */
const MEASUREMENT_MS = 400
const CONFIRM_MS = 450
/** Of the first one: it makes the connections that the others find. */
const FIRST_MEASUREMENT_MS = 2_000

export type CheckName = 'database' | 'pool' | 'schema' | 'row_level_security' | 'tenant_context' | 'grants'

export interface Check {
  name: CheckName
  durationMs: number
}

export interface ReadinessMeasurement extends Measurement {
  checks: Check[]
  failed: ProblemItem[]
  measuredAt: Date
  /** The newest migration; null where it could not be read. */
  schemaVersion: string | null
}

/**
 * The newest migration of the code that this process was started with: the folder may be another release's by now. One that
 * cannot be read is read again.
 */
export function createExpectedSchema(): () => Promise<string> {
  let expected: Promise<string> | undefined
  return () => {
    if (expected === undefined) {
      expected = newestMigration()
      expected.catch(() => {
        expected = undefined
      })
    }
    return expected
  }
}

/** What the process believes of itself. */
export function createReadiness(ctx: AppContext): Verdict<ReadinessMeasurement> {
  const expectedSchema = createExpectedSchema()
  return createVerdict({
    measure: (isFirst) => measureReadiness(ctx, expectedSchema(), isFirst ? FIRST_MEASUREMENT_MS : MEASUREMENT_MS),
    freshMs: ctx.config.probes.freshMs,
    confirmMs: CONFIRM_MS,
    onChange: ({ failed }) => {
      if (failed.length > 0) ctx.log.warn({ checks: failed }, 'not ready')
      else ctx.log.info('ready')
    },
  })
}

/** Tries each part for real, the database first: without it nothing can be said of the others. */
export async function measureReadiness(
  ctx: AppContext,
  expectedSchema: Promise<string>,
  timeoutMs: number,
): Promise<ReadinessMeasurement> {
  const { main, ingest, probe = main } = ctx.db
  const { lookup } = probe
  const deadline = performance.now() + timeoutMs
  let schemaVersion: string | null = null
  const run = (name: CheckName, check: () => Promise<void>) => tryCheck(ctx, name, check, deadline)
  const database = await run('database', async () => {
    if (!(await isWritable(lookup))) throw new CheckFailed('The database is read-only.')
  })
  const outcomes = [database]
  if (!('pointer' in database)) {
    const rest = await Promise.all([
      run('pool', async () => {
        await Promise.all([checkOutOf(main, 'app_user', deadline), checkOutOf(ingest, 'app_ingest', deadline)])
      }),
      run('schema', async () => {
        schemaVersion = await getSchemaVersion(lookup)
        const expected = await expectedSchema
        if (schemaVersion === null || schemaVersion < expected)
          throw new CheckFailed(`The database is at ${schemaVersion ?? 'nothing'}, this code needs ${expected}.`)
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
  const failed = outcomes.filter((outcome): outcome is Failed => 'pointer' in outcome)
  return {
    isGood: failed.length === 0,
    isCertain: failed.some(({ isCertain }) => isCertain),
    checks: outcomes.filter((outcome): outcome is Check => 'durationMs' in outcome),
    failed: failed.map(({ pointer, code, detail }) => ({ pointer, code, detail })),
    measuredAt: ctx.clock(),
    schemaVersion,
  }
}

async function checkOutOf({ lookup }: Database, role: string, deadline: number): Promise<void> {
  try {
    await within(Math.max(0, deadline - performance.now()), checkOut(lookup))
  } catch (cause) {
    const why = cause instanceof TooLate ? 'was free in time' : 'could be used'
    throw new CheckFailed(`No connection of ${role} ${why}.`, { cause })
  }
}

/** At most five, and how many more. */
function name(things: readonly string[]): string {
  const more = things.length - 5
  return things.slice(0, 5).join('; ') + (more > 0 ? ` and ${more} more` : '')
}

/** What a check found; its message is public. */
export class CheckFailed extends Error {
  override name = 'CheckFailed'
}

export type Failed = ProblemItem & { isCertain: boolean }

/** `deadline` by `performance.now()`. */
export async function tryCheck<Name extends string>(
  ctx: AppContext,
  name: Name,
  check: () => Promise<void>,
  deadline: number,
): Promise<{ name: Name; durationMs: number } | Failed> {
  const started = performance.now()
  try {
    await within(Math.max(0, deadline - started), check())
    return { name, durationMs: round(performance.now() - started) }
  } catch (error) {
    ctx.log.debug({ err: error, check: name }, 'a readiness check failed')
    const detail =
      error instanceof CheckFailed
        ? error.message
        : error instanceof TooLate
          ? 'The database gave no answer in time.'
          : 'The database did not answer as it should.'
    return { pointer: `/checks/${name}`, code: 'failed', detail, isCertain: isRefused(error) }
  }
}

/** Nobody listens there, or it lets nobody in: of Node, and of Postgres (57P03 cannot connect now, 28xxx, 3D000). */
const REFUSED = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTFOUND', 'EHOSTUNREACH', '57P03', '28000', '28P01', '3D000'])

function isRefused(error: unknown): boolean {
  return REFUSED.has((error as { code?: string } | null)?.code ?? '')
}

export function round(ms: number): number {
  return Math.round(ms * 100) / 100
}
