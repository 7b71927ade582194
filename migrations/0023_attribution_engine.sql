-- The attribution engine: editions of a tenant's figures, credits that are written once per change of an order, runs that are
-- made of them, and what data has changed since the last publication.
--
-- An edition is what all figures of a tenant are computed by. A changed setting makes another one, which is built in pieces
-- while the former one answers, and answers from the moment of its publication: one row changes. Within an edition a changed
-- order gets new credits (a revision), and the pointer of the order moves; a run is made anew for each model and UTC day of
-- which an order moved.
--
-- attribution_runs, attribution_run_totals, attribution_credits and published_runs of 0005 have a row for each credit of each
-- model of each run, and a changed order writes its whole day again. The release before goes on with them for as long as it runs
-- beside this one, which neither reads nor writes them; what they hold is computed here from the stored events. A later migration
-- drops them.
-- The migrator joins skeldir_control for this transaction only.
grant skeldir_control to current_user;
set local role skeldir_owner;

create table attribution_editions (
  tenant_id     uuid        not null references tenants (tenant_id),
  edition_id    uuid        not null default gen_random_uuid(),
  number        integer     not null check (number >= 1),   -- of the tenant, from 1 on
  config        jsonb       not null check (jsonb_typeof(config) = 'object'),   -- models with their parameters, lookback, versions of settings
  config_sha256 bytea       not null check (octet_length(config_sha256) = 32),
  models        text[]      not null check (cardinality(models) between 1 and 64),   -- order-level ones: the order of every array of credits
  status        text        not null default 'building' check (status in ('building', 'published', 'superseded')),
  built_until   timestamptz not null default '-infinity',   -- orders before this moment are computed
  publications  integer     not null default 0 check (publications >= 0),   -- the number of the last one; credits have it as their revision
  created_at    timestamptz not null default now(),
  published_at  timestamptz,
  primary key (tenant_id, edition_id),
  unique (tenant_id, number),
  check (status <> 'published' or published_at is not null)
);
create unique index attribution_editions_published_idx on attribution_editions (tenant_id) where status = 'published';
create unique index attribution_editions_building_idx on attribution_editions (tenant_id) where status = 'building';
call internal.isolate_by_tenant('attribution_editions', array['app_user', 'app_worker', 'app_ro']);
grant select on attribution_editions to app_user, app_ro;
grant select, insert, update (status, built_until, publications, published_at) on attribution_editions to app_worker;

-- What was stored since the last publication, and so which orders may have other credits: those that are named, those of a
-- visitor whose touches are new, or all. Written by the triggers below in the transaction of the data; taken by a publication.
create table attribution_changes (
  tenant_id   uuid        not null,   -- that of the row that changed: no reference, which would cost each of them a look-up
  change_id   bigint      not null generated always as identity,
  order_key   text        check (length(order_key) between 1 and 140),
  identity    bytea       check (octet_length(identity) = 32),
  from_at     timestamptz,            -- of the touches of this visitor: the first
  until_at    timestamptz,            -- and the last
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, change_id),
  check (num_nonnulls(order_key, identity) <= 1 and num_nulls(identity, from_at, until_at) in (0, 3))   -- neither: everything
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
call internal.isolate_by_tenant('attribution_changes', array['app_ingest', 'app_worker']);
call internal.allow_lookup('attribution_changes');   -- list_unpublished_tenants
grant insert (tenant_id, order_key, identity, from_at, until_at) on attribution_changes to app_ingest, app_worker;
grant select, delete on attribution_changes to app_worker;

-- Which credits of an order hold. An order without money has no row. Hashes say nothing of ids of ours.
create table attribution_orders (
  tenant_id           uuid        not null,   -- no references here and on credits: each would cost a look-up a row
  edition_id          uuid        not null,
  order_key           text        not null check (length(order_key) between 1 and 140),   -- the key that the whole order goes by
  revision            integer     not null check (revision >= 1),
  ordered_at          timestamptz not null,
  identity_tier       text        not null check (identity_tier in ('visitor_id', 'click_id', 'vendor_journey', 'landing_page', 'none')),
  touches             integer     not null check (touches >= 0),   -- that it credits
  currencies          text[]      not null,            -- ascending; the four arrays after it are by currency, in minor units
  captured_minor      bigint[]    not null,
  refunded_minor      bigint[]    not null,            -- applied to credits
  over_refunded_minor bigint[]    not null,            -- beyond what the order had left
  reporting_minor     bigint[],                        -- net revenue in the reporting currency of the edition; null where a rate is missing
  input_sha256        bytea       not null check (octet_length(input_sha256) = 32),
  output_sha256       bytea       not null check (octet_length(output_sha256) % 32 = 0),   -- one for each model of the edition
  primary key (tenant_id, edition_id, order_key),
  check (cardinality(currencies) >= 1 and cardinality(currencies) = cardinality(captured_minor)
         and cardinality(currencies) = cardinality(refunded_minor) and cardinality(currencies) = cardinality(over_refunded_minor))
);
create index attribution_orders_time_idx on attribution_orders (tenant_id, edition_id, ordered_at);
call internal.isolate_by_tenant('attribution_orders', array['app_user', 'app_worker', 'app_ro']);
grant select on attribution_orders to app_user, app_ro;
grant select, insert, update, delete on attribution_orders to app_worker;

-- What one touch gets of one ledger entry, by each model. Over a revision they sum to the net revenue of the order, exactly.
create table attribution_order_credits (
  tenant_id         uuid        not null,
  edition_id        uuid        not null,
  order_key         text        not null,
  revision          integer     not null,
  entry_key         text        not null,   -- the ledger entry that is shared out
  position          integer     not null check (position >= 0),   -- of the touch in the journey
  kind              text        not null check (kind in ('capture', 'refund', 'dispute')),
  currency          text        not null,
  ordered_at        timestamptz not null,
  occurred_at       timestamptz not null,   -- of the entry: when the money came or went
  channel           text        not null,   -- '(unattributed)' where there is no touch
  campaign          text,
  touch_origin      text,
  touch_external_id text,
  touched_at        timestamptz,
  tier              text,                   -- how it is known whose touch it was
  revenue_minor     bigint[]    not null,   -- in the order of the edition's models; negative for a refund
  conversion_micro  bigint[]    not null,   -- millionths of an order; 0 on refunds and on further captures
  reporting_minor   bigint[],               -- in the reporting currency of the edition; null where a rate is missing
  primary key (tenant_id, edition_id, order_key, revision, entry_key, position)
);
create index attribution_order_credits_taken_idx on attribution_order_credits (tenant_id, edition_id, occurred_at) where kind <> 'capture';   -- reports by refund date
call internal.isolate_by_tenant('attribution_order_credits', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_order_credits');
grant select on attribution_order_credits to app_user, app_ro;
grant select, insert on attribution_order_credits to app_worker;

-- One model over the orders of one UTC day, as one publication left them.
create table attribution_day_runs (
  tenant_id       uuid        not null,
  run_id          uuid        not null default gen_random_uuid(),
  edition_id      uuid        not null,
  publication     integer     not null check (publication >= 1),   -- of the edition, that made it
  model           text        not null check (model ~ '^[a-z_]{1,40}$'),   -- which ones there are is the registry's to say
  model_version   text        not null,
  window_start    timestamptz not null,
  window_end      timestamptz not null check (window_end > window_start),   -- exclusive
  data_cutoff     timestamptz not null,   -- everything recorded up to here was seen
  input_hash      text        not null check (input_hash ~ '^[0-9a-f]{64}$'),
  output_hash     text        not null check (output_hash ~ '^[0-9a-f]{64}$'),
  orders          integer     not null check (orders >= 0),
  version         integer     not null default 1 check (version >= 1),   -- of this model and day in the edition
  previous_run_id uuid,                   -- that answered before, of this edition or the one before it
  orders_changed  integer     not null default 0 check (orders_changed >= 0),   -- that came, went or have other credits since
  cause           text        not null check (cause in ('edition', 'data', 'request')),
  created_at      timestamptz not null default now(),
  primary key (tenant_id, run_id),
  foreign key (tenant_id, edition_id) references attribution_editions (tenant_id, edition_id)
);
create index attribution_day_runs_window_idx on attribution_day_runs (tenant_id, edition_id, model, window_start);   -- the history of a day
call internal.isolate_by_tenant('attribution_day_runs', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_day_runs');
grant select on attribution_day_runs to app_user, app_ro;
grant select, insert on attribution_day_runs to app_worker;

-- The money of a run, one row per currency: currencies are never added up. Minor units.
create table attribution_day_run_totals (
  tenant_id           uuid    not null,
  run_id              uuid    not null,
  currency            text    not null check (currency ~ '^[A-Z]{3}$'),
  orders              integer not null check (orders >= 0),
  attributed_orders   integer not null check (attributed_orders between 0 and orders),  -- with at least one touch
  captured_minor      bigint  not null check (captured_minor >= 0),
  refunded_minor      bigint  not null check (refunded_minor >= 0),        -- applied to credits
  over_refunded_minor bigint  not null check (over_refunded_minor >= 0),   -- beyond what the orders had left
  net_minor           bigint  not null check (net_minor = captured_minor - refunded_minor),
  attributed_minor    bigint  not null check (attributed_minor between 0 and net_minor),  -- net revenue of attributed orders
  primary key (tenant_id, run_id, currency),
  foreign key (tenant_id, run_id) references attribution_day_runs (tenant_id, run_id)
);
call internal.isolate_by_tenant('attribution_day_run_totals', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_day_run_totals');
grant select on attribution_day_run_totals to app_user, app_ro;
grant select, insert on attribution_day_run_totals to app_worker;

-- What a run gives a channel more, or less, than the one before it in its edition.
create table attribution_day_run_changes (
  tenant_id              uuid   not null,   -- no reference to the run: a publication writes thousands of rows, a look-up each
  run_id                 uuid   not null,
  channel                text   not null,
  currency               text   not null check (currency ~ '^[A-Z]{3}$'),
  revenue_delta_minor    bigint not null,
  conversion_delta_micro bigint not null check (revenue_delta_minor <> 0 or conversion_delta_micro <> 0),
  primary key (tenant_id, run_id, channel, currency)
);
call internal.isolate_by_tenant('attribution_day_run_changes', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_day_run_changes');
grant select on attribution_day_run_changes to app_user, app_ro;
grant select, insert on attribution_day_run_changes to app_worker;

-- The run that answers for a model and a day in an edition; what answers a reader is that of the published edition.
create table published_day_runs (
  tenant_id    uuid        not null,
  edition_id   uuid        not null,
  model        text        not null,
  window_start timestamptz not null,
  run_id       uuid        not null,
  published_at timestamptz not null default now(),
  primary key (tenant_id, edition_id, model, window_start),
  foreign key (tenant_id, run_id) references attribution_day_runs (tenant_id, run_id)
);
call internal.isolate_by_tenant('published_day_runs', array['app_user', 'app_worker', 'app_ro']);
grant select on published_day_runs to app_user, app_ro;
grant select, insert, update (run_id, published_at) on published_day_runs to app_worker;

-- SECURITY INVOKER, all of them: whoever changes a row says so, of the tenant of the transaction only.
create function internal.note_touches() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.attribution_changes (tenant_id, identity, order_key, from_at, until_at)
  select n.tenant_id, n.identity, case when n.identity is null then n.order_key end,
         case when n.identity is not null then min(n.occurred_at) end, case when n.identity is not null then max(n.occurred_at) end
  from new_rows as n
  group by n.tenant_id, n.identity, case when n.identity is null then n.order_key end;
  return null;
end
$$;
create trigger attribution_changes after insert on touchpoints referencing new table as new_rows
  for each statement execute function internal.note_touches();

create function internal.note_orders() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.attribution_changes (tenant_id, order_key) select distinct n.tenant_id, n.order_key from new_rows as n;
  return null;
end
$$;
create trigger attribution_changes after insert on order_facts referencing new table as new_rows
  for each statement execute function internal.note_orders();
create trigger attribution_changes after insert on ledger_entries referencing new table as new_rows
  for each statement execute function internal.note_orders();

-- They may move the time of an entry.
create function internal.note_statements() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.attribution_changes (tenant_id, order_key)
  select distinct n.tenant_id, n.order_key from new_rows as n
  where n.entry_key is not null;
  return null;
end
$$;
create trigger attribution_changes after insert on canonical_events referencing new table as new_rows
  for each statement execute function internal.note_statements();

create function internal.note_grouped_orders() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_op = 'UPDATE' then
    insert into public.attribution_changes (tenant_id, order_key)
    select o.tenant_id, o.order_key from old_rows as o union select o.tenant_id, o.group_key from old_rows as o
    union select n.tenant_id, n.group_key from changed_rows as n;
  else
    insert into public.attribution_changes (tenant_id, order_key)
    select n.tenant_id, n.order_key from changed_rows as n union select n.tenant_id, n.group_key from changed_rows as n;
  end if;
  return null;
end
$$;
create trigger attribution_changes_insert after insert on order_groups referencing new table as changed_rows
  for each statement execute function internal.note_grouped_orders();
create trigger attribution_changes_update after update on order_groups referencing old table as old_rows new table as changed_rows
  for each statement execute function internal.note_grouped_orders();
create trigger attribution_changes_delete after delete on order_groups referencing old table as changed_rows
  for each statement execute function internal.note_grouped_orders();

create function internal.note_uncounted_orders() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.attribution_changes (tenant_id, order_key) select distinct n.tenant_id, n.group_key from changed_rows as n;
  return null;
end
$$;
create trigger attribution_changes_insert after insert on uncounted_entries referencing new table as changed_rows
  for each statement execute function internal.note_uncounted_orders();
create trigger attribution_changes_delete after delete on uncounted_entries referencing old table as changed_rows
  for each statement execute function internal.note_uncounted_orders();

-- The views of 0022, again: of the published edition only. All of a tenant's days change with the edition.
create function internal.note_published_runs() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.view_changes (tenant_id, view, bucket)
  select distinct n.tenant_id, v.view, to_char(n.window_start at time zone 'UTC', 'YYYY-MM-DD')
  from new_rows as n
  join public.attribution_editions as e on e.tenant_id = n.tenant_id and e.edition_id = n.edition_id and e.status = 'published'
  cross join (values ('allocation_summary'), ('channel_performance')) as v (view);
  return null;
end
$$;
create trigger view_changes_insert after insert on published_day_runs referencing new table as new_rows
  for each statement execute function internal.note_published_runs();
create trigger view_changes_update after update on published_day_runs referencing new table as new_rows
  for each statement execute function internal.note_published_runs();

create function internal.note_published_edition() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.view_changes (tenant_id, view, bucket)
  select new.tenant_id, v.view, '*' from (values ('allocation_summary'), ('channel_performance')) as v (view);
  return null;
end
$$;
create trigger view_changes after update of status on attribution_editions
  for each row when (new.status = 'published') execute function internal.note_published_edition();

-- What is there already is for the worker to compute, tenant by tenant. The triggers above wait for whoever is writing, so
-- whatever is not seen later than this is told of by them.
do $$
declare
  existing uuid[];
begin
  perform set_config('role', 'skeldir_control', true);
  select array_agg(tenant_id) into existing from public.tenants;
  perform set_config('role', 'skeldir_owner', true);
  -- Nobody else sees this table yet.
  alter table attribution_changes no force row level security;
  insert into attribution_changes (tenant_id) select unnest(existing);
  alter table attribution_changes force row level security;
end
$$;

set local role skeldir_control;

-- Whose changes wait for so long that nobody seems to be about to publish them. SECURITY DEFINER: before any tenant is known; the
-- answer is ids. It goes from tenant to tenant in the index: a tenant may have millions.
create function internal.list_unpublished_tenants(waiting_seconds integer) returns table (tenant_id uuid)
language sql
stable
security definer
set search_path = ''
as $$
  with recursive changed as (
    (select c.tenant_id from public.attribution_changes as c order by c.tenant_id limit 1)
    union all
    select (select c.tenant_id from public.attribution_changes as c where c.tenant_id > p.tenant_id order by c.tenant_id limit 1)
    from changed as p
    where p.tenant_id is not null
  )
  select p.tenant_id
  from changed as p
  cross join lateral (
    select f.recorded_at from public.attribution_changes as f where f.tenant_id = p.tenant_id order by f.change_id limit 1
  ) as w
  where w.recorded_at < clock_timestamp() - make_interval(secs => waiting_seconds)
  order by p.tenant_id
$$;
revoke execute on function internal.list_unpublished_tenants(integer) from public;
grant execute on function internal.list_unpublished_tenants(integer) to app_worker;

reset role;
revoke skeldir_control from current_user;
