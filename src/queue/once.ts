import type { Tx } from '../db/tenant.ts'
import { enterEffect, type JobContext } from './job.ts'

/** For work that jobs do and people too: whoever has no attempts does it each time they ask. */
export type MaybeJob = Partial<Pick<JobContext, 'attempts'>>

/** `enterEffect` where this is the work of a job. */
export async function comesFirst(tx: Tx, { attempts }: MaybeJob, effect: string): Promise<boolean> {
  return attempts === undefined || enterEffect(tx, attempts[0], effect)
}
