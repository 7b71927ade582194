import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { toConfig } from '../../../src/attribution/engine/editions/config.ts'
import { INITIAL_SETTINGS } from '../../../src/attribution/models/settings.ts'
import type { Vendor } from '../../../src/context.ts'
import { createApiKey } from '../../../src/tenants/service.ts'
import { givenFailedJob } from '../../support/failed-jobs.ts'
import { daysAgo, givenEndpoint, givenMember, toDay } from '../../support/given.ts'
import { newIds, rowsOf, toInsert } from '../../support/rows.ts'
import { bringUp, workerContext } from '../../support/worker.ts'
import type { Site } from './site.ts'

type Make = (site: Site) => Promise<string>

/** A member of the site who is nobody else. */
const member: Make = async ({ platform, tenant }) =>
  (await givenMember(platform, { tenant, email: `${randomUUID()}@example.test` })).userId

const apiKey: Make = async ({ platform, tenant }) =>
  (await createApiKey(platform.admin, { tenantSlug: tenant.slug, name: 'thing', scopes: ['events:write'] })).keyId

/** Of the site's admin. */
const session: Make = async (site) => {
  const sessionId = randomUUID()
  await insert(site, 'sessions', {
    session_id: sessionId,
    user_id: site.userIds.admin,
    created_at: new Date(),
    last_used_at: new Date(),
  })
  return sessionId
}

const endpoint =
  (vendor: Vendor): Make =>
  async (site) => {
    const made = await givenEndpoint(site.platform, vendor, { tenant: site.tenant })
    // From now on the site signs for this one.
    site.endpoints.set(vendor, made)
    return made.endpointKey
  }

const endpointId: Make = async ({ platform, tenant }) =>
  (await givenEndpoint(platform, 'stripe', { tenant })).endpointId

const recomputeJob: Make = async ({ platform, tenant }) => {
  const day = toDay(daysAgo(1))
  const body = { start_date: day, end_date: day }
  return (await platform.call('requestRecompute', { tenant, body })).body.job_id
}

const order: Make = async (site) => {
  const orderKey = `stripe:${randomUUID()}`
  const eventId = randomUUID()
  await insert(site, 'webhook_events', { event_id: eventId, endpoint_id: await endpointId(site) })
  await insert(site, 'order_facts', { event_id: eventId, order_key: orderKey })
  await insert(site, 'ledger_entries', { event_id: eventId, order_key: orderKey })
  await publish(site)
  return orderKey
}

/** An order is found once its figures are published. */
async function publish({ platform, tenant }: Site): Promise<void> {
  const closers: (() => Promise<void> | void)[] = []
  await bringUp(workerContext(platform, tenant, (close) => void closers.push(close)))
  for (const close of closers) await close()
}

const config = toConfig({
  lookbackDays: 30,
  channelRulesVersion: 1,
  reportingCurrency: 'USD',
  revenueDefinition: {
    version: 1,
    includesTax: true,
    includesShipping: true,
    includesTips: true,
    subtractsDiscounts: true,
  },
  attribution: { ...INITIAL_SETTINGS, version: 1 },
})

/** One that has answered. */
async function insertEdition(site: Site): Promise<{ editionId: string; number: number }> {
  const edition = { editionId: randomUUID(), number: randomInt(1_000_000_000, 2 ** 31 - 1) }
  await insert(site, 'attribution_editions', {
    edition_id: edition.editionId,
    number: edition.number,
    config: JSON.stringify(config),
    models: config.models.map(({ name }) => name),
    published_at: new Date(),
  })
  return edition
}

const edition: Make = async (site) => String((await insertEdition(site)).number)

/** Over the orders of a UTC day (YYYY-MM-DD). */
export async function givenRun(site: Site, day: string): Promise<void> {
  const { editionId } = await insertEdition(site)
  const [from, until] = [`${day}T00:00:00Z`, `${day}T24:00:00Z`]
  await insert(site, 'attribution_day_runs', { edition_id: editionId, window_start: from, window_end: until })
}

const deadEvent: Make = async (site) => {
  const deadEventId = randomUUID()
  await insert(site, 'dead_events', { dead_event_id: deadEventId, endpoint_id: await endpointId(site) })
  return deadEventId
}

const replay: Make = async (site) => {
  const { platform, tenant } = site
  const body = { filter: { dead_event_ids: [await deadEvent(site)] }, dry_run: false }
  return (await platform.call('replayDeadEvents', { tenant, body })).body.replay_id
}

const failedJob: Make = ({ platform, tenant }) => givenFailedJob(platform, tenant)

/** By what `Place.things` says. Makes one more thing in a site and returns its id. */
export const things: Readonly<Record<string, Make>> = {
  '/api/tenant/members/{user_id}': member,
  user_id: member,
  actor_id: member,
  '/api/tenant/api-keys/{key_id}': apiKey,
  key_id: apiKey,
  '/api/auth/sessions/{session_id}': session,
  '/api/webhook-endpoints/{endpoint_id}': endpointId,
  endpoint_id: endpointId,
  '/api/webhooks/stripe/in/{endpoint_key}': endpoint('stripe'),
  '/api/webhooks/shopify/in/{endpoint_key}': endpoint('shopify'),
  '/api/webhooks/paypal/in/{endpoint_key}': endpoint('paypal'),
  '/api/webhooks/woocommerce/in/{endpoint_key}': endpoint('woocommerce'),
  '/api/dead-events/{dead_event_id}': deadEvent,
  dead_event_id: deadEvent,
  replay_id: replay,
  '/api/failed-jobs/{job_id}': failedJob,
  '/api/attribution/recompute/{job_id}': recomputeJob,
  '/api/attribution/orders/{order_id}': order,
  '/api/attribution/editions/{edition_number}': edition,
  '/api/attribution/explain/{entity_type}/{entity_id}': order,
}

/** An id of the same form and length that nothing has. */
export function missingLike(id: string): string {
  const uuid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/
  if (uuid.test(id)) return id.replace(uuid, randomUUID())
  if (/^[\w-]{43}$/.test(id)) return randomBytes(32).toString('base64url')
  // The highest number there is, which none is given; all of them have as many digits.
  if (/^\d+$/.test(id)) return String(2 ** 31 - 1)
  throw new Error(`no other id is like ${id}`)
}

/** A valid row of the table, as the superuser: nothing of it is what is asserted. */
async function insert({ platform, tenant }: Site, table: string, changes: Record<string, unknown>): Promise<void> {
  const rows = rowsOf({ ...newIds(), tenantId: tenant.tenantId })
  const row = rows.find(([name]) => name === table)?.[1]
  if (row === undefined) throw new Error(`there is no row of ${table} to take`)
  await platform.query(...toInsert(table, { ...row, ...changes }))
}
