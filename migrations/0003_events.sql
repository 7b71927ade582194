-- What comes in: webhook endpoints, accepted webhooks, dead events, touchpoints; and what is read out of them, the
-- revenue ledger. All append-only. No personal data: it is stripped before the insert, and a trigger refuses the rest.
set local role skeldir_owner;

-- Mirrors src/webhooks/personal-data.ts, name by name and with the same pattern: names of members at any depth in any
-- case with separators folded, and texts that look like an e-mail address. A match is a fault of ours, so it fails
-- loudly and the whole insert with it; the text itself is not repeated.
create function internal.find_personal_data(document jsonb) returns text
language sql
immutable
set search_path = ''
as $$
  with recursive nodes(key, value) as (
    select null::text, document
    union all
    select child.key, child.value
    from nodes
    cross join lateral (
      select e.key, e.value from jsonb_each(case when jsonb_typeof(nodes.value) = 'object' then nodes.value end) as e
      union all
      select null, a.value from jsonb_array_elements(case when jsonb_typeof(nodes.value) = 'array' then nodes.value end) as a
    ) as child
  ),
  findings as (
    select lower(regexp_replace(key, '[^A-Za-z0-9]', '', 'g') collate "C") as folded,
           concat_ws(' ', key, case when jsonb_typeof(value) = 'string' then value #>> '{}' end)
             ~* '[^\s@<>"](@|%40)[^\s@<>"]{1,255}\.[^\s@<>".]{2,}' as looks_like_email
    from nodes
  )
  select case when looks_like_email then 'a text that looks like an e-mail address' else 'member ' || folded end
  from findings
  where looks_like_email
     or folded = any (array[
          'firstname', 'lastname', 'fullname', 'givenname', 'surname', 'customername', 'cardholdername',
          'creditcardname', 'dateofbirth', 'dob', 'birthdate', 'ssn', 'socialsecuritynumber', 'taxid', 'passport',
          'email', 'emailaddress', 'contactemail', 'customeremail', 'payeremail', 'receiptemail', 'instructionsemail',
          'phone', 'phonenumber', 'customerphone', 'contactphone', 'address', 'address1', 'address2', 'streetaddress',
          'line1', 'line2', 'postalcode', 'zip', 'zipcode', 'latitude', 'longitude',
          'billingaddress', 'shippingaddress', 'customeraddress', 'defaultaddress', 'billingdetails',
          'customerdetails', 'customershipping', 'clientdetails', 'paymentdetails', 'paymentmethoddetails',
          'noteattributes', 'vendorpayload',
          'ip', 'ipaddress', 'browserip', 'customeripaddress', 'useragent', 'customeruseragent', 'sessionhash',
          'devicefingerprint',
          'cardnumber', 'creditcardnumber', 'last4', 'expmonth', 'expyear', 'fingerprint', 'iban',
          'orderstatusurl', 'receipturl', 'carttoken', 'checkouttoken', 'abandonedcheckouturl', 'clientsecret'])
  limit 1
$$;

create function internal.refuse_personal_data() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  finding text := internal.find_personal_data(to_jsonb(new));
begin
  if finding is not null then
    raise exception 'personal data refused in %: %', tg_table_name, finding using errcode = '23514';
  end if;
  return new;
end
$$;

create procedure internal.refuse_personal_data_in(target regclass)
language plpgsql
set search_path = ''
as $$
begin
  execute format('create trigger no_personal_data before insert on %s for each row execute function internal.refuse_personal_data()', target);
end
$$;

create table webhook_endpoints (
  tenant_id    uuid        not null references tenants (tenant_id),
  endpoint_id  uuid        not null default gen_random_uuid(),
  vendor       text        not null check (vendor in ('stripe', 'shopify')),
  name         text        not null check (length(name) between 1 and 100),
  mode         text        not null default 'live' check (mode in ('live', 'test')),
  shop_domain  text        check (length(shop_domain) <= 255),  -- deliveries of another shop are dead events
  endpoint_key text        not null check (endpoint_key ~ '^[A-Za-z0-9_-]{43}$'),  -- 256 random bits, part of the URL
  created_at   timestamptz not null default now(),
  primary key (tenant_id, endpoint_id)
);
create index webhook_endpoints_key_idx on webhook_endpoints (endpoint_key);  -- a delivery, before the tenant is known
call internal.isolate_by_tenant('webhook_endpoints', array['app_rw', 'app_user']);
call internal.allow_lookup('webhook_endpoints');
grant select, insert on webhook_endpoints to app_rw, app_user;

-- Several may be live at once, so that a vendor's secret is rotated without losing a delivery.
create table webhook_secrets (
  tenant_id   uuid        not null,
  endpoint_id uuid        not null,
  secret_id   uuid        not null default gen_random_uuid(),
  key_version integer     not null,   -- which tenant key sealed it
  sealed      bytea       not null,   -- AES-256-GCM under the tenant key; AAD = tenant, purpose, version
  created_at  timestamptz not null default now(),
  not_after   timestamptz,            -- null: until it is replaced
  primary key (tenant_id, endpoint_id, secret_id),
  foreign key (tenant_id, endpoint_id) references webhook_endpoints (tenant_id, endpoint_id),
  foreign key (tenant_id, key_version) references tenant_keys (tenant_id, key_version)
);
call internal.isolate_by_tenant('webhook_secrets', array['app_rw', 'app_user']);
call internal.allow_lookup('webhook_secrets');
grant insert on webhook_secrets to app_rw, app_user;
grant select (tenant_id, endpoint_id, secret_id, key_version, created_at, not_after) on webhook_secrets to app_rw, app_user;

-- One row per delivery that was correctly signed and understood. Unique for good: a repeat, today or in a year, is a
-- duplicate. `payload` holds the allow-listed fields only; `body_sha256` is of the raw body as it was signed.
create table webhook_events (
  tenant_id      uuid        not null references tenants (tenant_id),
  event_id       uuid        not null default gen_random_uuid(),
  vendor         text        not null check (vendor in ('stripe', 'shopify')),
  external_id    text        not null check (length(external_id) between 1 and 255),  -- the vendor's delivery or event id
  endpoint_id    uuid        not null,
  topic          text        not null check (length(topic) between 1 and 100),
  body_sha256    bytea       not null check (octet_length(body_sha256) = 32),
  payload        jsonb       not null,
  is_test        boolean     not null,   -- a vendor's test mode: kept, never money
  is_handled     boolean     not null,   -- false: a topic that carries no revenue, acknowledged and counted
  correlation_id uuid        not null,
  received_at    timestamptz not null default now(),
  primary key (tenant_id, event_id),
  unique (tenant_id, vendor, external_id),
  foreign key (tenant_id, endpoint_id) references webhook_endpoints (tenant_id, endpoint_id)
);
call internal.isolate_by_tenant('webhook_events', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.make_append_only('webhook_events');
call internal.close_to_worker_context('webhook_events');
call internal.refuse_personal_data_in('webhook_events');
grant select on webhook_events to app_user, app_worker, app_ro;
grant insert on webhook_events to app_ingest;
grant select (tenant_id, event_id, vendor, external_id, body_sha256) on webhook_events to app_ingest;

-- What could not be used, with a typed reason. Nothing is dropped; a repeat of the same body is the same row.
create table dead_events (
  tenant_id      uuid        not null references tenants (tenant_id),
  dead_event_id  uuid        not null default gen_random_uuid(),
  vendor         text        not null check (vendor in ('stripe', 'shopify')),
  endpoint_id    uuid        not null,
  external_id    text        check (length(external_id) between 1 and 255),
  topic          text        check (length(topic) between 1 and 100),
  class          text        not null check (class in ('malformed', 'schema', 'poison', 'unsupported', 'conflict')),
  code           text        not null check (code ~ '^[a-z0-9_]{1,64}$'),
  detail         text        not null check (length(detail) <= 500),
  body_sha256    bytea       not null check (octet_length(body_sha256) = 32),
  payload        jsonb,      -- allow-listed fields, where the body could be read at all
  correlation_id uuid        not null,
  received_at    timestamptz not null default now(),
  primary key (tenant_id, dead_event_id),
  unique (tenant_id, vendor, body_sha256, code),
  foreign key (tenant_id, endpoint_id) references webhook_endpoints (tenant_id, endpoint_id)
);
call internal.isolate_by_tenant('dead_events', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.make_append_only('dead_events');
call internal.close_to_worker_context('dead_events');
call internal.refuse_personal_data_in('dead_events');
grant select on dead_events to app_user, app_worker, app_ro;
grant insert on dead_events to app_ingest;
grant select (tenant_id, dead_event_id, vendor, body_sha256, code) on dead_events to app_ingest;

-- What each event says about an order. An order is the aggregate of its facts (earliest time, smallest identity), so
-- it comes out the same whatever the order of arrival.
create table order_facts (
  tenant_id   uuid        not null references tenants (tenant_id),
  order_key   text        not null check (order_key ~ '^(shopify|stripe):[A-Za-z0-9_-]{1,128}$'),
  event_id    uuid        not null,
  currency    text        not null check (currency ~ '^[A-Z]{3}$'),
  ordered_at  timestamptz not null,   -- the vendor's business time of the order
  identity    bytea       check (octet_length(identity) = 32),  -- HMAC-SHA-256 of the visitor id under the tenant key
  recorded_at timestamptz not null default now(),
  primary key (tenant_id, order_key, event_id),
  foreign key (tenant_id, event_id) references webhook_events (tenant_id, event_id)
);
create index order_facts_time_idx on order_facts (tenant_id, ordered_at);               -- the orders of a window
create index order_facts_recorded_idx on order_facts (tenant_id, recorded_at);          -- the watermark of the realtime total
create index order_facts_identity_idx on order_facts (tenant_id, identity, ordered_at); -- earlier orders of a visitor
call internal.isolate_by_tenant('order_facts', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.make_append_only('order_facts');
call internal.close_to_worker_context('order_facts');
grant select on order_facts to app_user, app_worker, app_ro;
grant insert on order_facts to app_ingest;
grant select (tenant_id, order_key, event_id) on order_facts to app_ingest;

-- One row per money movement. The key is the movement's own (payment or refund), not the event's: a payment that a
-- vendor reports four times is one entry.
create table ledger_entries (
  tenant_id    uuid        not null references tenants (tenant_id),
  entry_key    text        not null check (length(entry_key) between 1 and 255),
  order_key    text        not null check (order_key ~ '^(shopify|stripe):[A-Za-z0-9_-]{1,128}$'),
  kind         text        not null check (kind in ('capture', 'refund')),
  amount_minor bigint      not null,   -- minor units of `currency`: 1999 = 19.99 USD; a refund is negative
  currency     text        not null check (currency ~ '^[A-Z]{3}$'),
  vendor       text        not null check (vendor in ('stripe', 'shopify')),
  event_id     uuid        not null,   -- the signed delivery that proves it
  occurred_at  timestamptz not null,   -- the vendor's time
  recorded_at  timestamptz not null default now(),
  primary key (tenant_id, entry_key),
  foreign key (tenant_id, event_id) references webhook_events (tenant_id, event_id),
  check ((kind = 'capture' and amount_minor > 0) or (kind = 'refund' and amount_minor < 0))
);
create index ledger_entries_order_idx on ledger_entries (tenant_id, order_key);
create index ledger_entries_time_idx on ledger_entries (tenant_id, occurred_at);     -- the realtime total
create index ledger_entries_recorded_idx on ledger_entries (tenant_id, recorded_at); -- its watermark
call internal.isolate_by_tenant('ledger_entries', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.make_append_only('ledger_entries');
call internal.close_to_worker_context('ledger_entries');
grant select on ledger_entries to app_user, app_worker, app_ro;
grant insert on ledger_entries to app_ingest;
grant select (tenant_id, entry_key, order_key, amount_minor, currency) on ledger_entries to app_ingest;

-- First-party touches. `identity` is the keyed hash of the visitor id; the id itself is never stored.
create table touchpoints (
  tenant_id   uuid        not null references tenants (tenant_id),
  origin      text        not null check (origin in ('server')),   -- who sent it
  external_id text        not null check (external_id ~ '^[A-Za-z0-9._:-]{1,128}$'),
  identity    bytea       not null check (octet_length(identity) = 32),
  occurred_at timestamptz not null,
  channel     text        not null check (channel ~ '^[a-z_]{1,40}$'),
  source      text        check (length(source) between 1 and 255),
  medium      text        check (length(medium) between 1 and 255),
  campaign    text        check (length(campaign) between 1 and 255),
  item_sha256 bytea       not null check (octet_length(item_sha256) = 32),  -- tells a repeat from a conflict
  received_at timestamptz not null default now(),
  primary key (tenant_id, origin, external_id)
);
create index touchpoints_journey_idx on touchpoints (tenant_id, identity, occurred_at, external_id) include (channel);
call internal.isolate_by_tenant('touchpoints', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.make_append_only('touchpoints');
call internal.close_to_worker_context('touchpoints');
call internal.refuse_personal_data_in('touchpoints');
grant select on touchpoints to app_user, app_worker, app_ro;
grant insert on touchpoints to app_ingest;
grant select (tenant_id, origin, external_id, item_sha256) on touchpoints to app_ingest;
