-- A load of exchange rates has the orders computed again that it can change, and no others: a rate holds for its own day and the
-- seven after it, and counts where an order has another currency than its tenant reports in. A change can name a span of time.
--
-- The release before takes a change that names neither an order nor a visitor for everything, and so computes more than it
-- would have to; where both are at work, each goes on with what the other has left. It does not wait for a load to be committed, as
-- this one does: the first order of a tenant in another currency that it publishes in that second keeps the rates of before.
-- The migrator joins skeldir_control for this transaction only.
grant skeldir_control to current_user;
set local role skeldir_owner;

-- Times of a visitor are those of the first and of the last touch. Without a key and a visitor they are a span: all orders from
-- the first moment on and before the last. Without times as well it is everything.
alter table attribution_changes drop constraint attribution_changes_check;
alter table attribution_changes add constraint attribution_changes_check check (
  case
    when identity is not null then order_key is null and num_nulls(from_at, until_at) = 0
    when order_key is not null then num_nulls(from_at, until_at) = 2
    else num_nulls(from_at, until_at) = 2 or (num_nulls(from_at, until_at) = 0 and from_at < until_at)
  end
);
grant insert (from_at, until_at) on attribution_changes to app_rw;

-- list_exchanged_spans
call internal.allow_lookup('attribution_editions');
call internal.allow_lookup('published_day_runs');
call internal.allow_lookup('attribution_day_run_totals');

set local role skeldir_control;

-- Which tenants have orders whose figures rates of these days can change, and the spans of such orders: the days of a rate and the
-- seven after it (MAX_RATE_AGE_DAYS in src/attribution/exchange.ts), those that overlap or meet as one. SECURITY DEFINER: rates are of
-- no tenant; the answer is ids and times. It looks at what was published, a few rows a day: what is published later
-- finds the rates. The fences (`offset 0`) keep it going by index, whatever the planner knows of the tables.
create function internal.list_exchanged_spans(days date[])
returns table (tenant_id uuid, from_at timestamptz, until_at timestamptz)
language sql
stable
security definer
set search_path = ''
as $$
  with spans as (
    select lower(m.span) as from_at, upper(m.span) as until_at
    from (
      select unnest(range_agg(tstzrange(d.day::timestamp at time zone 'UTC', (d.day + 8)::timestamp at time zone 'UTC'))) as span
      from unnest(days) as d (day)
    ) as m
  )
  select distinct e.tenant_id, s.from_at, s.until_at
  from public.attribution_editions as e
  cross join spans as s
  where e.status in ('building', 'published')
    and exists (
      select
      from public.published_day_runs as p
      cross join lateral (
        select from public.attribution_day_run_totals as t
        where t.tenant_id = p.tenant_id and t.run_id = p.run_id and t.currency <> e.config ->> 'reportingCurrency'
        offset 0
      ) as t
      where p.tenant_id = e.tenant_id and p.edition_id = e.edition_id and p.model = e.models[1]
        and p.window_start >= s.from_at and p.window_start < s.until_at
      offset 0
    )
  order by 1, 2
$$;
revoke execute on function internal.list_exchanged_spans(date[]) from public;
grant execute on function internal.list_exchanged_spans(date[]) to app_rw;

set local role skeldir_owner;

-- SECURITY INVOKER: it acts for each of these tenants in turn, which whoever loads rates may, and gives the context back.
-- Publications that read rates hold the lock shared, until they are committed: they have read what is new, or are seen here.
create or replace function internal.note_fx_rates() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  former text := coalesce(current_setting('app.current_tenant_id', true), '');
  noted  record;
begin
  if not exists (select from new_rows) then
    return null;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('fx_rates/published', 0));
  for noted in
    select s.tenant_id, s.from_at, s.until_at
    from internal.list_exchanged_spans(array(select distinct n.as_of from new_rows as n)) as s
  loop
    perform set_config('app.current_tenant_id', noted.tenant_id::text, true);
    insert into public.attribution_changes (tenant_id, from_at, until_at)
    values (noted.tenant_id, noted.from_at, noted.until_at);
  end loop;
  perform set_config('app.current_tenant_id', former, true);
  return null;
end
$$;

reset role;
revoke skeldir_control from current_user;
