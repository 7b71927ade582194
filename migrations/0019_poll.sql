-- What a vendor's own lists say and no delivery brought; and endpoints at which nothing arrives any more. Both are
-- ingestion, so they are app_ingest's. The clock asks for both, of the tenants that they are about.
-- The migrator joins skeldir_control for this transaction only.
grant skeldir_control to current_user;
set local role skeldir_owner;

call internal.admit_to_tenant_table('webhook_endpoints', 'app_ingest');
grant select (tenant_id, endpoint_id, vendor, mode, shop_domain, created_at, last_delivery_at, deleted_at) on webhook_endpoints
  to app_ingest;
call internal.admit_to_tenant_table('tenant_alert_targets', 'app_ingest');
grant select on tenant_alert_targets to app_ingest;
grant select (received_at, is_handled) on webhook_events to app_ingest;
grant select (endpoint_id, external_id) on dead_events to app_ingest;

-- Up to where an endpoint's lists were read to their end.
create table poll_cursors (
  tenant_id    uuid        not null,
  endpoint_id  uuid        not null,
  polled_until timestamptz not null,   -- the vendor's time of the change
  updated_at   timestamptz not null default now(),
  primary key (tenant_id, endpoint_id),
  foreign key (tenant_id, endpoint_id) references webhook_endpoints (tenant_id, endpoint_id)
);
call internal.isolate_by_tenant('poll_cursors', array['app_ingest', 'app_user', 'app_ro']);
grant select, insert, update (polled_until, updated_at) on poll_cursors to app_ingest;
grant select on poll_cursors to app_user, app_ro;

-- What a poll found of one topic in one window: how much the vendor lists, and how much of that no delivery had brought.
-- Only of what was missing or could not be read; written with what it tells of, so that a list that breaks off later loses none.
create table poll_findings (
  tenant_id     uuid        not null,
  run_id        uuid        not null,
  endpoint_id   uuid        not null,
  topic         text        not null check (length(topic) between 1 and 100),
  listed_since  timestamptz not null,
  listed_until  timestamptz not null check (listed_until > listed_since),
  is_whole      boolean     not null,   -- false: the list broke off; the next poll reads the window again
  seen          integer     not null check (seen >= 0),        -- brought by deliveries
  listed        integer     not null check (listed >= 0),      -- of what can be read
  missing       integer     not null check (missing between 0 and listed),
  recovered     integer     not null check (recovered between 0 and missing),
  unreadable    integer     not null check (unreadable >= 0),  -- each of them a dead event
  missing_money jsonb       not null,   -- by currency: what the books lacked, in minor units as text
  recorded_at   timestamptz not null default now(),
  primary key (tenant_id, run_id, endpoint_id, listed_since, topic),
  foreign key (tenant_id, endpoint_id) references webhook_endpoints (tenant_id, endpoint_id),
  check (seen = listed - missing)
);
call internal.isolate_by_tenant('poll_findings', array['app_ingest', 'app_user', 'app_ro']);
call internal.make_append_only('poll_findings');
call internal.refuse_personal_data_in('poll_findings');
grant select, insert on poll_findings to app_ingest;
grant select on poll_findings to app_user, app_ro;

-- One row for each time that an endpoint fell silent: whoever is told is told once.
create table endpoint_silences (
  tenant_id     uuid        not null,
  endpoint_id   uuid        not null,
  silent_since  timestamptz not null,   -- its last delivery
  noticed_at    timestamptz not null,
  limit_seconds integer     not null check (limit_seconds > 0),
  attempts      integer     not null default 0 check (attempts >= 0),
  told_targets  text[]      not null default '{}',   -- who took it: keyed hashes of their addresses, in hex
  told_at       timestamptz,            -- everybody was told; null: somebody was not yet
  primary key (tenant_id, endpoint_id, silent_since),
  foreign key (tenant_id, endpoint_id) references webhook_endpoints (tenant_id, endpoint_id)
);
call internal.isolate_by_tenant('endpoint_silences', array['app_ingest', 'app_user', 'app_ro']);
grant select, insert, update (attempts, told_targets, told_at) on endpoint_silences to app_ingest;
grant select on endpoint_silences to app_user, app_ro;

-- The gap between deliveries that one in a hundred is longer than, and the longest, over the 28 days before, and how many gaps
-- there were. Deliveries of one minute count as one.
create function internal.learn_delivery_gap(for_tenant uuid, at_endpoint uuid, at timestamptz)
returns table (gaps integer, p99_seconds double precision, longest_seconds double precision)
language sql
stable
set search_path = ''
as $$
  select count(d.seconds)::integer,
         percentile_disc(0.99) within group (order by d.seconds),
         max(d.seconds)
  from (
    select extract(epoch from m.minute - lag(m.minute) over (order by m.minute))::double precision as seconds
    from (
      select distinct date_trunc('minute', e.received_at) as minute
      from public.webhook_events as e
      where e.tenant_id = for_tenant and e.endpoint_id = at_endpoint
        and e.received_at > at - interval '28 days' and e.received_at <= at
        and e.external_id not like 'poll:%'
    ) as m
  ) as d
$$;
grant execute on function internal.learn_delivery_gap(uuid, uuid, timestamptz) to app_ingest;

call internal.allow_lookup('poll_credentials');   -- list_polled_tenants

set local role skeldir_control;

-- Whom the clock has a poll for. SECURITY DEFINER: before any tenant is known; the answer is ids.
create function internal.list_polled_tenants() returns table (tenant_id uuid)
language sql
stable
security definer
set search_path = ''
as $$
  select distinct e.tenant_id
  from public.webhook_endpoints as e
  join public.poll_credentials as c on c.tenant_id = e.tenant_id and c.endpoint_id = e.endpoint_id
  where e.deleted_at is null and e.mode = 'live'
  order by e.tenant_id
$$;
revoke execute on function internal.list_polled_tenants() from public;
grant execute on function internal.list_polled_tenants() to app_worker;

-- Whose live endpoints may have fallen silent. SECURITY DEFINER as above.
create function internal.list_quiet_tenants(quiet_since timestamptz) returns table (tenant_id uuid)
language sql
stable
security definer
set search_path = ''
as $$
  select distinct e.tenant_id
  from public.webhook_endpoints as e
  where e.deleted_at is null and e.mode = 'live' and e.last_delivery_at < quiet_since
  order by e.tenant_id
$$;
revoke execute on function internal.list_quiet_tenants(timestamptz) from public;
grant execute on function internal.list_quiet_tenants(timestamptz) to app_worker;

-- As in 0004. In a queue whose policy is `exclusive`, a job is named by its kind and its tenant, so that there is one of them.
create or replace function internal.enqueue_job(queue_name text, job_data jsonb, delay_seconds integer default 0)
returns uuid
language plpgsql
security definer
set search_path = ''
as $$
declare
  tenant text := nullif(current_setting('app.current_tenant_id', true), '');
  job_id uuid;
begin
  if (job_data ->> 'tenantId') is distinct from tenant then
    raise exception 'a job for tenant % cannot be added in the transaction of tenant %', job_data ->> 'tenantId', tenant
      using errcode = '42501';
  end if;
  insert into pgboss.job (name, data, start_after, keep_until, retry_limit, retry_delay, retry_backoff, retry_delay_max,
                          expire_seconds, deletion_seconds, policy, dead_letter, heartbeat_seconds, group_id, singleton_key)
  select q.name, job_data, now() + make_interval(secs => delay_seconds),
         now() + make_interval(secs => delay_seconds + q.retention_seconds), q.retry_limit, q.retry_delay,
         q.retry_backoff, q.retry_delay_max, q.expire_seconds, q.deletion_seconds, q.policy, q.dead_letter,
         q.heartbeat_seconds, tenant,
         case when q.policy = 'exclusive' then concat_ws('/', job_data ->> 'job', tenant) end
  from pgboss.queue as q
  where q.name = queue_name
  on conflict do nothing
  returning id into job_id;
  if job_id is null and not exists (select from pgboss.queue as q where q.name = queue_name) then
    raise exception 'there is no queue named %', queue_name using errcode = '22023';
  end if;
  return job_id;   -- null: the queue's policy allows no further job of this kind
end
$$;

reset role;
revoke skeldir_control from current_user;
