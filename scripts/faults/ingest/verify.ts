import { setTimeout as sleep } from 'node:timers/promises'
import { compareStored, readStored, type Wanted } from '../../load/stored.ts'
import type { LoadTenant, LoadWorld } from '../../load/world.ts'
import type { Message } from './messages.ts'
import type { Ledger } from './senders.ts'

const DRAIN_DEADLINE_MS = 180_000

/** Resolves when the worker has nothing left to do. Throws after three minutes. */
export async function untilDrained(world: LoadWorld): Promise<void> {
  const deadline = performance.now() + DRAIN_DEADLINE_MS
  for (;;) {
    const [row] = await world.query<{ left: number }>(
      `select count(*)::integer as left from pgboss.job where name in ('webhook', 'attribution') and state < 'completed'`,
    )
    if (row?.left === 0) return
    if (performance.now() > deadline) throw new Error(`the worker has ${row?.left} jobs left after three minutes`)
    await sleep(200)
  }
}

export interface Comparison {
  /** Deliveries and touchpoints that were acknowledged. */
  acknowledged: number
  /** Of those that were never acknowledged, how many are there all the same. */
  openButStored: number
  open: number
  faults: string[]
}

/** Everything that was acknowledged is there exactly once; what was not may be there, and once. Of one tenant's. */
export async function compareDeliveries(
  world: LoadWorld,
  { acknowledged, givenUp }: Ledger,
  { tenantId }: LoadTenant,
): Promise<Comparison> {
  const wantOf = (message: Message, receipts: ReadonlySet<string>): Wanted[] => {
    if (!('shot' in message.holds)) return []
    const { door, sha256 } = message.holds.shot
    return [{ name: message.name, tenantId: door.tenantId, endpointId: door.endpointId, sha256, as: 'event', receipts }]
  }
  const sure = [...acknowledged].flatMap(([message, receipts]) => wantOf(message, receipts))
  const open = givenUp.flatMap((message) => wantOf(message, new Set()))
  const stored = await readStored(
    world,
    [...sure, ...open].map(({ sha256 }) => sha256),
  )
  // The tenant in peace has the same.
  const rows = stored.filter((row) => row.tenantId === tenantId)
  const there = new Set(rows.map(({ sha256 }) => sha256))
  const openButStored = open.filter(({ sha256 }) => there.has(sha256))
  return {
    acknowledged: sure.length,
    openButStored: openButStored.length,
    open: open.length,
    faults: compareStored([...sure, ...openButStored], rows),
  }
}

export async function compareTouchpoints(world: LoadWorld, { acknowledged, givenUp }: Ledger): Promise<Comparison> {
  const idsOf = (messages: Iterable<Message>) =>
    [...messages].flatMap(({ holds }) => ('touchpoints' in holds ? holds.touchpoints : []))
  const [sure, open] = [idsOf(acknowledged.keys()), idsOf(givenUp)]
  const rows = await world.query<{ id: string; count: number }>(
    'select external_id as id, count(*)::integer as count from touchpoints where external_id = any ($1) group by 1',
    [[...sure, ...open]],
  )
  const counts = new Map(rows.map(({ id, count }) => [id, count]))
  return {
    acknowledged: sure.length,
    openButStored: open.filter((id) => counts.has(id)).length,
    open: open.length,
    faults: [
      ...sure.filter((id) => !counts.has(id)).map((id) => `lost: touchpoint ${id} was acknowledged`),
      ...rows.filter(({ count }) => count > 1).map(({ id, count }) => `doubled: touchpoint ${id} has ${count} rows`),
    ],
  }
}

/** One job for each event that has something to enter, and every one of them done. */
export async function compareJobs(world: LoadWorld): Promise<{ jobs: number; faults: string[] }> {
  const rows = await world.query<{ eventId: string; jobs: number; done: number }>(
    `select e.event_id as "eventId", count(j.id)::integer as jobs,
            count(j.id) filter (where j.state = 'completed')::integer as done
     from webhook_events as e
     left join pgboss.job as j
       on j.name = 'webhook' and j.data ->> 'job' = 'webhooks.normalize_event' and j.data ->> 'eventId' = e.event_id::text
     where e.is_handled and not e.is_test
     group by 1`,
  )
  const faults = rows.flatMap(({ eventId, jobs, done }) => {
    if (jobs !== 1) return [`event ${eventId} has ${jobs} jobs`]
    return done === 1 ? [] : [`the job of event ${eventId} failed`]
  })
  return { jobs: rows.reduce((sum, { jobs }) => sum + jobs, 0), faults }
}

/** What the events of a tenant came to: for each order, kind and currency, the sum and how many entries it is made of. */
async function readEffects({ query }: LoadWorld, tenantId: string): Promise<Map<string, string>> {
  const rows = await query<{ key: string; effect: string }>(
    `select 'ledger ' || order_key || ' ' || kind || ' ' || currency as key,
            sum(amount_minor) || ' in ' || count(*) as effect
     from (
       select order_key, kind, currency, sum(amount_minor) as amount_minor
       from ledger_entries where tenant_id = $1
       group by order_key, kind, currency, coalesce(corrects_entry_key, entry_key)
       having sum(amount_minor) <> 0  -- what was corrected to nothing was not entered in every order of arrival
     ) as entry
     group by order_key, kind, currency
     union all
     select 'order ' || order_key, min(currency) || ' ' || min(ordered_at)
     from order_facts where tenant_id = $1 group by order_key`,
    [tenantId],
  )
  return new Map(rows.map(({ key, effect }) => [key, effect]))
}

/** Held against a tenant that got the same deliveries once, in peace: what differs was lost or had an effect twice. */
export async function compareEffects(
  world: LoadWorld,
  [stormy, calm]: readonly [LoadTenant, LoadTenant],
): Promise<{ effects: number; faults: string[] }> {
  const [had, should] = [await readEffects(world, stormy.tenantId), await readEffects(world, calm.tenantId)]
  const faults = [...new Set([...had.keys(), ...should.keys()])]
    .filter((key) => had.get(key) !== should.get(key))
    .map((key) => `${key}: ${had.get(key) ?? 'nothing'} instead of ${should.get(key) ?? 'nothing'}`)
  return { effects: should.size, faults }
}
