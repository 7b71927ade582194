-- What tenants send besides webhooks: touches from browsers, orders and files; conversions of their own systems; what
-- advertising cost; and how far an import of a file has come. No personal data in any of it, as in 0003.
set local role skeldir_owner;

-- Touches come from four places, each with its own ids. One that came with an order and names no visitor belongs to
-- that order; of what a page or an order tells only what reports need is kept, tokens as keyed hashes.
alter table touchpoints
  drop constraint touchpoints_origin_check,
  add constraint touchpoints_origin_check check (origin in ('server', 'browser', 'order', 'import')),
  alter column identity drop not null,
  add column tier          text    not null default 'visitor_id'
    check (tier in ('visitor_id', 'click_id', 'vendor_journey', 'landing_page')),   -- how it is known whose touch it was
  add column session       bytea   check (octet_length(session) = 32),      -- HMAC-SHA-256 of the session id under the tenant key
  add column order_key     text    check (order_key ~ '^(shopify|stripe|paypal|woocommerce|own):[A-Za-z0-9_-]{1,128}$'),
  add column click_kind    text    check (click_kind ~ '^[a-z_]{2,20}$'),   -- the parameter's name, such as gclid
  add column click_hash    bytea   check (octet_length(click_hash) = 32),   -- HMAC-SHA-256 of its value under the tenant key
  add column landing_path  text    check (length(landing_path) between 1 and 1024 and landing_path !~ '[?#]'),
  add column referrer_host text    check (referrer_host ~ '^[a-z0-9._:-]{1,253}$'),
  add column channel_rules text    check (channel_rules ~ '^[a-z0-9.]{1,20}/[0-9]{1,9}$'),   -- version; null: the sender named the channel
  add constraint touchpoints_owner_check check (identity is not null or order_key is not null),
  add constraint touchpoints_click_check check (click_hash is null or click_kind is not null);
create index touchpoints_order_idx on touchpoints (tenant_id, order_key)   -- the touches that an order brought itself
  where identity is null;

-- Purchases and refunds that no vendor reports. A conversion_id is known for good, whoever sends it again and however.
create table conversions (
  tenant_id      uuid        not null references tenants (tenant_id),
  event_id       uuid        not null default gen_random_uuid(),   -- of the order facts that it brings
  conversion_id  text        not null check (conversion_id ~ '^[A-Za-z0-9._:-]{1,128}$'),
  source         text        not null check (source in ('conversion', 'import')),
  kind           text        not null check (kind in ('purchase', 'refund')),
  order_key      text        not null check (order_key ~ '^own:[A-Za-z0-9_-]{1,128}$'),
  occurred_at    timestamptz not null,
  currency       text        not null check (currency ~ '^[A-Z]{3}$'),
  total_minor    bigint      not null check (total_minor > 0),       -- minor units, all parts included; of a refund too
  tax_minor      bigint      not null check (tax_minor >= 0),
  shipping_minor bigint      not null check (shipping_minor >= 0),
  tip_minor      bigint      not null check (tip_minor >= 0),
  discount_minor bigint      not null check (discount_minor >= 0),   -- by how much discounts lowered the total
  identity       bytea       check (octet_length(identity) = 32),    -- HMAC-SHA-256 of the visitor id under the tenant key
  item_sha256    bytea       not null check (octet_length(item_sha256) = 32),   -- tells a repeat from a conflict
  received_at    timestamptz not null default now(),
  primary key (tenant_id, event_id),
  unique (tenant_id, conversion_id),
  check (tax_minor + shipping_minor + tip_minor <= total_minor)
);
create index conversions_order_idx on conversions (tenant_id, order_key);
call internal.isolate_by_tenant('conversions', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.make_append_only('conversions');
call internal.close_to_worker_context('conversions');
call internal.refuse_personal_data_in('conversions');
grant select on conversions to app_user, app_worker, app_ro;
grant insert on conversions to app_ingest;
grant select (tenant_id, event_id, conversion_id, item_sha256) on conversions to app_ingest;

-- Their orders and money stand in the same ledger, under a prefix of their own. Each fact names the delivery or the
-- conversion that it comes from.
alter table order_facts
  drop constraint order_facts_order_key_check,
  add constraint order_facts_order_key_check
    check (order_key ~ '^(shopify|stripe|paypal|woocommerce|own):[A-Za-z0-9_-]{1,128}$'),
  drop constraint order_facts_pkey,
  alter column event_id drop not null,
  add column conversion_id uuid,   -- event_id of the conversion
  add column fact_id uuid not null generated always as (coalesce(event_id, conversion_id)) stored,
  add primary key (tenant_id, order_key, fact_id),
  add constraint order_facts_event_key unique (tenant_id, order_key, event_id),
  add constraint order_facts_origin_check check (event_id is null or conversion_id is null),
  add foreign key (tenant_id, conversion_id) references conversions (tenant_id, event_id);
alter table ledger_entries
  drop constraint ledger_entries_order_key_check,
  add constraint ledger_entries_order_key_check
    check (order_key ~ '^(shopify|stripe|paypal|woocommerce|own):[A-Za-z0-9_-]{1,128}$'),
  drop constraint ledger_entries_vendor_check,
  add constraint ledger_entries_vendor_check check (vendor in ('stripe', 'shopify', 'paypal', 'woocommerce', 'own'));

-- What advertising cost. Figures are corrected by a newer version; the newest one holds and the others stay.
create table spend_versions (
  tenant_id    uuid        not null references tenants (tenant_id),
  day          date        not null,
  time_zone    text        not null check (length(time_zone) between 1 and 64),   -- IANA name, of the day
  channel      text        not null check (channel ~ '^[a-z_]{1,40}$'),
  source       text        not null check (length(source) between 1 and 255),
  campaign     text        not null check (length(campaign) <= 255),   -- empty: of no campaign
  currency     text        not null check (currency ~ '^[A-Z]{3}$'),
  version      integer     not null check (version >= 1),
  amount_minor bigint      not null check (amount_minor >= 0),   -- minor units of `currency`
  impressions  bigint      check (impressions >= 0),
  clicks       bigint      check (clicks >= 0),
  recorded_at  timestamptz not null default now(),
  primary key (tenant_id, day, time_zone, channel, source, campaign, currency, version)
);
call internal.isolate_by_tenant('spend_versions', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.make_append_only('spend_versions');
call internal.close_to_worker_context('spend_versions');
call internal.refuse_personal_data_in('spend_versions');
grant select on spend_versions to app_user, app_worker, app_ro;
grant insert on spend_versions to app_ingest;
grant select (tenant_id, day, time_zone, channel, source, campaign, currency, version, amount_minor, impressions, clicks)
  on spend_versions to app_ingest;

-- Files of history that an operator imports. `rows_done` moves in the transaction that stores the rows, so an import
-- that was killed goes on exactly where its last transaction ended.
create table import_files (
  tenant_id   uuid        not null references tenants (tenant_id),
  kind        text        not null check (kind in ('orders', 'touchpoints', 'spend')),
  file_sha256 bytea       not null check (octet_length(file_sha256) = 32),
  reading     text        not null check (length(reading) between 1 and 100),   -- format and time zone: another reading is another import
  rows_done   bigint      not null default 0 check (rows_done >= 0),
  tally       jsonb       not null default '{}',   -- rows by result; minor units and touches by what they are of, as texts
  started_at  timestamptz not null default now(),
  finished_at timestamptz,
  primary key (tenant_id, kind, file_sha256, reading)
);
call internal.isolate_by_tenant('import_files', array['app_user', 'app_ingest', 'app_ro']);
call internal.close_to_worker_context('import_files');
call internal.refuse_personal_data_in('import_files');
grant select on import_files to app_user, app_ro;
grant select, insert, update (rows_done, tally, started_at, finished_at) on import_files to app_ingest;
