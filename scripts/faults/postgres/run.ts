import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findFreePort } from '../../../src/db/embedded.ts'
import { openClient } from '../../load/client.ts'
import { untilReady } from '../../load/processes.ts'
import { type LoadTenant, startWorld } from '../../load/world.ts'
import type { FaultOptions } from '../fault.ts'
import { type ProbeName, startProbing } from '../health/probing.ts'
import { collectGarbage, type Process, startProcess } from '../health/processes.ts'
import { inventMessages } from '../ingest/messages.ts'
import { startSenders } from '../ingest/senders.ts'
import { compareDeliveries, compareJobs, compareTouchpoints, untilDrained } from '../ingest/verify.ts'
import { type Memory, watchMemory } from './memory.ts'
import { growth, MAX_GROWTH_MB, MAX_RESUME_MS, type ProcessRow, type Report } from './report.ts'

const AWAY_S = 60
const SMOKE_AWAY_S = 5
/** Under load before and after, so that like is compared with like; the first seconds fill caches and compile code. */
const WARM_S = 20
const SMOKE_WARM_S = 8
/**
 * What is needed once and then kept (compiled code, buffers, the heap of a burst of answers) is no growth: a short absence
 * comes before the measurement. Without it one process of four was 61 MB larger after 5 s, with nothing lost or held.
 */
const REHEARSAL_S = 5
/** As long as the readings of memory reach back. */
const SETTLE_MS = 3_000
/** Messages a second. */
const RATE_PER_S = 40
const CONNECTIONS = 50
const PROBE_PAUSE_MS = 50
const GIVE_UP_MS = 60_000

type Options = Pick<FaultOptions, 'seed' | 'isSmoke' | 'say'>

/** Takes Postgres away while vendors deliver, brings it back, and starts nothing again. */
export async function takePostgresAway({ seed, isSmoke, say }: Options): Promise<Report> {
  const began = performance.now()
  const [awayS, warmS] = isSmoke ? [SMOKE_AWAY_S, SMOKE_WARM_S] : [AWAY_S, WARM_S]
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-faults-'))
  const stops: (() => Promise<void> | void)[] = [() => rmSync(folder, { recursive: true, force: true })]
  try {
    const world = await startWorld({ tenants: 1, say })
    stops.push(world.stop)
    const [tenant] = world.tenants as unknown as readonly [LoadTenant]
    const port = await findFreePort()
    const url = `http://127.0.0.1:${port}`
    say('starting two API processes and two workers')
    const processes = new Map<string, Process>()
    stops.push(async () => void (await Promise.all([...processes.values()].map((one) => one.stop()))))
    const start = async (name: string, command: string, env = {}) => {
      const options = { ready: /Debugger listening on (\S+)/, logFile: join(folder, `${name}.log`) }
      const args = ['--inspect=127.0.0.1:0', 'src/cli/main.ts', command]
      processes.set(name, await startProcess(args, { ...world.env, ...env }, options))
    }
    await start('API 1', 'serve', { PORT: String(port) })
    await start('API 2', 'serve', { PORT: '0' })
    await start('worker 1', 'worker')
    await start('worker 2', 'worker')
    await untilReady(url)
    const client = openClient(url, CONNECTIONS)
    stops.push(client.close)
    const memory = watchMemory(new Map([...processes].map(([name, { pid }]) => [name, pid])))
    stops.push(memory.stop)
    const senders = startSenders(client, inventMessages(tenant, seed), RATE_PER_S)
    const probing = startProbing(url, PROBE_PAUSE_MS)
    stops.push(probing.stop)

    say(`${warmS} s of load, a rehearsal of ${REHEARSAL_S} s, and ${warmS} s of load`)
    await sleep(warmS * 1_000)
    await world.killPostgres()
    await sleep(REHEARSAL_S * 1_000)
    await world.restartPostgres()
    await sleep(warmS * 1_000)
    // What nobody uses any more is no growth, and V8 takes its time to give it back; then the readings of some seconds.
    const tidyUp = async () => {
      await Promise.all([...processes.values()].map(({ told }) => collectGarbage(told)))
      await sleep(SETTLE_MS)
    }
    await tidyUp()
    const before = memory.read()
    say(`Postgres is away for ${awayS} s`)
    await world.killPostgres()
    await sleep(awayS * 1_000)
    const peak = memory.read()
    await tidyUp()
    const away = memory.read()
    await world.restartPostgres()
    const backAt = performance.now()
    say('Postgres is back')
    const until = async (what: string, probe: ProbeName) => ({
      what,
      ms: (await probing.until(probe, true, backAt, GIVE_UP_MS)).at - backAt,
    })
    const resumed = await Promise.all([
      until('the API is ready', 'ready'),
      until('a worker does a job', 'worker'),
      until('all is healthy', 'status'),
    ])
    say(`${warmS} s of load, and whatever waited`)
    await sleep(warmS * 1_000)
    await senders.finish()
    await untilDrained(world)
    await tidyUp()
    const after = memory.read()

    const { ledger } = senders
    const deliveries = await compareDeliveries(world, ledger, tenant)
    const touchpoints = await compareTouchpoints(world, ledger)
    const { jobs, faults: jobFaults } = await compareJobs(world)
    const rows = await Promise.all([...processes].map(([name, one]) => toRow(name, one, { before, peak, away, after })))
    const failures = [
      ...rows.filter(({ hasEnded }) => hasEnded).map(({ name }) => `${name} ended`),
      ...rows
        .filter((row) => growth(row) > MAX_GROWTH_MB)
        .map((row) => `${row.name} has grown by ${growth(row).toFixed(0)} MB`),
      ...resumed.filter(({ ms }) => ms > MAX_RESUME_MS).map(({ what, ms }) => `${what} only after ${ms.toFixed(0)} ms`),
      ...Object.entries(ledger.answers)
        .filter(([answer]) => /^[45]/.test(answer) && answer !== '503')
        .map(([answer, count]) => `${count} answers were ${answer}`),
      ...[deliveries, touchpoints].flatMap(({ faults }) => faults),
      ...jobFaults,
    ]
    const stored = [
      { what: 'deliveries', acknowledged: deliveries.acknowledged, faults: deliveries.faults.length },
      { what: 'touchpoints', acknowledged: touchpoints.acknowledged, faults: touchpoints.faults.length },
      { what: 'jobs of events', acknowledged: jobs, faults: jobFaults.length },
    ]
    const { answers } = ledger
    return { seed, awayS, processes: rows, resumed, answers, stored, failures, tookMs: performance.now() - began }
  } finally {
    for (const stop of stops.reverse()) await stop()
  }
}

interface Memories {
  before: Memory
  peak: Memory
  away: Memory
  after: Memory
}

async function toRow(name: string, { exited }: Process, { before, peak, away, after }: Memories): Promise<ProcessRow> {
  const hasEnded = await Promise.race([exited.then(() => true), sleep(0, false)])
  const of = (memory: Memory) => memory.get(name) ?? { nowMb: 0, maxMb: 0 }
  return {
    name,
    beforeMb: of(before).nowMb,
    peakMb: of(peak).maxMb,
    awayMb: of(away).nowMb,
    afterMb: of(after).nowMb,
    hasEnded,
  }
}
