-- Errors that browsers of members report, signs of life of workers, and the figures of the queues.
-- The migrator joins skeldir_control for this transaction only.
grant skeldir_control to current_user;
set local role skeldir_owner;

-- Equal errors of one release are one row. What a report says is sealed: its URL may name a person.
create table browser_errors (
  tenant_id     uuid        not null references tenants (tenant_id),
  error_id      uuid        not null default gen_random_uuid(),
  fingerprint   bytea       not null check (octet_length(fingerprint) = 32),   -- HMAC-SHA-256 of release, class, message and stack
  release       text        check (release ~ '^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$'),
  client        text        check (length(client) between 1 and 100),          -- of the latest report: `Firefox on Linux`
  occurrences   bigint      not null default 1 check (occurrences >= 1),
  first_seen_at timestamptz not null,
  last_seen_at  timestamptz not null check (last_seen_at >= first_seen_at),
  key_version   integer     not null,   -- no reference: a tenant's end destroys its keys before the rows are gone
  sealed        bytea       not null check (octet_length(sealed) between 28 and 131072),   -- of the latest report; AES-256-GCM under the tenant's key; AAD = tenant, purpose with the fingerprint, version
  primary key (tenant_id, error_id),
  unique (tenant_id, fingerprint)
);
create index browser_errors_seen_idx on browser_errors (tenant_id, last_seen_at, error_id);   -- the list, the retention
call internal.isolate_by_tenant('browser_errors', array['app_user', 'app_retention']);
grant select, delete, insert (tenant_id, fingerprint, release, client, first_seen_at, last_seen_at, key_version, sealed),
  update (client, occurrences, first_seen_at, last_seen_at, key_version, sealed) on browser_errors to app_user;
grant select (tenant_id, error_id, last_seen_at), delete on browser_errors to app_retention;

-- Each worker process rewrites its row every 5 s. No tenant data.
create table worker_heartbeats (
  worker_id    text        not null check (length(worker_id) between 1 and 128) primary key,
  active_jobs  integer     not null check (active_jobs between 0 and 100000),
  started_at   timestamptz not null default clock_timestamp(),
  last_seen_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
alter table worker_heartbeats enable row level security;
alter table worker_heartbeats force row level security;
create policy beat on worker_heartbeats for all to app_worker using (true) with check (true);
create policy watch on worker_heartbeats for select to app_user using (true);
grant select, insert (worker_id, active_jobs), update (active_jobs, last_seen_at), delete on worker_heartbeats to app_worker;
grant select on worker_heartbeats to app_user;

grant select (name, state, start_after, created_on, priority, blocked, group_id) on pgboss.job to skeldir_control;

set local role skeldir_control;

-- What waits (100,000 stands for that and more) and what is at work, by queue; counts and ages, nothing of any tenant. A job that waits for its retry or its
-- time is not ready. Failed is what waits for somebody: written down, or about to be. Without a table scan: by job_i11 and, for what is at work, job_i7, so jobs of no tenant are not in it.
create function internal.measure_queues()
returns table (name text, ready bigint, active bigint, failed bigint, oldest_ready_age_seconds double precision)
language sql
stable
security definer
set search_path = ''
as $$
  select q.name, waiting.ready,
         (select count(*) from pgboss.job as j
          where j.name = q.name and j.state = 'active' and j.group_id is not null),
         (select count(*) from pgboss.job as j
          where j.name = q.dead_letter and j.state < 'active' and not j.blocked)
           + (select count(*) from public.worker_failed_jobs as f where f.queue = q.name and f.status = 'pending'),
         extract(epoch from now() - waiting.since)::double precision   -- since is not later than now
  from pgboss.queue as q
  cross join lateral (
    -- Those that are taken next: a million would take a second, just when somebody has to know that there are so many.
    select count(*) as ready, min(due.start_after) as since
    from (
      select j.start_after from pgboss.job as j
      where j.name = q.name and j.state < 'active' and not j.blocked and j.start_after <= now()
      order by j.priority desc, j.created_on
      limit 100000
    ) as due
  ) as waiting
  where q.name <> 'probe' and q.name not like '\_\_%'
    and not exists (select from pgboss.queue as o where o.dead_letter = q.name)
  order by q.name collate "C"
$$;
grant execute on function internal.measure_queues() to app_user, app_worker;

reset role;
revoke skeldir_control from current_user;
