import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { repositoryRoot } from '../../../src/cli/local-state.ts'
import { type Kept, keepRunning, startChild } from '../../../src/cli/supervise.ts'
import { type LoadWorld, startWorld } from '../../load/world.ts'

/** Milliseconds until a worker that has ended is started again. */
const RESTART = { first: 50, last: 50, resetAfter: 0 }

/** A platform on which workers of a gate run, and die. */
export interface Yard extends LoadWorld {
  /** Keeps so many workers running; returns what ends them. `onPid` hears of each that begins. */
  keepWorkers: (
    count: number,
    env?: Record<string, string>,
    onPid?: (pid: number) => void,
  ) => Promise<() => Promise<void>>
  /** Queues jobs of a tenant: their ids. */
  queue: (
    tenantId: string,
    queue: string,
    task: string,
    count: number,
    args?: Record<string, string>,
  ) => Promise<string[]>
  /** The first answer that is good. Throws after `seconds`. */
  until: <T>(what: string, seconds: number, read: () => Promise<T>, isGood: (value: T) => boolean) => Promise<T>
  count: (text: string, values?: readonly unknown[]) => Promise<number>
}

export async function openYard(say: (line: string) => void): Promise<Yard> {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-gate-'))
  const logFile = join(folder, 'workers.log')
  const world = await startWorld({ tenants: 2, say })
  const kept: Kept[] = []
  const count: Yard['count'] = async (text, values) =>
    Number((await world.query<{ n: string }>(`select count(*) as n from (${text}) as q`, values))[0]?.n)
  try {
    await world.query(`
      create table gate_effects (tenant_id uuid not null, job_id uuid not null, at timestamptz not null default clock_timestamp());
      call internal.isolate_by_tenant('gate_effects', array['app_worker']);
      grant select, insert on gate_effects to app_worker;
      create table gate_notes (name text not null, detail text not null, pid integer not null, at timestamptz not null default clock_timestamp());
      grant insert on gate_notes to app_worker`)
  } catch (error) {
    await world.stop()
    throw error
  }
  return {
    ...world,
    count,
    async keepWorkers(workers, env = {}, onPid = () => {}) {
      const own: Kept[] = []
      for (let n = 0; n < workers; n += 1)
        own.push(
          await keepRunning({
            name: `worker ${n + 1}`,
            delays: RESTART,
            say: (line) => appendFileSync(logFile, `${line}\n`),
            onChange: (running) => {
              if (running !== null) onPid(running.pid)
            },
            start: () =>
              startChild({
                command: process.execPath,
                args: ['scripts/gates/worker/main.ts'],
                cwd: repositoryRoot,
                env: {
                  PATH: process.env.PATH,
                  NODE_COMPILE_CACHE: join(folder, 'cache'),
                  LOG_LEVEL: 'warn',
                  ...world.env,
                  ...env,
                },
                onLine: (line) => appendFileSync(logFile, `${line}\n`),
              }),
          }),
        )
      kept.push(...own)
      return async () => void (await Promise.all(own.map((child) => child.stop())))
    },
    async queue(tenantId, queue, task, jobs, args = {}) {
      const data = { ...args, job: `gate.${task}`, tenantId, correlationId: tenantId }
      const rows = await world.query<{ id: string }>(
        `with scope as materialized (select set_config('app.current_tenant_id', $1, true))
         select internal.enqueue_job($2, $3::jsonb) as id from scope, generate_series(1, $4::integer)`,
        [tenantId, queue, JSON.stringify(data), jobs],
      )
      return rows.map(({ id }) => id)
    },
    async until(what, seconds, read, isGood) {
      const deadline = performance.now() + seconds * 1_000
      for (;;) {
        const value = await read()
        if (isGood(value)) return value
        if (performance.now() > deadline) throw new Error(`${what}: not after ${seconds} s (${JSON.stringify(value)})`)
        await sleep(100)
      }
    },
    async stop() {
      await Promise.all(kept.map((child) => child.stop()))
      await world.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export interface Finding {
  name: string
  seen: string
  /** A sentence each; none: passed. */
  faults: string[]
}

export function toText(gate: string, findings: readonly Finding[], tookMs: number): string {
  const isPassed = findings.every(({ faults }) => faults.length === 0)
  return [
    `gate ${gate}`,
    '',
    ...findings.flatMap(({ name, seen, faults }) => [
      `${faults.length === 0 ? 'passed' : 'FAILED'}  ${name}: ${seen}`,
      ...faults.map((fault) => `          ${fault}`),
    ]),
    '',
    `${isPassed ? 'passed' : 'FAILED'} in ${(tookMs / 1000).toFixed(0)} s`,
    '',
  ].join('\n')
}
