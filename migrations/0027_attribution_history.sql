-- How a tenant sets the models of attribution: a setting in versions, as the revenue definition and the channel rules are. And
-- the history of its editions: when each answered, and what is left of one when its credits have had their time.
-- Tables and columns are added; the release before does not know them, and calculates with the initial parameters for as long as
-- it runs. What it does to an edition is stamped by a trigger.
set local role skeldir_owner;

-- Every figure names the version it was calculated with, so none ever changes; the newest holds. Version 1 is what holds without
-- a choice: the parameters that each model has at first, and journeys as they are.
create table attribution_setting_versions (
  tenant_id      uuid        not null references tenants (tenant_id),
  version        integer     not null check (version >= 1),
  effective_at   timestamptz not null default now(),
  models         jsonb       not null default '{}' check (jsonb_typeof(models) = 'object' and pg_column_size(models) <= 8192),   -- parameters by model; those of the others are the initial ones
  path_transform jsonb       not null default '{"name": "identity", "parameters": {}}' check (jsonb_typeof(path_transform) = 'object' and pg_column_size(path_transform) <= 1024),   -- what is done to a journey before models see it
  primary key (tenant_id, version)
);

-- Tenants that exist get their first version. The policies let no one see all of them, hence one for this statement.
create policy backfill on tenants for select to skeldir_owner using (true);
insert into attribution_setting_versions (tenant_id, version, effective_at) select tenant_id, 1, created_at from tenants;
drop policy backfill on tenants;

-- So does every new tenant, whatever made it: also a process that is older than this migration.
create or replace function internal.insert_first_versions() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.revenue_definitions (tenant_id, version) values (new.tenant_id, 1);
  insert into public.channel_rule_versions (tenant_id, version) values (new.tenant_id, 1);
  insert into public.attribution_setting_versions (tenant_id, version) values (new.tenant_id, 1);
  return null;
end
$$;

call internal.isolate_by_tenant('attribution_setting_versions', array['app_rw', 'app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_setting_versions');
call internal.refuse_personal_data_in('attribution_setting_versions');
grant select, insert on attribution_setting_versions to app_rw, app_user;
grant select on attribution_setting_versions to app_worker, app_ro;

alter table attribution_editions
  add superseded_at      timestamptz,   -- or given up; null before
  add first_publications integer check (first_publications >= 0);   -- its publications when it began to answer: later ones tell of new data; null where that was not noted

create function internal.stamp_edition() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if new.status = 'published' then
    new.first_publications := new.publications;
  elsif new.status = 'superseded' then
    new.superseded_at := now();
  end if;
  return new;
end
$$;
create trigger stamp_edition before update of status on attribution_editions
  for each row when (new.status is distinct from old.status) execute function internal.stamp_edition();

-- Those that were superseded before: no later than the next one began to answer, or was begun. A policy for this statement, as above.
create policy backfill on attribution_editions to skeldir_owner using (true) with check (true);
update attribution_editions as e
set superseded_at = coalesce(
  (select min(coalesce(n.published_at, n.created_at)) from attribution_editions as n where n.tenant_id = e.tenant_id and n.number > e.number),
  now())
where e.status = 'superseded';
drop policy backfill on attribution_editions;

-- What the credits said that were removed of a superseded edition, so that what its successor moved can still be told: sums over the
-- orders of a UTC day, of each batch that was removed. With the credits that are left they make the whole.
create table attribution_edition_sums (
  tenant_id        uuid     not null,   -- no reference to the edition, as on its credits
  edition_id       uuid     not null,
  day              date     not null,   -- of the orders, in UTC
  channel          text     not null,
  currency         text     not null check (currency ~ '^[A-Z]{3}$'),
  sum_id           bigint   not null generated always as identity,
  revenue_minor    bigint[] not null,   -- in the order of the edition's models; minor units
  conversion_micro bigint[] not null,   -- millionths of an order
  primary key (tenant_id, edition_id, day, channel, currency, sum_id)
);
call internal.isolate_by_tenant('attribution_edition_sums', array['app_user', 'app_worker', 'app_ro', 'app_retention']);
call internal.make_append_only('attribution_edition_sums');
grant select on attribution_edition_sums to app_user, app_worker, app_ro;
grant insert (tenant_id, edition_id, day, channel, currency, revenue_minor, conversion_micro) on attribution_edition_sums to app_retention;

-- What editions and windows leave behind, and who removes it: app_retention, as everything else. Runs over days, their totals,
-- hashes and changes stay.
do $$
declare
  name text;
begin
  foreach name in array array[
    'attribution_editions', 'attribution_orders', 'attribution_entry_credits', 'attribution_touch_credits', 'attribution_window_runs',
    'attribution_window_channels', 'published_windows'
  ] loop
    call internal.admit_to_tenant_table(name::regclass, 'app_retention');
  end loop;
end
$$;
grant select (tenant_id, edition_id, published_at, superseded_at) on attribution_editions to app_retention;
grant select, delete on attribution_orders, attribution_entry_credits, attribution_touch_credits to app_retention;
grant select on attribution_credits_by_touch, attribution_order_credits to app_retention;
grant select (tenant_id, window_run_id, created_at), delete on attribution_window_runs to app_retention;
grant select (tenant_id, window_run_id), delete on attribution_window_channels to app_retention;
grant select, delete on published_windows to app_retention;
call internal.make_erasable('attribution_entry_credits', 'rows');
call internal.make_erasable('attribution_touch_credits', 'rows');
call internal.make_erasable('attribution_window_runs', 'rows');
call internal.make_erasable('attribution_window_channels', 'rows');
create index published_windows_run_idx on published_windows (tenant_id, window_run_id);             -- which run answers; retention
create index attribution_window_runs_created_idx on attribution_window_runs (tenant_id, created_at);   -- retention

-- One batch of what is superseded, as internal.remove_expired takes one of what has had its time: `seen` is below `max_rows` where
-- nothing is left. SECURITY INVOKER: app_retention's own grants and the tenant policy decide.
--   attribution_orders         of editions superseded before the cutoff, with their credits, whose sums are kept
--   attribution_entry_credits  of such editions, of what is no order any more; attribution_touch_credits likewise
--   published_windows          of such editions
--   attribution_window_runs    made before the cutoff, that answer for no window, with their channels: a hundredth of the rows, since each has
--                              some hundred
create function internal.remove_superseded(for_tenant uuid, run uuid, of_item text, cutoff timestamptz, max_rows integer)
returns table (seen integer, gone integer)
language plpgsql
set search_path = ''
as $$
declare
  most integer := case when of_item = 'attribution_window_runs' then greatest(max_rows / 100, 1) else max_rows end;
begin
  case of_item
    when 'attribution_orders' then
      with due as materialized (
        select o.edition_id, o.order_key, o.revision, e.published_at
        from public.attribution_editions as e
        join public.attribution_orders as o on o.tenant_id = for_tenant and o.edition_id = e.edition_id
        where e.tenant_id = for_tenant and e.superseded_at < cutoff
        order by o.edition_id, o.ordered_at limit most
      ),
      kept as (  -- by model, then together
        insert into public.attribution_edition_sums (tenant_id, edition_id, day, channel, currency, revenue_minor, conversion_micro)
        select for_tenant, m.edition_id, m.day, m.channel, m.currency, array_agg(m.revenue order by m.place), array_agg(m.conversion order by m.place)
        from (
          select c.edition_id, (c.ordered_at at time zone 'UTC')::date as day, c.channel, c.currency, u.place,
                 sum(u.revenue)::bigint as revenue, sum(u.conversion)::bigint as conversion
          from due as d
          join public.attribution_order_credits as c
            on c.tenant_id = for_tenant and c.edition_id = d.edition_id and c.order_key = d.order_key and c.revision = d.revision
          cross join lateral unnest(c.revenue_minor, c.conversion_micro) with ordinality as u (revenue, conversion, place)
          where d.published_at is not null
          group by 1, 2, 3, 4, 5
        ) as m
        group by 1, 2, 3, 4, 5
      ),
      credits as (
        delete from public.attribution_entry_credits as c using due as d
        where c.tenant_id = for_tenant and c.edition_id = d.edition_id and c.order_key = d.order_key
      ),
      touches as (
        delete from public.attribution_touch_credits as c using due as d
        where c.tenant_id = for_tenant and c.edition_id = d.edition_id and c.order_key = d.order_key
      )
      delete from public.attribution_orders as o using due as d
      where o.tenant_id = for_tenant and o.edition_id = d.edition_id and o.order_key = d.order_key;
    when 'attribution_entry_credits' then
      delete from public.attribution_entry_credits as c using (
        select d.edition_id, d.order_key, d.revision, d.entry_key, d.position
        from public.attribution_editions as e
        join public.attribution_entry_credits as d on d.tenant_id = for_tenant and d.edition_id = e.edition_id
        where e.tenant_id = for_tenant and e.superseded_at < cutoff
          and not exists (select from public.attribution_orders as o
                          where o.tenant_id = for_tenant and o.edition_id = e.edition_id and o.order_key = d.order_key)
        limit most
      ) as due
      where c.tenant_id = for_tenant and c.edition_id = due.edition_id and c.order_key = due.order_key and c.revision = due.revision
        and c.entry_key = due.entry_key and c.position = due.position;
    when 'attribution_touch_credits' then
      delete from public.attribution_touch_credits as c using (
        select d.edition_id, d.order_key, d.revision, d.entry_key, d.position
        from public.attribution_editions as e
        join public.attribution_touch_credits as d on d.tenant_id = for_tenant and d.edition_id = e.edition_id
        where e.tenant_id = for_tenant and e.superseded_at < cutoff
          and not exists (select from public.attribution_orders as o
                          where o.tenant_id = for_tenant and o.edition_id = e.edition_id and o.order_key = d.order_key)
        limit most
      ) as due
      where c.tenant_id = for_tenant and c.edition_id = due.edition_id and c.order_key = due.order_key and c.revision = due.revision
        and c.entry_key = due.entry_key and c.position = due.position;
    when 'published_windows' then
      delete from public.published_windows as p
      where p.tenant_id = for_tenant
        and p.ctid = any (array(
          select d.ctid
          from public.attribution_editions as e
          join public.published_windows as d on d.tenant_id = for_tenant and d.edition_id = e.edition_id
          where e.tenant_id = for_tenant and e.superseded_at < cutoff
          limit most));
    when 'attribution_window_runs' then
      with due as materialized (
        select r.window_run_id
        from public.attribution_window_runs as r
        where r.tenant_id = for_tenant and r.created_at < cutoff
          and not exists (select from public.published_windows as p
                          where p.tenant_id = for_tenant and p.window_run_id = r.window_run_id)
        order by r.created_at limit most
      ),
      channels as (
        delete from public.attribution_window_channels as c using due as d
        where c.tenant_id = for_tenant and c.window_run_id = d.window_run_id
      )
      delete from public.attribution_window_runs as r using due as d
      where r.tenant_id = for_tenant and r.window_run_id = d.window_run_id;
    else
      raise exception 'nothing is known of %', of_item using errcode = '22023';
  end case;
  get diagnostics gone = row_count;
  seen := case when gone < most then 0 else max_rows end;
  update public.retention_runs as t
  set removed = t.removed + gone,
      looked_at = greatest(t.looked_at, t.removed + gone),
      finished_at = case when seen < max_rows then clock_timestamp() end
  where t.tenant_id = for_tenant and t.run_id = run and t.item = of_item;
  if not found then
    raise exception 'there is no run % of %', run, of_item using errcode = '22023';
  end if;
  return next;
end
$$;
revoke execute on function internal.remove_superseded(uuid, uuid, text, timestamptz, integer) from public;
grant execute on function internal.remove_superseded(uuid, uuid, text, timestamptz, integer) to app_retention;

reset role;
