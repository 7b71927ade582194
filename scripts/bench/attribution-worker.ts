// What `npm run bench -- attribution` measures: a process as the worker is, that publishes what one tenant has stored, and what it
// has by then for each line of its input; or that measures a window of what is published (UTC days, both included).
//   DATABASE_URL=… SKELDIR_MASTER_KEY=… node scripts/bench/attribution-worker.ts <tenant-id> [<first day> <last day>]
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { bringUpToDate } from '../../src/attribution/engine/service.ts'
import { loadConfig } from '../../src/config.ts'
import type { TenantContext } from '../../src/context.ts'
import { createContext } from '../../src/main/context.ts'
import { type MarkovCost, measureMarkov } from './attribution-markov.ts'

/** What the parent is told of one publication. */
export interface Published extends Usage {
  ms: number
}

/** And of a window. */
export interface Windowed extends Usage, MarkovCost {}

interface Usage {
  /** Of this process, since it began. */
  peakMb: number
  /** Processor time that it took this process, and those of the database that served it (Linux; elsewhere 0). */
  cpuMs: number
  databaseCpuMs: number
}

const [tenantId = '', from, to = from] = process.argv.slice(2)
const worker = createContext(loadConfig(process.env), 'app_worker', 'bench')
const ctx: TenantContext = {
  ...worker,
  tenantId,
  correlationId: randomUUID(),
  clientAddress: null,
  principal: { kind: 'worker', tenantId },
}
const servers = new Set<number>()
worker.db.main.pool.on('connect', (client) => servers.add((client as unknown as { processID: number }).processID))
/** Fields 14 and 15 of proc(5), in hundredths of a second. */
function readCpuMs(pid: number): number {
  const path = `/proc/${pid}/stat`
  if (!existsSync(path)) return 0
  const fields = readFileSync(path, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function readDatabaseCpuMs(): number {
  return [...servers].reduce((sum, pid) => sum + readCpuMs(pid), 0)
}

async function publish(): Promise<{ ms: number }> {
  const started = performance.now()
  await bringUpToDate(ctx, new AbortController().signal)
  return { ms: performance.now() - started }
}

/** Prints what it took. */
async function tell(work: () => Promise<{ ms: number } | MarkovCost>): Promise<void> {
  const cpu = process.cpuUsage()
  const databaseCpuMs = readDatabaseCpuMs()
  const done = await work()
  const used = process.cpuUsage(cpu)
  const usage: Usage = {
    peakMb: process.resourceUsage().maxRSS / 1_024,
    cpuMs: (used.user + used.system) / 1_000,
    databaseCpuMs: readDatabaseCpuMs() - databaseCpuMs,
  }
  process.stdout.write(`${JSON.stringify({ ...done, ...usage })}\n`)
}

if (from === undefined || to === undefined) {
  await tell(publish)
  for await (const _ of createInterface({ input: process.stdin })) await tell(publish)
} else {
  await tell(() => measureMarkov(ctx, { from, to, timeZone: 'UTC', currency: 'USD', isConverted: false }))
}
await worker.close()
