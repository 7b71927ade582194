import { spawn } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { startEnvironment } from '../isolation/environment.ts'
import { insertTenant, type Statement, storyOf } from './determinism-rows.ts'

const MOST_ORDERS = 100
const WORKERS = [1, 2, 3]
/** Of the host, not of the tenant: one where clocks change within the story, and one far from UTC. */
const TIME_ZONES = ['UTC', 'America/New_York', 'Pacific/Kiritimati']
/** Between two of them the workers publish. */
const PARTS = 3

interface Options {
  isJson: boolean
  cases: number
  seed: number
  say: (line: string) => void
}

/**
 * The same books in a hundred orders of arrival, each published in three parts by one, two and three worker processes at once, on hosts
 * of three time zones: prints how many different hashes there are. Exit codes: 0 one, 1 more.
 */
export async function verifyDeterminism({ isJson, cases, seed, say }: Options): Promise<number> {
  const orders = Math.min(cases, MOST_ORDERS)
  const environment = await startEnvironment(say)
  const admin = new pg.Client({ connectionString: environment.admin, application_name: 'skeldir verify' })
  admin.on('error', () => {})
  const env = {
    ...process.env,
    DATABASE_URL: environment.of('app_user'),
    SKELDIR_MASTER_KEY: randomBytes(32).toString('base64'),
    LOG_LEVEL: 'warn',
  }
  const hashes = new Map<string, string[]>()
  try {
    await admin.connect()
    let number = 0
    for (const workers of WORKERS) {
      for (const timeZone of TIME_ZONES) {
        say(`${orders} orders of arrival, ${workers} workers, ${timeZone}`)
        const tenantIds = Array.from({ length: orders }, () => randomUUID())
        const stories = tenantIds.map((tenantId, index) => shuffle(storyOf(tenantId), seed + index))
        for (const tenantId of tenantIds) {
          number += 1
          await insertTenant(admin, tenantId, number)
        }
        for (let part = 0; part < PARTS; part += 1) {
          for (const story of stories) await write(admin, story, part)
          const begun = Array.from({ length: workers }, (_, worker) =>
            publish({ ...env, TZ: timeZone }, worker % 2 === 0 ? tenantIds : tenantIds.toReversed()),
          )
          await Promise.all(begun)
        }
        for (const tenantId of tenantIds) {
          const hash = await readHash(admin, tenantId)
          hashes.set(hash, [...(hashes.get(hash) ?? []), `${workers} workers, ${timeZone}`])
        }
      }
    }
  } finally {
    await admin.end()
    await environment.stop()
  }
  const report = {
    orders,
    workers: WORKERS,
    timeZones: TIME_ZONES,
    seed,
    results: [...hashes].map(([hash, of]) => ({ hash, times: of.length, first: of[0] })),
  }
  const lines = report.results.map(({ hash, times, first }) => `${hash}  ${times} times, first of ${first}`)
  const summary = `${orders} orders of arrival x ${WORKERS.join(', ')} workers x ${TIME_ZONES.join(', ')}: ${hashes.size} different hashes (must be 1), seed ${seed}`
  process.stdout.write(isJson ? `${JSON.stringify(report)}\n` : `${[...lines, summary].join('\n')}\n`)
  return hashes.size === 1 ? 0 : 1
}

async function write(admin: pg.Client, story: readonly Statement[], part: number): Promise<void> {
  const size = Math.ceil(story.length / PARTS)
  await admin.query('begin')
  for (const { text: statement, values } of story.slice(part * size, (part + 1) * size)) {
    await admin.query(statement, values)
  }
  await admin.query('commit')
}

async function publish(env: NodeJS.ProcessEnv, tenantIds: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'determinism-worker.ts')], { env })
  const said = text(child.stderr)
  child.stdin.end(tenantIds.join('\n'))
  const [status] = await once(child, 'exit')
  if (status !== 0) throw new Error(`a worker ended with ${status}: ${await said}`)
}

/** Over the hashes of all runs that answer, by model and day. */
async function readHash(admin: pg.Client, tenantId: string): Promise<string> {
  const { rows } = await admin.query(
    `select encode(sha256(string_agg(concat_ws(' ', p.model, p.window_start at time zone 'UTC', r.input_hash, r.output_hash), E'\\n'
                                     order by p.model, p.window_start)::bytea), 'hex') as hash
     from attribution_editions as e
     join published_day_runs as p using (tenant_id, edition_id)
     join attribution_day_runs as r using (tenant_id, run_id)
     where tenant_id = $1 and e.status = 'published' and r.orders > 0`,
    [tenantId],
  )
  return rows[0].hash
}

/** The same order for the same seed. */
function shuffle<T>(items: readonly T[], seed: number): T[] {
  const rank = (index: number) => createHash('sha256').update(`${seed}/${index}`).digest('hex')
  return items
    .map((item, index) => ({ item, rank: rank(index) }))
    .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ item }) => item)
}
