import { createHash } from 'node:crypto'
import type { TenantContext } from '../../context.ts'
import type { Tx } from '../../db/tenant.ts'
import { type ChannelRules, classify } from '../channels/classify.ts'
import { CLICK_IDS, findClickIdKind, readClickIds } from '../channels/click-ids.ts'
import { toPublicPath } from '../channels/order-touches.ts'
import { getChannelRules } from '../channels/service.ts'
import { cleanText, readUtm, UTM_FIELDS } from '../channels/utm.ts'
import { judgeReferrer, readArrival, toVisit } from '../channels/visit.ts'
import { findClockFault, MAX_IMPORT_AGE_MS } from '../clock.ts'
import { isChannel } from '../known-channels.ts'
import { loadTouchHasher, storeTouchpoints, type Touch, type TouchHasher } from '../touchpoints.ts'
import { type ImportKind, isOutcome, type Outcome, readItem, rejected, toContent, withStored } from './kind.ts'
import { ID, ID_MEANING } from './orders.ts'
import type { Row } from './rows.ts'
import { CellError, type Read, readMatch, requireCell, requireTime } from './values.ts'

const UTM_COLUMNS = UTM_FIELDS.map((field) => `utm_${field}`)
const CLICK_COLUMNS = CLICK_IDS.map(({ name }) => name)
/** Addresses are read and not stored. */
const ADDRESSES = ['page_url', 'referrer']

/** Contacts of visitors with channels, named by the file or by the tenant's rules. */
export const touchpoints: ImportKind = {
  columns: {
    required: ['visitor_id', 'occurred_at'],
    optional: [
      ...['event_id', 'session_id', 'channel', 'source', 'medium', 'campaign'],
      ...ADDRESSES,
      ...UTM_COLUMNS,
      ...CLICK_COLUMNS,
    ],
  },
  batchSize: 500,
  isReplaced: false,
  store,
}

async function store(tx: Tx, ctx: TenantContext, rows: readonly Row[]): Promise<Outcome[]> {
  const [hasher, rules] = [await loadTouchHasher(tx, ctx), await getChannelRules(tx, ctx.tenantId)]
  const now = ctx.clock()
  const items = rows.map((row) =>
    readItem(
      row,
      (good): Touch | Outcome => {
        const touch = readTouch(good, hasher, rules)
        if (touch === null) return { result: 'skipped', code: null, detail: null, sums: [] }
        const fault = findClockFault(touch.occurredAt, now, MAX_IMPORT_AGE_MS)
        return fault === null ? touch : rejected(fault)
      },
      [...ADDRESSES, ...CLICK_COLUMNS],
    ),
  )
  const good = items.filter((item): item is Touch => !isOutcome(item))
  const stored = await storeTouchpoints(tx, ctx, 'import', good)
  const outcomes = stored.map(({ result, code }, index): Outcome => {
    const touch = good[index] as Touch
    const item = { id: touch.eventId, content: toContent(touch), sums: [[touch.channel, 1n]] as const }
    return { result, code, detail: null, sums: result === 'accepted' ? item.sums : [], item }
  })
  return withStored(items, outcomes)
}

/** Null: a visit that starts no touch, such as the return from a payment page. */
function readTouch({ read }: Row, hasher: TouchHasher, rules: ChannelRules): Touch | null {
  const visitorId = requireCell(read, 'visitor_id')
  readMatch(read, 'visitor_id', ID, `made of ${ID_MEANING}`)
  const sessionId = readMatch(read, 'session_id', ID, `made of ${ID_MEANING}`)
  const occurredAt = requireTime(read, 'occurred_at')
  const origin = readOrigin(read, hasher, rules)
  if (origin === null) return null
  const touch = {
    ...origin,
    occurredAt,
    identity: hasher.visitor(visitorId),
    session: sessionId === null ? null : hasher.session(sessionId),
    tier: 'visitor_id' as const,
    orderKey: null,
  }
  const eventId = readMatch(read, 'event_id', ID, `made of ${ID_MEANING}`)
  return { ...touch, eventId: eventId ?? toEventId(touch) }
}

type Origin = Pick<
  Touch,
  'channel' | 'source' | 'medium' | 'campaign' | 'click' | 'landingPath' | 'referrerHost' | 'channelRules'
>

function readOrigin(read: Read, hasher: TouchHasher, rules: ChannelRules): Origin | null {
  const parameters = [...UTM_COLUMNS, ...CLICK_COLUMNS].flatMap((name): [string, string][] => {
    const text = read(name)
    return text === null ? [] : [[name, text]]
  })
  const [own, referrer] = [{ utm: readUtm(parameters), clickIds: readClickIds(parameters) }, read('referrer')]
  const pageUrl = read('page_url')
  const arrival = pageUrl === null ? null : readArrival({ pageUrl, referrer })
  if (pageUrl !== null && arrival === null) throw new CellError('page_url is not an address (https://…)')
  // What has a column of its own holds before what stands in the address.
  const merged = {
    ...(arrival ?? judgeReferrer(referrer, [])),
    utm: { ...own.utm, fields: { ...arrival?.utm.fields, ...own.utm.fields } },
    clickIds: [...own.clickIds, ...(arrival?.clickIds ?? [])],
  }
  const visit = toVisit(merged)
  const channel = read('channel')
  if (channel !== null && !isChannel(channel)) throw new CellError('channel is not a channel of the contract')
  if (visit === null && channel === null) return null
  const clicks = merged.clickIds.map(({ name, value }) => {
    const isUnique = findClickIdKind(name)?.isUnique === true
    return { kind: name, hash: isUnique ? hasher.click(name, value) : null }
  })
  const named = (name: string, found: string | null | undefined) => cleanText(read(name) ?? '') ?? found ?? null
  const decided = channel === null && visit !== null ? classify(rules, visit) : null
  const landingPath = arrival?.landingPath ?? null
  return {
    channel: decided?.channel ?? (channel as Touch['channel']),
    channelRules: decided?.ruleVersion ?? null,
    source: named('source', visit?.source),
    medium: named('medium', visit?.medium),
    campaign: named('campaign', visit?.campaign),
    click: clicks.find(({ hash }) => hash !== null) ?? clicks[0] ?? null,
    landingPath: landingPath === null ? null : toPublicPath(landingPath),
    referrerHost: merged.referrerHost,
  }
}

/** For a file without ids: equal rows are one touch, whatever file they stand in. */
function toEventId({ channelRules, channel, ...touch }: Omit<Touch, 'eventId'>): string {
  const hex = (hash: Buffer | null | undefined) => hash?.toString('hex') ?? null
  const { occurredAt, source, medium, campaign, identity, session, click, landingPath, referrerHost } = touch
  const named = channelRules === null ? channel : null
  const origin = [named, source, medium, campaign, click?.kind ?? null, hex(click?.hash), landingPath, referrerHost]
  const fields = [occurredAt.toISOString(), hex(identity), hex(session), ...origin]
  return `row-${createHash('sha256').update(JSON.stringify(fields)).digest('hex').slice(0, 32)}`
}
