import { createHash, randomInt, randomUUID } from 'node:crypto'
import pg from 'pg'
import type { RuntimeRole } from '../../src/db/bootstrap.ts'
import type { TestDatabase } from './database.ts'

export type OnTestFinished = (clean: () => Promise<void>) => void
export type Row = Record<string, unknown>

/** A connection of the test's own, closed when the test is. `admin` is the superuser: for preparing, never for what is asserted. */
export async function connectAs(
  database: TestDatabase,
  role: RuntimeRole | 'admin' | 'migrator',
  onTestFinished: OnTestFinished,
): Promise<pg.Client> {
  const url = role === 'admin' ? database.adminUrl : role === 'migrator' ? database.migrationUrl : database.urlOf(role)
  const client = new pg.Client({ connectionString: url, application_name: `test ${role}` })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

/** Runs one statement in a transaction with (or, for null, without) a tenant's context, and rolls it back. */
export async function tryIn(
  client: pg.Client,
  tenantId: string | null,
  statement: string,
  values: unknown[] = [],
): Promise<{ rows: Row[]; rowCount: number } | { code: string; message: string }> {
  await client.query('begin')
  try {
    if (tenantId !== null) await client.query("select set_config('app.current_tenant_id', $1, true)", [tenantId])
    const { rows, rowCount } = await client.query(statement, values)
    return { rows, rowCount: rowCount ?? 0 }
  } catch (error) {
    const { code = 'unknown', message } = error as pg.DatabaseError
    return { code, message }
  } finally {
    await client.query('rollback')
  }
}

/** Ids that the rows of one tenant refer to each other by. */
export interface TenantIds {
  tenantId: string
  userId: string
  endpointId: string
  eventId: string
  editionId: string
  formerRunId: string
  runId: string
  windowRunId: string
  sessionId: string
  deadEventId: string
  replayId: string
  entryKey: string
}

export function newIds(): TenantIds {
  return {
    tenantId: randomUUID(),
    userId: randomUUID(),
    endpointId: randomUUID(),
    eventId: randomUUID(),
    editionId: randomUUID(),
    formerRunId: randomUUID(),
    runId: randomUUID(),
    windowRunId: randomUUID(),
    sessionId: randomUUID(),
    deadEventId: randomUUID(),
    replayId: randomUUID(),
    entryKey: randomUUID(),
  }
}

const AT = '2026-03-01T12:00:00Z'
const bytes = () => createHash('sha256').update(randomUUID()).digest()

/**
 * One valid row of each table that has a tenant, in an order in which they can be inserted. Called twice it gives other
 * keys, so that a second row is refused by a policy or not at all.
 */
export function rowsOf({
  tenantId,
  userId,
  endpointId,
  eventId,
  editionId,
  formerRunId,
  runId,
  windowRunId,
  sessionId,
  deadEventId,
  replayId,
  entryKey,
}: TenantIds): [table: string, row: Row][] {
  const tenant = { tenant_id: tenantId }
  const window = {
    first_day: '2026-03-01',
    last_day: '2026-03-01',
    time_zone: 'UTC',
    currency: 'USD',
    is_converted: false,
  }
  return [
    ['tenants', { ...tenant, slug: `t-${tenantId.slice(0, 8)}`, name: 'Test shop', reporting_currency: 'USD' }],
    ['tenant_slugs', { ...tenant, slug: `t-${tenantId.slice(0, 8)}` }],
    ['tenant_keys', { ...tenant, key_version: 1, wrapping_kid: 'kid', wrapped_key: bytes() }],
    ['tenant_allowed_origins', { ...tenant, origin: `https://${randomUUID()}.example`, position: randomInt(1, 51) }],
    ['memberships', { ...tenant, user_id: userId, role: 'viewer' }],
    ['api_keys', { ...tenant, name: 'test', prefix: 'skd_', secret_hash: bytes(), scopes: ['events:write'] }],
    ['revenue_definitions', { ...tenant, version: randomInt(1, 2 ** 31) }],
    ['channel_rule_versions', { ...tenant, version: randomInt(1, 2 ** 31) }],
    ['attribution_setting_versions', { ...tenant, version: randomInt(1, 2 ** 31) }],
    ['tenant_alert_targets', { ...tenant, key_version: 1, sealed: bytes() }],
    [
      'member_invitations',
      {
        ...tenant,
        user_id: randomUUID(),
        email: `${randomUUID()}@example.test`,
        role: 'viewer',
        token_hash: bytes(),
        expires_at: '2099-01-01T00:00:00Z',
      },
    ],
    [
      'audit_log',
      { ...tenant, actor_kind: 'user', actor_id: userId, action: 'settings.updated', correlation_id: randomUUID() },
    ],
    [
      'sessions',
      {
        ...tenant,
        session_id: sessionId,
        user_id: userId,
        created_at: AT,
        last_used_at: AT,
        expires_at: '2099-01-01T00:00:00Z',
      },
    ],
    ['refresh_tokens', { ...tenant, token_hash: bytes(), session_id: sessionId, issued_at: AT }],
    ['token_cutoffs', { ...tenant, user_id: userId, not_before: AT, set_at: AT }],
    ['rate_limits', { ...tenant, policy: 'default' }],
    [
      'idempotency_keys',
      {
        ...tenant,
        key_hash: bytes(),
        operation_id: 'createApiKey',
        request_hash: bytes(),
        claim_id: randomUUID(),
        claimed_until: AT,
        expires_at: '2099-01-01T00:00:00Z',
      },
    ],
    [
      'webhook_endpoints',
      {
        ...tenant,
        endpoint_id: endpointId,
        vendor: 'stripe',
        name: 'test',
        endpoint_key: bytes().toString('base64url'),
      },
    ],
    ['webhook_secrets', { ...tenant, endpoint_id: endpointId, key_version: 1, sealed: bytes() }],
    [
      'webhook_events',
      {
        ...tenant,
        event_id: eventId,
        vendor: 'stripe',
        external_id: `evt_${randomUUID()}`,
        endpoint_id: endpointId,
        topic: 'charge.succeeded',
        body_sha256: bytes(),
        payload: '{}',
        is_test: false,
        is_handled: true,
        correlation_id: randomUUID(),
      },
    ],
    [
      'dead_events',
      {
        ...tenant,
        dead_event_id: deadEventId,
        vendor: 'stripe',
        endpoint_id: endpointId,
        class: 'poison',
        code: 'too_deep',
        detail: 'test',
        body_sha256: bytes(),
        correlation_id: randomUUID(),
      },
    ],
    ['retention_runs', { ...tenant, run_id: randomUUID(), item: 'touchpoints', cutoff: AT, looked_at: '1' }],
    [
      'data_requests',
      {
        ...tenant,
        event_id: eventId,
        order_keys: ['shopify:1'],
        key_version: 1,
        sealed: bytes(),
        expires_at: '2099-01-01T00:00:00Z',
      },
    ],
    [
      'browser_errors',
      { ...tenant, fingerprint: bytes(), first_seen_at: AT, last_seen_at: AT, key_version: 1, sealed: bytes() },
    ],
    [
      'worker_failed_jobs',
      {
        ...tenant,
        job_id: randomUUID(),
        run_id: randomUUID(),
        queue: 'attribution',
        task: 'attribution.run_recompute',
        failure_class: 'internal',
        message: 'It failed.',
        is_redacted: false,
        correlation_id: randomUUID(),
        attempts: 1,
        enqueued_at: AT,
        first_failed_at: AT,
        last_failed_at: AT,
      },
    ],
    [
      'worker_job_failures',
      { ...tenant, job_id: randomUUID(), attempt: 1, failure_class: 'internal', message: 'It failed.' },
    ],
    ['job_effects', { ...tenant, job_id: randomUUID(), effect: 'done', attempt: 1 }],
    ['erased_orders', { ...tenant, order_key: `shopify:${randomInt(1, 2 ** 40)}` }],
    ['poll_credentials', { ...tenant, endpoint_id: endpointId, key_version: 1, sealed: bytes() }],
    ['poll_cursors', { ...tenant, endpoint_id: endpointId, polled_until: AT }],
    [
      'poll_findings',
      {
        ...tenant,
        run_id: randomUUID(),
        endpoint_id: endpointId,
        topic: 'charge.succeeded',
        listed_since: AT,
        listed_until: '2026-03-02T00:00:00Z',
        is_whole: true,
        seen: 0,
        listed: 1,
        missing: 1,
        recovered: 0,
        unreadable: 0,
        missing_money: '{}',
      },
    ],
    [
      'endpoint_silences',
      {
        ...tenant,
        endpoint_id: endpointId,
        silent_since: new Date(randomInt(2 ** 40)),
        noticed_at: AT,
        limit_seconds: 60,
      },
    ],
    ['view_changes', { ...tenant, view: 'daily_revenue', bucket: randomUUID() }],
    [
      'view_allocation_summary',
      {
        ...tenant,
        day: '2026-03-01',
        model: randomUUID(),
        currency: 'USD',
        run_id: runId,
        model_version: '1.0.0',
        orders: 1,
        attributed_orders: 1,
        revenue_minor: '1999',
        allocated_minor: '1999',
      },
    ],
    [
      'view_channel_performance',
      {
        ...tenant,
        day: '2026-03-01',
        model: 'linear',
        channel: randomUUID(),
        currency: 'USD',
        orders: 1,
        conversion_micro: '1000000',
        revenue_minor: '1999',
      },
    ],
    [
      'view_daily_revenue',
      {
        ...tenant,
        day: new Date(randomInt(2 ** 40)),
        currency: 'USD',
        kind: 'capture',
        amount_minor: '1999',
        entries: 1,
      },
    ],
    [
      'view_realtime_revenue',
      {
        ...tenant,
        hour: new Date(randomInt(2 ** 40)),
        currency: 'USD',
        vendor: 'stripe',
        captured_minor: '1999',
        refunded_minor: '0',
        entries: 1,
        verified: 1,
        newest_recorded: AT,
      },
    ],
    [
      'view_reconciliation_status',
      {
        ...tenant,
        endpoint_id: randomUUID(),
        listed: '0',
        missing: '0',
        recovered: '0',
        unreadable: '0',
        is_whole: true,
      },
    ],
    ['dead_event_replays', { ...tenant, replay_id: replayId, filter: '{}', correlation_id: randomUUID() }],
    ['dead_event_takes', { ...tenant, replay_id: replayId, dead_event_id: deadEventId, position: 1 }],
    [
      'dead_event_outcomes',
      {
        ...tenant,
        replay_id: replayId,
        dead_event_id: deadEventId,
        outcome: 'still_dead',
        code: 'too_deep',
        recipes: [],
      },
    ],
    ['dead_event_states', { ...tenant, dead_event_id: deadEventId, status: 'pending' }],
    [
      'conversions',
      {
        ...tenant,
        conversion_id: randomUUID(),
        source: 'conversion',
        kind: 'purchase',
        order_key: 'own:1',
        occurred_at: AT,
        currency: 'USD',
        total_minor: '1999',
        tax_minor: '0',
        shipping_minor: '0',
        tip_minor: '0',
        discount_minor: '0',
        item_sha256: bytes(),
      },
    ],
    [
      'spend_versions',
      {
        ...tenant,
        day: '2026-03-01',
        time_zone: 'UTC',
        channel: 'email',
        source: randomUUID(),
        campaign: '',
        currency: 'USD',
        version: 1,
        amount_minor: '100',
      },
    ],
    ['import_files', { ...tenant, kind: 'orders', file_sha256: bytes(), reading: 'csv' }],
    ['dead_event_sightings', { ...tenant, dead_event_id: deadEventId, last_correlation_id: randomUUID() }],
    ['dead_event_bodies', { ...tenant, dead_event_id: deadEventId, key_version: 1, sealed_body: bytes() }],
    [
      'canonical_events',
      {
        ...tenant,
        event_id: eventId,
        ordinal: randomInt(0, 2 ** 31),
        type: 'order_created',
        order_key: 'stripe:pi_1',
        currency: 'USD',
        occurred_at: AT,
      },
    ],
    ['order_groups', { ...tenant, order_key: `stripe:${randomUUID()}`, group_key: 'stripe:pi_1' }],
    [
      'order_facts',
      { ...tenant, order_key: `stripe:${randomUUID()}`, event_id: eventId, currency: 'USD', ordered_at: AT },
    ],
    [
      'order_parts',
      {
        ...tenant,
        order_key: `stripe:${randomUUID()}`,
        event_id: eventId,
        currency: 'USD',
        total_minor: '1999',
        tax_minor: '319',
        shipping_minor: '0',
        tip_minor: '0',
        discount_minor: '0',
      },
    ],
    [
      'ledger_entries',
      {
        ...tenant,
        entry_key: entryKey,
        order_key: 'stripe:pi_1',
        kind: 'capture',
        amount_minor: '1999',
        currency: 'USD',
        vendor: 'stripe',
        event_id: eventId,
        occurred_at: AT,
      },
    ],
    ['uncounted_entries', { ...tenant, entry_key: entryKey, group_key: 'stripe:pi_1' }],
    [
      'touchpoints',
      {
        ...tenant,
        origin: 'server',
        external_id: randomUUID(),
        identity: bytes(),
        occurred_at: AT,
        channel: 'email',
        item_sha256: bytes(),
      },
    ],
    // Of the release before (0005), which may run beside this one.
    [
      'attribution_runs',
      {
        ...tenant,
        run_id: formerRunId,
        model: 'linear',
        model_version: '1.0.0',
        window_start: '2026-03-01T00:00:00Z',
        window_end: '2026-03-02T00:00:00Z',
        data_cutoff: AT,
        input_hash: bytes().toString('hex'),
        output_hash: bytes().toString('hex'),
        orders: 1,
      },
    ],
    [
      'attribution_run_totals',
      {
        ...tenant,
        run_id: formerRunId,
        currency: 'USD',
        orders: 1,
        attributed_orders: 1,
        captured_minor: '1999',
        refunded_minor: '0',
        over_refunded_minor: '0',
        net_minor: '1999',
        attributed_minor: '1999',
      },
    ],
    [
      'attribution_credits',
      {
        ...tenant,
        run_id: formerRunId,
        order_key: 'stripe:pi_1',
        entry_key: randomUUID(),
        position: 0,
        channel: 'email',
        ordered_at: AT,
        currency: 'USD',
        revenue_minor: '1999',
        conversion_micro: '1000000',
      },
    ],
    ['published_runs', { ...tenant, model: 'linear', window_start: '2026-03-01T00:00:00Z', run_id: formerRunId }],
    [
      'attribution_editions',
      {
        ...tenant,
        edition_id: editionId,
        number: randomInt(1, 2 ** 31),
        config: '{}',
        config_sha256: bytes(),
        models: ['linear'],
        status: 'superseded',
      },
    ],
    ['attribution_changes', { ...tenant, order_key: 'stripe:pi_1' }],
    [
      'attribution_orders',
      {
        ...tenant,
        edition_id: editionId,
        order_key: `stripe:${randomUUID()}`,
        revision: 1,
        ordered_at: AT,
        identity_tier: 'visitor_id',
        touches: 1,
        currencies: ['USD'],
        captured_minor: ['1999'],
        refunded_minor: ['0'],
        over_refunded_minor: ['0'],
        input_sha256: bytes(),
        output_sha256: bytes(),
      },
    ],
    [
      'attribution_touch_credits',
      {
        ...tenant,
        edition_id: editionId,
        order_key: 'stripe:pi_1',
        revision: 1,
        entry_key: randomUUID(),
        position: 0,
        kind: 'capture',
        currency: 'USD',
        ordered_at: AT,
        occurred_at: AT,
        channel: 'email',
        revenue_minor: ['1999'],
        conversion_micro: ['1000000'],
      },
    ],
    [
      'attribution_entry_credits',
      {
        ...tenant,
        edition_id: editionId,
        order_key: 'stripe:pi_1',
        revision: 1,
        entry_key: randomUUID(),
        position: 0,
        kind: 'capture',
        currency: 'USD',
        ordered_at: AT,
        occurred_at: AT,
        channels: ['email'],
        revenue_minor: ['1999'],
        conversion_micro: [1_000_000],
        is_reporting: true,
      },
    ],
    [
      'attribution_day_runs',
      {
        ...tenant,
        run_id: runId,
        edition_id: editionId,
        publication: 1,
        model: 'linear',
        model_version: '1.0.0',
        window_start: '2026-03-01T00:00:00Z',
        window_end: '2026-03-02T00:00:00Z',
        data_cutoff: AT,
        input_hash: bytes().toString('hex'),
        output_hash: bytes().toString('hex'),
        orders: 1,
        cause: 'data',
      },
    ],
    [
      'attribution_day_run_totals',
      {
        ...tenant,
        run_id: runId,
        currency: 'USD',
        orders: 1,
        attributed_orders: 1,
        captured_minor: '1999',
        refunded_minor: '0',
        over_refunded_minor: '0',
        net_minor: '1999',
        attributed_minor: '1999',
      },
    ],
    [
      'attribution_run_changes',
      {
        ...tenant,
        run_id: runId,
        channel: randomUUID(),
        currency: 'USD',
        revenue_delta_minor: '1999',
        conversion_delta_micro: '1000000',
      },
    ],
    [
      'attribution_publication_changes',
      {
        ...tenant,
        edition_id: editionId,
        day: '2026-03-01',
        publication: 1,
        channel: randomUUID(),
        currency: 'USD',
        revenue_delta_minor: ['1999'],
        conversion_delta_micro: ['1000000'],
      },
    ],
    [
      'published_day_runs',
      { ...tenant, edition_id: editionId, model: 'linear', window_start: '2026-03-01T00:00:00Z', run_id: runId },
    ],
    ['attribution_windows', { ...tenant, ...window, time_zone: randomUUID() }],
    [
      'attribution_window_runs',
      {
        ...tenant,
        ...window,
        window_run_id: windowRunId,
        edition_id: editionId,
        starts_at: '2026-03-01T00:00:00Z',
        ends_at: '2026-03-02T00:00:00Z',
        data_cutoff: AT,
        orders: 1,
        attributed_orders: 1,
        net_minor: '1999',
        coverage: 1,
        replicates: 200,
        seed: 'seed',
        input_sha256: bytes(),
        output_sha256: bytes(),
        diagnostics: '{}',
      },
    ],
    [
      'attribution_edition_sums',
      {
        ...tenant,
        edition_id: editionId,
        day: '2026-03-01',
        channel: 'email',
        currency: 'USD',
        revenue_minor: ['1999'],
        conversion_micro: ['1000000'],
      },
    ],
    [
      'attribution_window_channels',
      {
        ...tenant,
        window_run_id: windowRunId,
        model: 'linear',
        channel: randomUUID(),
        conversion_micro: '1000000',
        revenue_minor: '1999',
        share: 1,
        sample_size: 1,
        grade: 'D',
      },
    ],
    [
      'published_windows',
      {
        ...tenant,
        ...window,
        time_zone: randomUUID(),
        edition_id: editionId,
        window_run_id: windowRunId,
        publication: 1,
      },
    ],
    [
      'attribution_recompute_jobs',
      {
        ...tenant,
        window_start: '2026-03-01T00:00:00Z',
        window_end: '2026-03-02T00:00:00Z',
        model_version: '1.0.0',
        requested_by: userId,
      },
    ],
  ]
}

export function toInsert(table: string, row: Row): [statement: string, values: unknown[]] {
  const columns = Object.keys(row)
  const marks = columns.map((_, index) => `$${index + 1}`)
  return [`insert into ${table} (${columns.join(', ')}) values (${marks.join(', ')})`, Object.values(row)]
}

/** A person and one row in each tenant table. `admin` is the superuser, whom no policy stops. */
export async function givenTenantRows(admin: pg.Client, ids: TenantIds = newIds()): Promise<TenantIds> {
  await admin.query('insert into users (user_id, email, password_hash) values ($1, $2, $3)', [
    ids.userId,
    `${ids.userId}@example.test`,
    'none',
  ])
  for (const [table, row] of rowsOf(ids)) await admin.query(...toInsert(table, row))
  return ids
}
