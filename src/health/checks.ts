// What the readiness of every process is made of.

import type { AppContext } from '../context.ts'
import type { Lookup } from '../db/connect.ts'
import { newestMigration } from '../db/migrate.ts'
import type { ProblemItem } from '../problem/problem.ts'
import { isWritable } from './queries.ts'
import { createVerdict, type Measurement, type Verdict } from './verdict.ts'
import { TooLate, within } from './within.ts'

/**
 * All checks together. A machine under full load answers late, and what hangs never does: the first question has most of the time,
 * and the second is there for what held up this process itself. With a measurement each half second, what hangs is known after
 * 500 + 850 + 500 ms at the latest, what fails after 500 + 450 ms and what that takes. The first of all makes the connections
 * that the others find.
 */
const TIMEOUTS = { firstMs: 2_000, usualMs: 850, doubtedMs: 500 }
const CONFIRM_MS = 450
/** Most of those who ask give up after a second. */
const WAIT_MS = 400

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

export interface Checked<Name extends string = string> extends Measurement {
  checks: Passed<Name>[]
  failed: ProblemItem[]
}

/** What a process believes of itself by these measurements. */
export function createBelief<M extends Checked>(
  ctx: AppContext,
  measure: (timeoutMs: number) => Promise<M>,
): Verdict<M> {
  return createVerdict({
    measure,
    timeouts: TIMEOUTS,
    freshMs: ctx.config.probes.freshMs,
    confirmMs: CONFIRM_MS,
    waitMs: WAIT_MS,
    onChange: ({ failed }) => {
      if (failed.length > 0) ctx.log.warn({ checks: failed }, 'not ready')
      else ctx.log.info('ready')
    },
  })
}

/** Throws CheckFailed. */
export async function requireWritable(lookup: Lookup): Promise<void> {
  if (!(await isWritable(lookup))) throw new CheckFailed('The database is read-only.')
}

/** Throws CheckFailed. */
export function requireSchema(actual: string | null, needed: string): void {
  if (actual === null || actual < needed)
    throw new CheckFailed(`The database is at ${actual ?? 'nothing'}, this code needs ${needed}.`)
}

export function conclude<Name extends string>(outcomes: readonly (Passed<Name> | Failed)[]): Checked<Name> {
  const failed = outcomes.filter((outcome): outcome is Failed => 'pointer' in outcome)
  return {
    isGood: failed.length === 0,
    isCertain: failed.some(({ isCertain }) => isCertain),
    checks: outcomes.filter((outcome): outcome is Passed<Name> => 'durationMs' in outcome),
    failed: failed.map(({ pointer, code, detail }) => ({ pointer, code, detail })),
  }
}

/** What a check found; its message is public. */
export class CheckFailed extends Error {
  override name = 'CheckFailed'
}

export type Failed = ProblemItem & { isCertain: boolean }

export interface Passed<Name extends string> {
  name: Name
  durationMs: number
}

/** `deadline` by `performance.now()`. */
export async function tryCheck<Name extends string>(
  ctx: AppContext,
  name: Name,
  check: () => Promise<void>,
  deadline: number,
): Promise<Passed<Name> | Failed> {
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
