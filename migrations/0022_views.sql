-- What is kept ready to read: five views, each a table of one tenant's rows beside the other's, under the template. What
-- changes the data behind a view says so in its own transaction (view_changes), and a refresh makes the named parts again.
--
-- Why no materialized views: measured on Postgres 18 with 20 tenants, 199,500 ledger entries, 90 days and three models, the four
-- large views together (npm run bench -- rollups):
--                                       refresh materialized view concurrently   these tables
--   1 % of the entries new, mostly of the last two days   6,146 ms  0.4 MB WAL     813 ms   1.9 MB
--   1 % new, over all 90 days                             5,361 ms  0.7 MB       2,246 ms   6.9 MB
--   nothing new                                           5,601 ms  0.0 MB          10 ms   0.0 MB
--   from nothing                                          3,447 ms  33.9 MB     12,769 ms  54.6 MB
-- An entry of the ledger costs 84 us more (331 after 247) for saying that it changed something. A materialized view costs what
-- there is, twice a minute, whoever changed something; these cost what changed, and are dearer only where everything did. And row
-- level security does not hold for a materialized view: somebody would have to read every tenant's ledger into one, and filter it
-- again for each reader.
--
-- Platforms' own claims are no data yet: reconciliation_status is of what polls compare, deliveries with the vendors' lists.
-- The migrator joins skeldir_control for this transaction only.
grant skeldir_control to current_user;
set local role skeldir_owner;

-- A bucket is the part of a view that is made as one: an hour or a day of UTC, or an endpoint; '*' is all of a tenant's. Rows are added and taken,
-- never changed: two transactions that change the same hour do not wait for each other, and none is lost to a refresh that
-- has read before it committed.
create table view_changes (
  tenant_id  uuid        not null,   -- that of the row that changed: no reference, which would cost each of them a look-up
  view       text        not null check (view in ('allocation_summary', 'channel_performance', 'daily_revenue', 'realtime_revenue',
                                                  'reconciliation_status')),
  bucket     text        not null check (length(bucket) between 1 and 40),   -- 2026-03-31, 2026-03-31T17, an endpoint's id or *
  change_id  bigint      not null generated always as identity,
  changed_at timestamptz not null default clock_timestamp(),   -- a moment before its commit
  primary key (tenant_id, view, bucket, change_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index view_changes_age_idx on view_changes (view, changed_at);   -- how far a view is behind, whatever there is to do
call internal.isolate_by_tenant('view_changes', array['app_ingest', 'app_worker']);
call internal.allow_lookup('view_changes');   -- list_changed_tenants, measure_views
grant insert (tenant_id, view, bucket) on view_changes to app_ingest, app_worker;
grant select, delete on view_changes to app_worker;

-- What came of the last refresh of each view. Nothing of any tenant.
create table view_refreshes (
  view         text        not null check (view in ('allocation_summary', 'channel_performance', 'daily_revenue', 'realtime_revenue',
                                                    'reconciliation_status')) primary key,
  outcome      text        not null check (outcome in ('success', 'failure')),
  started_at   timestamptz not null,
  finished_at  timestamptz not null check (finished_at >= started_at),
  succeeded_at timestamptz,   -- the end of the last one that went well
  tenants      integer     not null check (tenants >= 0),   -- that had changes
  buckets      integer     not null check (buckets >= 0),   -- that were made again
  message      text        check (length(message) between 1 and 500),
  check ((outcome = 'failure') = (message is not null))
);
alter table view_refreshes enable row level security;
alter table view_refreshes force row level security;
create policy run on view_refreshes for all to app_worker using (true) with check (true);
create policy watch on view_refreshes for select to app_user using (true);
grant select, insert, update (outcome, started_at, finished_at, succeeded_at, tenants, buckets, message) on view_refreshes to app_worker;
grant select on view_refreshes to app_user;

-- What the published runs give out of each day's revenue. Days are UTC days of orders, money is in minor units.
create table view_allocation_summary (
  tenant_id         uuid    not null references tenants (tenant_id),
  day               date    not null,
  model             text    not null,
  currency          text    not null check (currency ~ '^[A-Z]{3}$'),
  run_id            uuid    not null,
  model_version     text    not null,
  orders            integer not null check (orders >= 0),
  attributed_orders integer not null check (attributed_orders between 0 and orders),   -- with at least one touch
  revenue_minor     bigint  not null,   -- net revenue of the orders, as the run saw them
  allocated_minor   bigint  not null,   -- the sum of its credits
  is_balanced       boolean not null generated always as (allocated_minor = revenue_minor) stored,
  primary key (tenant_id, day, model, currency)
);

-- What each channel gets of each day's orders, by the published runs.
create table view_channel_performance (
  tenant_id        uuid    not null references tenants (tenant_id),
  day              date    not null,
  model            text    not null,
  channel          text    not null,
  currency         text    not null check (currency ~ '^[A-Z]{3}$'),
  orders           integer not null check (orders >= 0),   -- that it has any credit of
  conversion_micro bigint  not null,   -- millionths of an order
  revenue_minor    bigint  not null,
  primary key (tenant_id, day, model, channel, currency)
);

-- What the ledger says of each UTC day: every entry at its own time, with what corrects it, money that two vendors report
-- once. Refunds are negative. A kind whose entries were all corrected away has a row with 0.
create table view_daily_revenue (
  tenant_id    uuid    not null references tenants (tenant_id),
  day          date    not null,
  currency     text    not null check (currency ~ '^[A-Z]{3}$'),
  kind         text    not null check (kind in ('capture', 'refund', 'dispute', 'dispute_reversal')),
  amount_minor bigint  not null,
  entries      integer not null check (entries >= 0),   -- without corrections
  primary key (tenant_id, day, currency, kind)
);

-- The same by the hour and the vendor, with how much of it signed deliveries prove.
create table view_realtime_revenue (
  tenant_id       uuid        not null references tenants (tenant_id),
  hour            timestamptz not null,
  currency        text        not null check (currency ~ '^[A-Z]{3}$'),
  vendor          text        not null,
  captured_minor  bigint      not null,
  refunded_minor  bigint      not null,   -- refunds and disputes, less those that were won
  entries         integer     not null check (entries >= 0),                         -- corrections too
  verified        integer     not null check (verified between 0 and entries),       -- whose signed delivery is on record
  newest_recorded timestamptz not null,
  primary key (tenant_id, hour, currency, vendor)
);

-- How far each endpoint was compared with what its vendor lists, and what the last comparison that found anything found.
create table view_reconciliation_status (
  tenant_id    uuid        not null references tenants (tenant_id),
  endpoint_id  uuid        not null,
  polled_until timestamptz,   -- null: never to an end
  run_id       uuid,          -- null: nothing was ever missing
  found_at     timestamptz check ((found_at is null) = (run_id is null)),
  listed       bigint      not null check (listed >= 0),
  missing      bigint      not null check (missing between 0 and listed),
  recovered    bigint      not null check (recovered between 0 and missing),
  unreadable   bigint      not null check (unreadable >= 0),
  is_whole     boolean     not null,   -- no list broke off
  primary key (tenant_id, endpoint_id)
);

do $$
declare
  name text;
begin
  foreach name in array array['view_allocation_summary', 'view_channel_performance', 'view_daily_revenue', 'view_realtime_revenue',
                              'view_reconciliation_status'] loop
    call internal.isolate_by_tenant(name::regclass, array['app_user', 'app_worker', 'app_ro']);
    execute format('grant select on public.%I to app_user, app_ro', name);
    execute format('grant select, insert, delete on public.%I to app_worker', name);
  end loop;
end
$$;

-- What the refresh of reconciliation_status reads.
call internal.admit_to_tenant_table('poll_cursors', 'app_worker');
call internal.admit_to_tenant_table('poll_findings', 'app_worker');
grant select on poll_cursors, poll_findings to app_worker;

-- The time of the entry that a correction belongs to.
grant select (occurred_at) on ledger_entries to app_ingest;

-- SECURITY INVOKER, all of them: whoever changes a row says so, of the tenant of the transaction only.
create function internal.note_ledger_entries() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.view_changes (tenant_id, view, bucket)
  select distinct n.tenant_id, v.view, to_char(coalesce(l.occurred_at, n.occurred_at) at time zone 'UTC', v.pattern)
  from new_rows as n
  left join public.ledger_entries as l on l.tenant_id = n.tenant_id and l.entry_key = n.corrects_entry_key
  cross join (values ('realtime_revenue', 'YYYY-MM-DD"T"HH24'), ('daily_revenue', 'YYYY-MM-DD')) as v (view, pattern);
  return null;
end
$$;
create trigger view_changes after insert on ledger_entries referencing new table as new_rows
  for each statement execute function internal.note_ledger_entries();

create function internal.note_uncounted_entries() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.view_changes (tenant_id, view, bucket)
  select distinct l.tenant_id, v.view, to_char(l.occurred_at at time zone 'UTC', v.pattern)
  from changed_rows as n
  join public.ledger_entries as l on l.tenant_id = n.tenant_id and l.entry_key = n.entry_key
  cross join (values ('realtime_revenue', 'YYYY-MM-DD"T"HH24'), ('daily_revenue', 'YYYY-MM-DD')) as v (view, pattern);
  return null;
end
$$;
create trigger view_changes_insert after insert on uncounted_entries referencing new table as changed_rows
  for each statement execute function internal.note_uncounted_entries();
create trigger view_changes_delete after delete on uncounted_entries referencing old table as changed_rows
  for each statement execute function internal.note_uncounted_entries();

create function internal.note_published_run() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.view_changes (tenant_id, view, bucket)
  select new.tenant_id, v.view, to_char(new.window_start at time zone 'UTC', 'YYYY-MM-DD')
  from (values ('allocation_summary'), ('channel_performance')) as v (view);
  return null;
end
$$;
create trigger view_changes after insert or update on published_runs
  for each row execute function internal.note_published_run();

create function internal.note_poll() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.view_changes (tenant_id, view, bucket) values (new.tenant_id, 'reconciliation_status', new.endpoint_id::text);
  return null;
end
$$;
create trigger view_changes after insert or update on poll_cursors for each row execute function internal.note_poll();
create trigger view_changes after insert on poll_findings for each row execute function internal.note_poll();

-- What is there already is for the refresh to find, tenant by tenant: a migration that reads the ledger would hold it for as long.
-- The triggers above wait for whoever is writing, so whatever is not seen later than this is told of by them.
do $$
declare
  existing uuid[];
begin
  perform set_config('role', 'skeldir_control', true);
  select array_agg(tenant_id) into existing from public.tenants;
  perform set_config('role', 'skeldir_owner', true);
  -- Nobody else sees this table yet.
  alter table view_changes no force row level security;
  insert into view_changes (tenant_id, view, bucket)
  select t, v, '*'
  from unnest(existing) as t
  cross join unnest(array['allocation_summary', 'channel_performance', 'daily_revenue', 'realtime_revenue', 'reconciliation_status']) as v;
  alter table view_changes force row level security;
end
$$;

set local role skeldir_control;

-- Whose rows of a view are behind. SECURITY DEFINER: before any tenant is known; the answer is ids, whoever waits longest first,
-- as far as the first 1,000 changes of each tell. It goes from tenant to tenant in the index: a tenant may have millions.
create function internal.list_changed_tenants(of_view text) returns table (tenant_id uuid)
language sql
stable
security definer
set search_path = ''
as $$
  with recursive changed as (
    (select c.tenant_id from public.view_changes as c order by c.tenant_id limit 1)
    union all
    select (select c.tenant_id from public.view_changes as c where c.tenant_id > p.tenant_id order by c.tenant_id limit 1)
    from changed as p
    where p.tenant_id is not null
  )
  select p.tenant_id
  from changed as p
  cross join lateral (
    select min(f.changed_at) as since
    from (select c.changed_at from public.view_changes as c where c.tenant_id = p.tenant_id and c.view = of_view limit 1000) as f
  ) as w
  where w.since is not null
  order by w.since, p.tenant_id
$$;
revoke execute on function internal.list_changed_tenants(text) from public;
grant execute on function internal.list_changed_tenants(text) to app_worker;

-- How far each of these views is behind its data: the buckets that a refresh would make again, counted over the first 10,000
-- changes, and since when the first of them is wrong. SECURITY DEFINER as above; counts and ages, nothing of any tenant.
create function internal.measure_views(names text[]) returns table (view text, buckets bigint, behind_seconds double precision)
language sql
stable
security definer
set search_path = ''
as $$
  select n.name, count(distinct (c.tenant_id, c.bucket)) filter (where c.bucket is not null),
         greatest(0, coalesce(extract(epoch from clock_timestamp() - min(c.changed_at)), 0))::double precision
  from unnest(names) as n (name)
  left join lateral (
    select o.tenant_id, o.bucket, o.changed_at
    from public.view_changes as o
    where o.view = n.name
    order by o.changed_at
    limit 10000
  ) as c on true
  group by n.name
$$;
revoke execute on function internal.measure_views(text[]) from public;
grant execute on function internal.measure_views(text[]) to app_user, app_worker;

reset role;
revoke skeldir_control from current_user;
