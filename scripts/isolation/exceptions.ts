/**
 * What isolation does not rest on the template of DESIGN 6 for, each with the reason why it may be so. A reviewer reads
 * this file; the check refuses whatever is neither under the template nor here, and any line here that nothing needs.
 */
import { RUNTIME_ROLES } from '../../src/db/bootstrap.ts'

export interface TableException {
  reason: string
  /** Everything that each role but the owner and the migrator may do, as describeAccess prints it: no more, no less. */
  access: Record<string, readonly string[]>
  /** Its own policies, as describePolicy prints them. Without any, row level security is not what closes the table. */
  policies?: readonly string[]
}

const PROVISIONING = 'provisioning: permissive for all to app_rw using (true) with check (true)'
const LOOKUP = 'lookup_by_control: permissive for select to skeldir_control using (true)'
const WORKER_OWNS_QUEUE = { app_worker: ['DELETE', 'INSERT', 'SELECT', 'UPDATE'] }

const queue = (
  tables: readonly string[],
  reason: string,
  access: Record<string, readonly string[]> = WORKER_OWNS_QUEUE,
): Record<string, TableException> =>
  Object.fromEntries(tables.map((table) => [`pgboss.${table}`, { reason: `the queue: ${reason}`, access }]))

/** Of the schema `internal`: reached by reviewed functions of skeldir_control, and by nobody else. */
const controlled = (table: string, reason: string): Record<string, TableException> => ({
  [`internal.${table}`]: {
    reason,
    access: { skeldir_control: ['DELETE', 'INSERT', 'SELECT', 'UPDATE'] },
    policies: ['by_control: permissive for all to skeldir_control using (true) with check (true)'],
  },
})

/** Tables without a tenant's policies. A partition stands under the line of the table that it is part of. */
export const OUTSIDE: Record<string, TableException> = {
  'public.schema_migrations': {
    reason: 'which files of migrations/ the database has: nothing of any tenant',
    access: Object.fromEntries(RUNTIME_ROLES.map((role) => [role, ['SELECT']])),
  },
  'public.users': {
    reason:
      'a person may belong to several tenants; provisioning and reviewed functions read it, and whoever was invited joins',
    access: {
      app_rw: ['INSERT', 'SELECT', 'UPDATE(password_hash, status)'],
      app_user: ['INSERT(user_id, email, password_hash)'],
      skeldir_control: ['DELETE', 'SELECT', 'UPDATE(password_hash)'],
    },
    policies: [
      'join_by_invitation: permissive for insert to app_user with check ((EXISTS ( SELECT FROM member_invitations i WHERE ((i.user_id = users.user_id) AND (i.email = users.email)))))',
      LOOKUP,
      'password_by_control: permissive for update to skeldir_control using (true) with check (true)',
      PROVISIONING,
      'removal_by_control: permissive for delete to skeldir_control using (true)',
    ],
  },
  ...controlled('account_cutoffs', 'since when the tokens of a person hold, in all tenants'),
  ...controlled('address_limits', 'requests by the keyed hash of an address: nothing of any tenant'),
  ...controlled('login_attempts', 'failures by the keyed hash of an account or an address'),
  ...controlled('token_revocations', 'hashes of what is revoked: whoever reads them learns of no tenant and no person'),
  'public.tenant_slugs': {
    reason:
      'a slug is unique across tenants, since people type it to log in; provisioning reads it, and the retention, which goes through all tenants',
    access: { app_retention: ['SELECT'], app_rw: ['INSERT', 'SELECT'], skeldir_control: ['SELECT'] },
    policies: [PROVISIONING, LOOKUP, 'listing_for_retention: permissive for select to app_retention using (true)'],
  },
  'public.worker_probes': {
    reason: 'questions of /health/worker: nothing of any tenant',
    access: {
      app_user: ['INSERT(probe_id)', 'SELECT'],
      app_worker: ['DELETE', 'SELECT', 'UPDATE(answered_at, worker_id)'],
    },
    policies: [
      'answer: permissive for all to app_worker using (true) with check (true)',
      'ask: permissive for all to app_user using (true) with check (true)',
    ],
  },
  'public.worker_heartbeats': {
    reason: 'when each worker process was last seen, and how many jobs it is at: nothing of any tenant',
    access: {
      app_user: ['SELECT'],
      app_worker: ['DELETE', 'INSERT(worker_id, active_jobs)', 'SELECT', 'UPDATE(active_jobs, last_seen_at)'],
    },
    policies: [
      'beat: permissive for all to app_worker using (true) with check (true)',
      'watch: permissive for select to app_user using (true)',
    ],
  },
  'public.schedule_runs': {
    reason: 'when each schedule ran: nothing of any tenant',
    access: {
      app_user: ['SELECT'],
      app_worker: [
        'DELETE',
        'INSERT(run_id, schedule, worker_id)',
        'SELECT',
        'UPDATE(started_at, finished_at, outcome, message, worker_id)',
      ],
    },
    policies: [
      'run: permissive for all to app_worker using (true) with check (true)',
      'watch: permissive for select to app_user using (true)',
    ],
  },
  'public.fx_rates': {
    reason: 'what currencies were worth: public facts, of no tenant; provisioning loads them',
    access: {
      app_ro: ['SELECT'],
      app_rw: ['INSERT(base, quote, as_of, source, version, rate)', 'SELECT'],
      app_user: ['SELECT'],
      app_worker: ['SELECT'],
    },
    policies: [
      'load: permissive for all to app_rw using (true) with check (true)',
      'read: permissive for select to app_ro, app_user, app_worker using (true)',
    ],
  },
  'public.view_refreshes': {
    reason: 'what came of the last refresh of each view: nothing of any tenant',
    access: {
      app_user: ['SELECT'],
      app_worker: [
        'INSERT',
        'SELECT',
        'UPDATE(outcome, started_at, finished_at, succeeded_at, tenants, buckets, message)',
      ],
    },
    policies: [
      'run: permissive for all to app_worker using (true) with check (true)',
      'watch: permissive for select to app_user using (true)',
    ],
  },
  ...queue(
    ['job'],
    'a worker takes the jobs of every tenant; they hold ids, and no role that serves requests reads them',
    {
      ...WORKER_OWNS_QUEUE,
      skeldir_control: ['INSERT', 'SELECT(id, name, priority, state, group_id, start_after, created_on, blocked)'],
    },
  ),
  ...queue(['queue'], 'names and options of queues: nothing of any tenant', {
    ...WORKER_OWNS_QUEUE,
    skeldir_control: ['SELECT'],
  }),
  ...queue(['job_dependency'], 'ids of jobs that wait for each other'),
  ...queue(
    ['bam', 'queue_stats', 'schedule', 'subscription', 'version', 'warning'],
    "the library's own book-keeping: nothing of any tenant",
  ),
}

/** Tenant tables that skeldir_control reads across tenants, for a narrow function that runs before the tenant is known. */
export const LOOKUPS: Record<string, string> = {
  'public.api_keys': 'find_api_key: whose key is this',
  'public.member_invitations': 'find_invitation: whose invitation is this',
  'public.memberships': 'find_login: which tenants does this person belong to',
  'public.tenant_keys': 'find_webhook_endpoint: the key that unseals the secrets',
  'public.poll_credentials': 'list_polled_tenants: which tenants the clock has a poll for; ids only',
  'public.refresh_tokens': 'find_refresh_token: whose token is this',
  'public.sessions': 'change_password: the sessions of a person end in every tenant',
  'public.tenant_allowed_origins': 'is_allowed_origin: a preflight has no tenant',
  'public.tenants': 'find_login: names for choosing a tenant',
  'public.attribution_changes': 'list_unpublished_tenants: whose figures are behind, ids only',
  'public.attribution_day_run_totals': 'list_exchanged_spans: whose figures rates can change; ids and days only',
  'public.attribution_editions': 'list_exchanged_spans: which figures answer, and in which currency',
  'public.published_day_runs': 'list_exchanged_spans: which totals answer',
  'public.view_changes': 'list_changed_tenants: whose views are behind, ids only; measure_views: counts and ages',
  'public.webhook_endpoints': 'find_webhook_endpoint: whose endpoint is this',
  'public.token_cutoffs': 'is_authority_live: whether a member may still ask for what their job does',
  'public.webhook_secrets': 'find_webhook_endpoint: what a signature is checked with',
  'public.worker_failed_jobs': 'measure_queues: how many wait for somebody; counts by queue only',
}

export type Reach = 'context' | 'lookup' | 'all'

export interface DefinerException {
  reason: string
  /** Who may call it. */
  roles: readonly string[]
  /**
   * `context`: only what is of the transaction's tenant. `lookup`: of any tenant, to whoever knows the secret or the
   * name that it is asked with. `all`: of every tenant, to whoever may call it.
   */
  reach: Reach
  /** What it may write outside of a tenant; without it, nothing. */
  writesOutside?: string
}

/** SECURITY DEFINER functions: they see past the policies of whoever calls them. */
export const DEFINERS: Record<string, DefinerException> = {
  'internal.find_webhook_endpoint_keys(text,text)': {
    reason: 'a delivery names its endpoint by 256 random bits in the URL',
    roles: ['app_user'],
    reach: 'lookup',
  },
  'internal.find_webhook_endpoints(text,bytea,text)': {
    reason: 'asked with the SHA-256 of a key of 256 random bits; the endpoints of its tenant are the answer',
    roles: ['app_user'],
    reach: 'lookup',
  },
  'internal.find_api_key(bytea)': {
    reason: 'asked with the SHA-256 of a key of 256 random bits',
    roles: ['app_user'],
    reach: 'lookup',
  },
  'internal.find_login(text)': {
    reason: 'login knows an e-mail address only; the tenants of that one person are the answer',
    roles: ['app_user'],
    reach: 'lookup',
  },
  'internal.find_refresh_token(bytea)': {
    reason: 'asked with the SHA-256 of a token of 256 random bits',
    roles: ['app_user'],
    reach: 'lookup',
  },
  'internal.find_invitation(bytea,timestamp with time zone)': {
    reason: 'asked with the SHA-256 of a token of 256 random bits',
    roles: ['app_user'],
    reach: 'lookup',
  },
  'internal.find_user_id(text)': {
    reason: 'an invitation names an address; the answer is the id of that one person',
    roles: ['app_rw', 'app_user'],
    reach: 'lookup',
  },
  'internal.list_memberships_of(text)': {
    reason: 'operators ask where one person belongs; the API may not',
    roles: ['app_rw'],
    reach: 'lookup',
  },
  'internal.list_members(uuid,timestamp with time zone,text,integer)': {
    reason: 'addresses stand in users; those of the members of the context only',
    roles: ['app_rw', 'app_user'],
    reach: 'context',
  },
  'internal.has_other_admin(uuid,uuid)': {
    reason: 'whether an account is disabled stands in users; of the context only',
    roles: ['app_rw', 'app_user'],
    reach: 'context',
  },
  'internal.find_member(uuid)': {
    reason: 'address and standing of a member of the context',
    roles: ['app_rw', 'app_user'],
    reach: 'context',
  },
  'internal.find_password(uuid)': {
    reason: 'the hash that a member of the context proves the old password against',
    roles: ['app_user'],
    reach: 'context',
  },
  'internal.change_password(uuid,text,text,timestamp with time zone,timestamp with time zone,uuid)': {
    reason: 'of a member of the context who knows the old one; it ends their sessions in every tenant',
    roles: ['app_user'],
    reach: 'context',
  },
  'internal.confirm_password(uuid,text)': {
    reason: 'locks the account of a member of the context whose hash was just proven',
    roles: ['app_user'],
    reach: 'context',
  },
  'internal.restore_member(uuid,uuid,text)': {
    reason: 'only from the trigger on memberships: it refuses to be called',
    roles: ['app_rw', 'app_user'],
    reach: 'context',
  },
  'internal.end_account_sessions(uuid)': {
    reason: 'only from the trigger on users: it refuses to be called',
    roles: ['app_rw'],
    reach: 'context',
  },
  'internal.publish_revocation(uuid,text,uuid,text,timestamp with time zone)': {
    reason: 'of the context, or from a trigger on a row that the caller could change',
    roles: ['app_retention', 'app_rw', 'app_user'],
    reach: 'context',
  },
  'internal.list_polled_tenants()': {
    reason: 'the clock knows no tenant; the answer is ids, to the role that runs the jobs of all of them',
    roles: ['app_worker'],
    reach: 'all',
  },
  'internal.list_unpublished_tenants(integer)': {
    reason: 'the clock knows no tenant; the answer is ids, to the role that runs the jobs of all of them',
    roles: ['app_worker'],
    reach: 'all',
  },
  'internal.list_exchanged_spans(date[])': {
    reason: 'rates are of no tenant; the answer is ids and days, to the role that provisions all of them',
    roles: ['app_rw'],
    reach: 'all',
  },
  'internal.list_quiet_tenants(timestamp with time zone)': {
    reason: 'the clock knows no tenant; the answer is ids, to the role that runs the jobs of all of them',
    roles: ['app_worker'],
    reach: 'all',
  },
  'internal.read_revocations(xid8)': {
    reason: 'every process learns of every revocation; rows are hashes',
    roles: ['app_user'],
    reach: 'all',
  },
  'internal.admit_account(bytea,timestamp with time zone,integer,integer)': {
    reason: 'counts by a keyed hash',
    roles: ['app_user'],
    reach: 'context',
    writesOutside: 'it counts before anybody is known',
  },
  'internal.admit_address(bytea,timestamp with time zone,integer,integer)': {
    reason: 'counts by a keyed hash',
    roles: ['app_user'],
    reach: 'context',
    writesOutside: 'it counts before anybody is known',
  },
  'internal.admit_by_address(bytea,integer,integer)': {
    reason: 'counts by a keyed hash',
    roles: ['app_user'],
    reach: 'context',
    writesOutside: 'it counts before anybody is known',
  },
  'internal.forgive_attempt(bytea,bytea)': {
    reason: 'counts by a keyed hash',
    roles: ['app_user'],
    reach: 'context',
    writesOutside: 'it counts before anybody is known',
  },
  'internal.withdraw_attempt(bytea,bytea,timestamp with time zone,timestamp with time zone)': {
    reason: 'counts by a keyed hash',
    roles: ['app_user'],
    reach: 'context',
    writesOutside: 'it counts before anybody is known',
  },
  'internal.remove_accounts_of_offboarded(uuid[])': {
    reason: 'only while the tenant of the context is offboarded, and only accounts that no tenant has',
    roles: ['app_retention'],
    reach: 'context',
  },
  'internal.remove_expired_everywhere(timestamp with time zone,boolean)': {
    reason: 'counters and revocations by keyed hashes that have had their time; it answers numbers',
    roles: ['app_retention'],
    reach: 'context',
    writesOutside: 'what it removes is of no tenant',
  },
  'internal.is_allowed_origin(text)': {
    reason: 'a preflight proves nothing; the answer is yes or no, never whose',
    roles: ['app_user'],
    reach: 'lookup',
  },
  'internal.enqueue_job(text,jsonb,integer)': {
    reason: 'roles that serve requests add jobs and read none; it refuses a job of another tenant than the context',
    roles: ['app_ingest', 'app_retention', 'app_user', 'app_worker'],
    reach: 'context',
    writesOutside: 'the question of /health/worker is a job of no tenant',
  },
  'internal.is_authority_live(uuid,uuid,uuid)': {
    reason:
      'a job of a member is not begun when their session is over; the answer is yes or no, of the tenant of the context',
    roles: ['app_worker'],
    reach: 'context',
  },
  'internal.measure_queues()': {
    reason: 'counts and ages by queue: nothing of any tenant',
    roles: ['app_user', 'app_worker'],
    reach: 'all',
  },
  'internal.list_changed_tenants(text)': {
    reason: 'the clock knows no tenant; the answer is ids, to the role that runs the jobs of all of them',
    roles: ['app_worker'],
    reach: 'all',
  },
  'internal.measure_views(text[])': {
    reason: 'counts and ages by view: nothing of any tenant',
    roles: ['app_user', 'app_worker'],
    reach: 'all',
  },
  'internal.enqueue_jobs(text,jsonb[])': {
    reason: 'app_ingest adds jobs and reads none; it refuses a job of another tenant than the context',
    roles: ['app_ingest'],
    reach: 'context',
  },
}

/** Functions that set the tenant's context themselves: whoever may call one acts for whatever tenants it sets. */
export const SWITCHERS: Record<string, string> = {
  'internal.ingest_deliveries(jsonb)':
    'stores deliveries of many tenants in one transaction, as each tenant in turn; each was signed with a secret of its tenant',
  'internal.note_fx_rates()':
    'only from the trigger on fx_rates, and it gives the context back: notes as each tenant in turn which of its figures may change',
  'internal.record_api_key_use(uuid[],uuid[],timestamp with time zone[])':
    'enters when keys of many tenants were last used, as each tenant in turn; the API may act for any tenant',
  'internal.record_webhook_deliveries(uuid[],uuid[],timestamp with time zone[])':
    'enters when endpoints of many tenants took their last delivery, as each tenant in turn; the API may act for any tenant',
}

/** Views that read as their owner. Each must be a security_barrier that filters by the context; materialized ones have no grants. */
export const VIEWS: Record<string, string> = {}

/** What is granted on objects as they are made, `owner schema objects grantee: privileges`. */
export const DEFAULT_PRIVILEGES: Record<string, string> = {
  'skeldir_owner pgboss r app_worker: DELETE, INSERT, SELECT, UPDATE': 'what a newer pg-boss adds to its schema',
  'skeldir_owner pgboss f app_worker: EXECUTE': 'what a newer pg-boss adds to its schema',
  'skeldir_owner pgboss f skeldir_control: EXECUTE':
    'enqueue_job inserts through functions that a newer pg-boss may add',
}

/** Roles beside the schema's owner that may make objects in a schema. */
export const CREATORS: Record<string, string> = {
  'internal skeldir_control':
    'owns the definer functions; it cannot log in, and the migrator joins it inside a migration only',
}

/** What tells about other tenants although no row does, and why it stays. */
export const ACCEPTED_ORACLES: Record<string, string> = {
  explain:
    'EXPLAIN shows estimates from statistics of all tenants, and rows removed by the policy: no operation sends EXPLAIN, and whoever can send SQL of their own can choose a context too',
  counters:
    'pg_class and pg_stat_user_tables count the rows of all tenants together, for every role: PostgreSQL grants them to PUBLIC, and the number is of no single tenant',
}
