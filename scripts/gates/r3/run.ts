import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, openClient } from '../../load/client.ts'
import { latencyOf } from '../../load/latency.ts'
import { startProcesses } from '../../load/processes.ts'
import { compareStored, readStored } from '../../load/stored.ts'
import { type LoadTenant, type LoadWorld, startWorld } from '../../load/world.ts'
import { fire, type Pace, type Volley } from './fire.ts'
import { watchHealth } from './health.ts'
import type { Report, Row } from './report.ts'
import { scan } from './scan.ts'
import { mix, type Order, scenarios } from './scenarios.ts'

const CONCURRENCY = 200
/** Milliseconds, of the sustained load. */
const MAX_P95_MS = 200
/** Of the rate that was asked for. */
const MIN_RATE = 0.98

export interface R3Options {
  seed: number
  rungs: readonly number[]
  sustained: { ratePerS: number; seconds: number }
  say: (line: string) => void
  /** Where deliveries are sent, given where the API is; a test stands in between. Default: the API itself. */
  through?: (apiUrl: string) => Promise<string>
}

/** Starts a platform and fires at it; everything is counted in the database, id by id. */
export async function proveIngestion({ seed, rungs, sustained, say, through }: R3Options): Promise<Report> {
  const began = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-gate-'))
  const logFile = join(folder, 'processes.log')
  const stops: (() => Promise<void> | void)[] = [() => rmSync(folder, { recursive: true, force: true })]
  try {
    const world = await startWorld({ tenants: 2, say })
    stops.push(world.stop)
    say('starting the API and a worker')
    const processes = await startProcesses({ ...world.env, LOG_LEVEL: 'debug' }, { worker: true, logFile })
    stops.push(processes.stop)
    const client = openClient((await through?.(processes.url)) ?? processes.url, CONCURRENCY)
    stops.push(client.close)
    const health = watchHealth(processes.url)
    stops.push(() => health.end())

    // Far from the seeds of another run: `--seed 2` shares no delivery with `--seed 1`.
    let next = seed * 10_000_000
    const range: Range = { world, client, seed, seeds: () => next++, wantedRows: { event: 0, dead: 0 } }
    const rows: Row[] = []
    for (const n of rungs) {
      for (const { name, plan } of scenarios) {
        say(`${n} ${name}`)
        const orders = plan(n, world.tenants as unknown as readonly [LoadTenant, LoadTenant], range.seeds)
        const { row } = await runOne(range, {
          rung: String(n),
          scenario: name,
          orders,
          pace: { concurrency: CONCURRENCY },
        })
        rows.push(row)
      }
    }
    rows.push(await sustain(range, sustained, say))
    const healthy = await health.stop()
    say('looking for personal data')
    const { hits, tables, bytesOfLogs } = await scan(world, [logFile, world.postgres().logFile])
    const checks = [
      {
        name: 'personal data',
        seen: `${hits.length} hits in ${tables} tables and ${bytesOfLogs} bytes of logs`,
        faults: hits,
      },
      await countAll(range),
      healthy,
    ]
    const isPassed = [...rows, ...checks].every(({ faults }) => faults.length === 0)
    return { seed, isPassed, rows, checks, tookMs: performance.now() - began }
  } finally {
    for (const stop of stops.reverse()) await stop()
  }
}

interface Range {
  world: LoadWorld
  client: Client
  seed: number
  seeds: () => number
  /** All that were stored so far. */
  wantedRows: { event: number; dead: number }
}

interface Run {
  rung: string
  scenario: string
  orders: readonly Order[]
  pace: Pace
}

async function runOne(range: Range, { rung, scenario, orders, pace }: Run): Promise<{ row: Row; volley: Volley }> {
  const volley = await fire(range.client, orders, pace, range.seeds())
  const stored = await readStored(
    range.world,
    orders.map(({ shot }) => shot.sha256),
  )
  const wanted = orders.map((order) => {
    const { shot, as } = order
    const { tenantId, endpointId } = shot.door
    return {
      name: shot.name,
      tenantId,
      endpointId,
      sha256: shot.sha256,
      as,
      receipts: volley.receipts.get(order) ?? new Set<string>(),
    }
  })
  const ok = volley.answers['200'] ?? 0
  const dead = stored.filter(({ table }) => table === 'dead').length
  range.wantedRows.event += stored.length - dead
  range.wantedRows.dead += dead
  const others = Object.entries(volley.answers).filter(([answer]) => answer !== '200')
  const row = {
    rung,
    scenario,
    sent: volley.sent,
    ok,
    rows: stored.length - dead,
    dead,
    latency: latencyOf(volley.latenciesMs),
    faults: [...others.map(([answer, count]) => `${count} answers were ${answer}`), ...compareStored(wanted, stored)],
  }
  return { row, volley }
}

/** The load that the requirements name, sent by the clock. */
async function sustain(
  range: Range,
  { ratePerS, seconds }: R3Options['sustained'],
  say: R3Options['say'],
): Promise<Row> {
  const [tenant] = range.world.tenants as [LoadTenant]
  const rung = `${ratePerS}/s`
  say(`${rung} for ${seconds} s`)
  const orders = mix(ratePerS * seconds, tenant, range.seeds)
  const { volley, row } = await runOne(range, {
    rung,
    scenario: `sustained ${seconds} s`,
    orders,
    pace: { ratePerS },
  })
  const { p95 } = row.latency
  if (p95 === null || p95 >= MAX_P95_MS)
    row.faults.push(`p95 is ${p95?.toFixed(0)} ms: below ${MAX_P95_MS} ms is asked for`)
  const achieved = volley.sent / (volley.tookMs / 1000)
  if (achieved < ratePerS * MIN_RATE) row.faults.push(`${achieved.toFixed(1)} requests a second instead of ${ratePerS}`)
  return row
}

/** Whatever was stored beside what was sent would show here. */
async function countAll({ world, wantedRows }: Range): Promise<Report['checks'][number]> {
  const [counts] = await world.query<{ events: number; dead: number; jobs: number; handled: number }>(
    `select (select count(*) from webhook_events)::integer as events,
            (select count(*) from dead_events)::integer as dead,
            (select count(*) from webhook_events where is_handled and not is_test)::integer as handled,
            (select count(distinct data ->> 'eventId') from pgboss.job
             where name = 'webhook' and data ->> 'job' = 'webhooks.normalize_event')::integer as jobs`,
  )
  const { events, dead, jobs, handled } = counts as NonNullable<typeof counts>
  const faults: string[] = []
  if (events !== wantedRows.event) faults.push(`${events} events, of which ${wantedRows.event} were asked for`)
  // The worker adds dead events of its own, for what contradicts itself: fewer would be a loss.
  if (dead < wantedRows.dead) faults.push(`${dead} dead events, not ${wantedRows.dead}`)
  if (jobs !== handled) faults.push(`${jobs} jobs for ${handled} events that have something to enter`)
  return { name: 'nothing beside it', seen: `${events} events, ${dead} dead events, ${jobs} jobs`, faults }
}
