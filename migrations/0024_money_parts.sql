-- Which parts an order's money has, so that a tenant's revenue definition can take some of them out; and exchange rates, so that
-- figures in several currencies can be told in one.
-- Tables are added; what the older code writes stays valid, and its orders count whole.
set local role skeldir_owner;

-- What a delivery or a conversion says of the parts of an order. All of them are known, or there is no row. Keys and amounts: there is no
-- text in which somebody could be named.
create table order_parts (
  tenant_id      uuid        not null references tenants (tenant_id),
  order_key      text        not null check (order_key ~ '^(shopify|stripe|paypal|woocommerce|own):[A-Za-z0-9_-]{1,128}$'),
  event_id       uuid,        -- the delivery that says it
  conversion_id  uuid,        -- event_id of the conversion that does
  fact_id        uuid        not null generated always as (coalesce(event_id, conversion_id)) stored,
  covers         text        not null generated always as (case when event_id is null then 'payment' else 'order' end) stored,   -- a payment is one of several that add up; of an order the newest version holds
  version_at     timestamptz,   -- the vendor's stamp of the snapshot; null where it has none
  currency       text        not null check (currency ~ '^[A-Z]{3}$'),
  total_minor    bigint      not null check (total_minor > 0),   -- minor units, the next three included
  tax_minor      bigint      not null check (tax_minor >= 0),
  shipping_minor bigint      not null check (shipping_minor >= 0),   -- without the tax on it
  tip_minor      bigint      not null check (tip_minor >= 0),
  discount_minor bigint      not null check (discount_minor >= 0),   -- by how much discounts lowered the total
  recorded_at    timestamptz not null default now(),
  primary key (tenant_id, order_key, fact_id),
  unique (tenant_id, order_key, event_id),
  foreign key (tenant_id, event_id) references webhook_events (tenant_id, event_id),
  foreign key (tenant_id, conversion_id) references conversions (tenant_id, event_id),
  check (num_nonnulls(event_id, conversion_id) = 1),
  check (tax_minor + shipping_minor + tip_minor <= total_minor)
);

-- Purchases that were stored before tell their parts too. The policies let no one see all of them, hence one for this statement.
create policy backfill on conversions for select to skeldir_owner using (true);
insert into order_parts (tenant_id, order_key, conversion_id, currency, total_minor, tax_minor, shipping_minor, tip_minor, discount_minor, recorded_at)
select c.tenant_id, c.order_key, c.event_id, c.currency, c.total_minor, c.tax_minor, c.shipping_minor, c.tip_minor, c.discount_minor, c.received_at
from conversions as c
where c.kind = 'purchase';
drop policy backfill on conversions;

call internal.isolate_by_tenant('order_parts', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.make_append_only('order_parts');
call internal.close_to_worker_context('order_parts');
grant select on order_parts to app_user, app_worker, app_ro;
grant select, insert on order_parts to app_ingest;

-- SECURITY INVOKER, as those of 0023. Of a conversion its order and its entry tell already.
create function internal.note_order_parts() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.attribution_changes (tenant_id, order_key)
  select distinct n.tenant_id, n.order_key from new_rows as n where n.event_id is not null;
  return null;
end
$$;
create trigger attribution_changes after insert on order_parts referencing new table as new_rows
  for each statement execute function internal.note_order_parts();

-- What was paid on a day for 1 unit of `base`, in units of `quote`. Public facts, of no tenant; a figure names the day and the
-- source of the rate that it was made with. A rate is corrected by a newer version; the newest holds and the others stay.
create table fx_rates (
  base        text        not null check (base ~ '^[A-Z]{3}$'),
  quote       text        not null check (quote ~ '^[A-Z]{3}$'),
  as_of       date        not null check (as_of between '1970-01-01' and '2099-12-31'),
  source      text        not null check (source ~ '^[a-z0-9][a-z0-9._-]{0,39}$'),
  version     integer     not null default 1 check (version >= 1),
  rate        numeric     not null check (rate > 0 and rate < 1e15 and scale(rate) <= 15),
  recorded_at timestamptz not null default now(),
  primary key (as_of, base, quote, source, version),
  check (base <> quote)
);
alter table fx_rates enable row level security;
alter table fx_rates force row level security;
create policy load on fx_rates to app_rw using (true) with check (true);
create policy read on fx_rates for select to app_user, app_worker, app_ro using (true);
call internal.make_append_only('fx_rates');
grant select on fx_rates to app_rw, app_user, app_worker, app_ro;
grant insert (base, quote, as_of, source, version, rate) on fx_rates to app_rw;

-- A new rate may change what is told in another currency, of every tenant: each gets the row that means everything.
call internal.admit_to_tenant_table('attribution_changes', 'app_rw');
grant insert (tenant_id) on attribution_changes to app_rw;

-- SECURITY INVOKER: it acts for each tenant in turn, which whoever loads rates may, and gives the context back.
create function internal.note_fx_rates() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  former text := coalesce(current_setting('app.current_tenant_id', true), '');
  tenant uuid;
begin
  if not exists (select from new_rows) then
    return null;
  end if;
  for tenant in select s.tenant_id from public.tenant_slugs as s loop
    perform set_config('app.current_tenant_id', tenant::text, true);
    insert into public.attribution_changes (tenant_id) values (tenant);
  end loop;
  perform set_config('app.current_tenant_id', former, true);
  return null;
end
$$;
create trigger attribution_changes after insert on fx_rates referencing new table as new_rows
  for each statement execute function internal.note_fx_rates();

reset role;
