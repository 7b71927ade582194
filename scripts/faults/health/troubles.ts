import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, openClient } from '../../load/client.ts'
import type { LoadWorld } from '../../load/world.ts'
import type { ProbeName } from './probing.ts'
import { blockEventLoop, type Process } from './processes.ts'

export interface Scene {
  world: LoadWorld
  url: string
  inspectorUrl: string
  worker: () => Process
  startWorker: () => Promise<void>
}

export interface Trouble {
  name: string
  /** Those that must tell it, and tell its end. */
  probes: readonly ProbeName[]
  /** What the first of them must name; empty: it gives no answer. */
  names: string
  /** Resolves at the moment at which it is there, with what ends it; that resolves at the moment at which it is over. */
  begin: (scene: Scene) => Promise<() => Promise<void>>
}

const BLOCKED_MS = 4_000
/** Connections of app_ingest in one process. */
const POOL = 10

/** One statement breaks it, another one mends it. */
function statement(name: string, names: string, breaks: string, mends: string): Trouble {
  return {
    name,
    names,
    probes: ['ready', 'status'],
    async begin({ world }) {
      await world.query(breaks)
      return async () => void (await world.query(mends))
    },
  }
}

export const TROUBLES: readonly Trouble[] = [
  {
    name: 'worker killed',
    probes: ['worker', 'status'],
    names: '/worker',
    async begin({ worker, startWorker }) {
      process.kill(worker().pid, 'SIGKILL')
      await worker().exited
      return startWorker
    },
  },
  {
    name: 'Postgres stopped',
    probes: ['ready', 'worker', 'status'],
    names: '/checks/database',
    async begin({ world }) {
      await world.killPostgres()
      return world.restartPostgres
    },
  },
  {
    name: 'Postgres hung',
    probes: ['ready', 'worker', 'status'],
    names: '/checks/database',
    async begin({ world }) {
      const { pid } = world.postgres()
      process.kill(pid, 'SIGSTOP')
      // Whoever cannot be forked any more is complete.
      const all = [pid, ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)]
      signal(all, 'SIGSTOP')
      return async () => signal(all, 'SIGCONT')
    },
  },
  {
    name: 'Postgres read-only',
    probes: ['ready', 'worker', 'status'],
    names: '/checks/database',
    async begin({ world }) {
      await setReadOnly(world, 'on')
      return () => setReadOnly(world, 'off')
    },
  },
  statement(
    'grant revoked',
    '/checks/grants',
    'revoke insert on touchpoints from app_ingest',
    'grant insert on touchpoints to app_ingest',
  ),
  {
    name: 'schema behind',
    probes: ['ready', 'status'],
    names: '/checks/schema',
    async begin({ world }) {
      const [newest] = await world.query<{ name: string; checksum: string }>(
        `delete from schema_migrations where name = (select max(name) from schema_migrations) returning name, checksum`,
      )
      return async () =>
        void (await world.query('insert into schema_migrations (name, checksum) values ($1, $2)', [
          newest?.name,
          newest?.checksum,
        ]))
    },
  },
  statement(
    'RLS not forced',
    '/checks/row_level_security',
    'alter table touchpoints no force row level security',
    'alter table touchpoints force row level security',
  ),
  {
    name: 'pool exhausted',
    probes: ['ready', 'status'],
    names: '/checks/pool',
    begin: exhaustPool,
  },
  {
    name: 'event loop blocked',
    probes: ['live', 'ready', 'worker', 'status'],
    names: '',
    async begin({ inspectorUrl }) {
      const over = blockEventLoop(inspectorUrl, BLOCKED_MS)
      return () => over
    },
  },
]

/** A process that has ended meanwhile needs none. */
function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

async function setReadOnly(world: LoadWorld, value: 'on' | 'off'): Promise<void> {
  await world.query(`alter system set default_transaction_read_only = ${value}`)
  await world.query('select pg_reload_conf()')
  for (;;) {
    const [row] = await world.query<{ value: string }>(
      `select current_setting('default_transaction_read_only') as value`,
    )
    if (row?.value === value) return
    await sleep(5)
  }
}

/** A lock on what touchpoints are written to holds every connection that writes them. */
async function exhaustPool({ world, url }: Scene): Promise<() => Promise<void>> {
  const [tenant] = world.tenants
  if (tenant === undefined) throw new Error('there is no tenant')
  const release = await world.hold('lock table touchpoints in access exclusive mode')
  const client = openClient(url, 2 * POOL)
  const sent = Array.from({ length: 2 * POOL }, () => sendTouchpoint(client, tenant.apiKey))
  for (;;) {
    const [row] = await world.query<{ stuck: number }>(
      `select count(*)::integer as stuck from pg_stat_activity where usename = 'app_ingest' and wait_event_type = 'Lock'`,
    )
    if ((row?.stuck ?? 0) >= POOL) break
    await sleep(5)
  }
  return async () => {
    await release()
    void Promise.all(sent).then(client.close)
  }
}

function sendTouchpoint(client: Client, apiKey: string) {
  const body = Buffer.from(
    JSON.stringify({
      touchpoints: [
        {
          event_id: crypto.randomUUID(),
          visitor_id: '01K9Z3J5W8Q2Y6T4R1M7N0B5VC',
          session_id: '01K9Z3J5W8Q2Y6T4R1M7N0B5VD',
          occurred_at: new Date().toISOString(),
          channel: 'email',
        },
      ],
    }),
  )
  const headers = { 'x-skeldir-tenant-key': apiKey, 'content-type': 'application/json' }
  return client.send({ method: 'POST', path: '/api/events/touchpoints', headers, body }, 30_000)
}
