-- Orders by time, for who says that he looks by time (`ordered_at > '-infinity'`). Where Postgres knows nothing of a tenant yet, it took the
-- index by time for look-ups by key, with whichever column that index began, and went through all orders of a tenant for each.
set local role skeldir_owner;

drop index attribution_orders_time_idx;
create index attribution_orders_time_idx on attribution_orders (tenant_id, edition_id, ordered_at) where ordered_at > '-infinity';

-- As in 0027, where what is superseded is removed; its orders are taken by time.
create or replace function internal.remove_superseded(for_tenant uuid, run uuid, of_item text, cutoff timestamptz, max_rows integer)
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
        where e.tenant_id = for_tenant and e.superseded_at < cutoff and o.ordered_at > '-infinity'
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

reset role;
