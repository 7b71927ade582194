-- What the deliveries of a vendor say, in one vocabulary; the money kinds of disputes; one order that two vendors know;
-- what is kept of a body that could not be read, and how often a dead event was seen.
-- Columns and tables are added and checks widened: what the older code writes stays valid.
set local role skeldir_owner;

-- A text once decoded from what a URL makes of it: each well-formed character of UTF-8, and whatever is none as it stands.
-- This and the next two mirror src/webhooks/personal-data.ts: the names one by one, the patterns letter by letter. Blanks,
-- letters and digits are spelled out, since classes and case depend on the collation of the database.
create function internal.decode_percent(content text) returns text
language sql
immutable
set search_path = ''
as $$
  select case when content !~ '%[0-9A-Fa-f]{2}' then content else (
    select string_agg(case when length(m.part[1]) > 1 and left(m.part[1], 1) = '%'
                           then convert_from(decode(replace(m.part[1], '%', ''), 'hex'), 'UTF8')
                           else m.part[1] end, '' order by m.place)
    from regexp_matches(content, '%(?:0[1-9A-Fa-f]|[1-7][0-9A-Fa-f]|(?:[Cc][2-9A-Fa-f]|[Dd][0-9A-Fa-f])%[89ABab][0-9A-Fa-f]|(?:[Ee]0%[ABab]|[Ee][1-9A-CEFa-cef]%[89ABab]|[Ee][Dd]%[89])[0-9A-Fa-f]%[89ABab][0-9A-Fa-f]|(?:[Ff]0%[9ABab]|[Ff][1-3]%[89ABab]|[Ff]4%8)[0-9A-Fa-f]%[89ABab][0-9A-Fa-f]%[89ABab][0-9A-Fa-f])|%|[^%]+', 'g') with ordinality as m (part, place)
  ) end
$$;

-- A text as the patterns below read it: decoded up to twice, and with the blanks, dashes, digits and signs that they name.
create function internal.plain_text(content text) returns text
language sql
immutable
set search_path = ''
as $$
  select translate(internal.decode_percent(internal.decode_percent(content)),
    U&'\00a0\2000\2001\2002\2003\2004\2005\2006\2007\2008\2009\200a\202f\205f\3000\2010\2011\2012\2013\2014\2015\2212０１２３４５６７８９＠﹫＋﹢－．﹒。｡（）／％：',
    '               -------0123456789@@++-....()/%:')
$$;
grant execute on function internal.decode_percent(text), internal.plain_text(text)
  to app_ingest, app_rw, app_user, app_worker, app_retention;

-- As in 0003, and beside e-mail addresses it finds telephone numbers and IP addresses.
create or replace function internal.find_personal_data(document jsonb) returns text
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
  texts as (
    select lower(regexp_replace(n.key, '[^A-Za-z0-9]', '', 'g') collate "C") as folded,
           case when t.sent ~ '[%\u00a0\u2000-\u200a\u202f\u205f\u3000\u2010-\u2015\u2212０-９＠﹫＋﹢－．﹒。｡（）／％：]'
                then internal.plain_text(t.sent) else t.sent end collate "C" as content
    from nodes as n
    -- A line feed is part of nothing that is looked for: name and text are two texts.
    cross join lateral (
      select concat_ws(chr(10), n.key, case when jsonb_typeof(n.value) = 'string' then n.value #>> '{}' end) as sent
    ) as t
  ),
  findings as (
    select folded,
           case
             when content ~ '@|%40' and content ~ '[^\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000@<>"](@|%40)[^\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000@<>"]{1,255}\.(?!(png|jpe?g|gif|webp|svg|avif)(?![0-9A-Za-z]))[^\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000@<>".]{2}' then 'an e-mail address'
             when content ~ '(?<![0-9A-Za-z])(\+|%2[Bb])(1[ ()./-]{0,2}[2-9]([ ()./-]{0,2}[0-9]){9}|[2-9]([ ()./-]{0,2}[0-9]){8,14})(?![0-9])' then 'a telephone number'
             when content ~ '(?<![0-9A-Za-z_./-])(\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-. ])[0-9]{3}[-. ][0-9]{4}(?![0-9A-Za-z_-])' then 'a telephone number'
             when content ~ '(?<![0-9A-Za-z_./-])(\(0[0-9]{1,4}\) ?|0[0-9]{2,4}[ /-])[0-9]([ /-]?[0-9]){5,8}(?![0-9A-Za-z_-])' then 'a telephone number'
             when content ~ '(?<![0-9A-Za-z_./-])0[1-9]([ .-][0-9]{2}){4}(?![0-9A-Za-z_-])' then 'a telephone number'
             when content ~ '(?<![0-9A-Za-z.])((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?![0-9]|\.[0-9])' then 'an IP address'
             when content ~ '(?<![0-9A-Za-z_:])([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){7}|([0-9A-Fa-f]{1,4}:){1,7}:([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,6})?)(?![0-9A-Za-z_:])' then 'an IP address'
           end as looks_like
    from texts
  )
  select case when looks_like is not null then 'a text that looks like ' || looks_like else 'member ' || folded end
  from findings
  where looks_like is not null
     or folded = any (array[
          'firstname', 'lastname', 'fullname', 'givenname', 'surname', 'customername', 'cardholdername',
          'creditcardname', 'dateofbirth', 'dob', 'birthdate', 'ssn', 'socialsecuritynumber', 'taxid', 'passport',
          'email', 'emailaddress', 'contactemail', 'customeremail', 'payeremail', 'receiptemail', 'instructionsemail',
          'phone', 'phonenumber', 'customerphone', 'contactphone', 'address', 'address1', 'address2', 'streetaddress',
          'line1', 'line2', 'postalcode', 'zip', 'zipcode', 'latitude', 'longitude',
          'billingaddress', 'shippingaddress', 'customeraddress', 'defaultaddress', 'billingdetails',
          'customerdetails', 'customershipping', 'clientdetails', 'paymentdetails', 'paymentmethoddetails',
          'billing', 'shipping', 'payer', 'payerinfo', 'subscriber', 'paymentsource',
          'noteattributes', 'customernote', 'notetopayer', 'vendorpayload',
          'ip', 'ipaddress', 'browserip', 'customeripaddress', 'useragent', 'customeruseragent', 'sessionhash',
          'devicefingerprint',
          'cardnumber', 'creditcardnumber', 'last4', 'expmonth', 'expyear', 'fingerprint', 'iban',
          'orderstatusurl', 'receipturl', 'paymenturl', 'hostedinvoiceurl', 'carttoken', 'checkouttoken',
          'abandonedcheckouturl', 'clientsecret'])
  limit 1
$$;

-- A delivery is known by the vendor's id within its endpoint: of two endpoints each may hold the same id, with a body of
-- its own version. What it says about money has a key of its own, so nothing counts twice for it.
alter table webhook_events
  drop constraint webhook_events_tenant_id_vendor_external_id_key,
  add constraint webhook_events_delivery_key unique (tenant_id, endpoint_id, external_id),
  add column kept_sha256 bytea check (octet_length(kept_sha256) = 32);   -- as hash_kept has it, of what was kept first; null before it was known
grant select (endpoint_id, topic, is_test, kept_sha256) on webhook_events to app_ingest;

-- Everything that deliveries said, each in the words of api-contracts/governance/canonical-events.yaml. The ledger is a
-- function of these rows, whatever the order of arrival: of several statements about one movement the newest version
-- holds, and the earliest of their times. Explanations and states of orders are read from here too.
create table canonical_events (
  tenant_id    uuid        not null references tenants (tenant_id),
  event_id     uuid        not null,
  ordinal      integer     not null check (ordinal >= 0),   -- of one delivery, in the order of the field map
  type         text        not null check (type in ('order_created', 'payment_captured', 'payment_refunded',
                                                    'payment_disputed', 'dispute_closed', 'order_cancelled')),
  order_key    text        not null check (order_key ~ '^(shopify|stripe|paypal|woocommerce):[A-Za-z0-9_-]{1,128}$'),
  same_as      text        check (same_as ~ '^(shopify|stripe|paypal|woocommerce):[A-Za-z0-9_-]{1,128}$'),  -- another key of this order
  entry_key    text        check (length(entry_key) between 1 and 255),
  dispute_key  text        check (length(dispute_key) between 1 and 255),   -- entry_key of the dispute that it ends
  outcome      text        check (outcome in ('won', 'lost')),
  list_key     text        check (length(list_key) between 1 and 140),      -- whose refunds it tells of; null where it is about no list
  list         text        check (list in ('item', 'whole', 'sum', 'claim')), -- as one, all or the sum of them, or a claim that they settle
  amount_minor bigint      check (amount_minor between 0 and 9007199254740991),   -- without the sign of its effect
  counts       boolean     not null default true,    -- false: it moved no money, or does so no longer
  currency     text        check (currency ~ '^[A-Z]{3}$'),
  occurred_at  timestamptz not null,   -- the vendor's time
  version_at   timestamptz,            -- the vendor's stamp of the snapshot; null where it has none or it orders nothing
  prevails     boolean     not null default false,   -- it stands before one that does not, whatever the versions
  recorded_at  timestamptz not null default now(),
  primary key (tenant_id, event_id, ordinal),
  foreign key (tenant_id, event_id) references webhook_events (tenant_id, event_id),
  check ((entry_key is null) = (type in ('order_created', 'order_cancelled'))),
  check ((list_key is null) = (list is null)),
  check ((dispute_key is not null) = (type = 'dispute_closed') and (outcome is not null) = (type = 'dispute_closed'))
);
create index canonical_events_order_idx on canonical_events (tenant_id, order_key);
create index canonical_events_entry_idx on canonical_events (tenant_id, entry_key) where entry_key is not null;
create index canonical_events_dispute_idx on canonical_events (tenant_id, dispute_key) where dispute_key is not null;
create index canonical_events_list_idx on canonical_events (tenant_id, list_key) where list_key is not null;
create index canonical_events_same_idx on canonical_events (tenant_id, same_as) where same_as is not null;
call internal.isolate_by_tenant('canonical_events', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.make_append_only('canonical_events');
call internal.close_to_worker_context('canonical_events');
call internal.refuse_personal_data_in('canonical_events');
grant select on canonical_events to app_user, app_worker, app_ro;
grant select, insert on canonical_events to app_ingest;

-- Disputes; entries that no delivery of a vendor proves; and corrections, which are rows of their own: an entry's amount
-- is that of its row and of all that correct it.
alter table ledger_entries
  add column source             text not null default 'webhook' check (source in ('webhook', 'conversion', 'import', 'poll')),
  add column reverses_entry_key text,   -- the dispute that was won
  add column corrects_entry_key text,   -- the entry whose amount this one adds to, of either sign
  alter column event_id drop not null,
  drop constraint ledger_entries_kind_check,
  add constraint ledger_entries_kind_check check (kind in ('capture', 'refund', 'dispute', 'dispute_reversal')),
  drop constraint ledger_entries_check,
  add constraint ledger_entries_sign_check check (
    amount_minor <> 0 and (corrects_entry_key is not null or (amount_minor > 0) = (kind in ('capture', 'dispute_reversal')))),
  add constraint ledger_entries_reverses_check check ((reverses_entry_key is not null) = (kind = 'dispute_reversal')),
  add constraint ledger_entries_event_check check (event_id is not null or source in ('conversion', 'import')),
  add constraint ledger_entries_reverses_fkey foreign key (tenant_id, reverses_entry_key) references ledger_entries (tenant_id, entry_key),
  add constraint ledger_entries_corrects_fkey foreign key (tenant_id, corrects_entry_key) references ledger_entries (tenant_id, entry_key);
create index ledger_entries_corrects_idx on ledger_entries (tenant_id, corrects_entry_key) where corrects_entry_key is not null;
create index ledger_entries_reverses_idx on ledger_entries (tenant_id, reverses_entry_key) where reverses_entry_key is not null;
grant select (kind, vendor, source, corrects_entry_key, reverses_entry_key) on ledger_entries to app_ingest;

-- One order that several vendors report, such as a shop and its payment service: which keys are the same order is said
-- by canonical_events.same_as, and these two tables hold what follows from it. They may be made again at any time.
create table order_groups (
  tenant_id uuid not null references tenants (tenant_id),
  order_key text not null check (length(order_key) between 1 and 140),
  group_key text not null check (length(group_key) between 1 and 140),   -- the key that the whole order goes by: a shop's before a payment service's
  primary key (tenant_id, order_key)
);
create index order_groups_group_idx on order_groups (tenant_id, group_key);
call internal.isolate_by_tenant('order_groups', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
grant select on order_groups to app_user, app_worker, app_ro;
grant select, insert, update (group_key), delete on order_groups to app_ingest;

-- Entries that report money which an entry of another vendor in the same order reports already.
create table uncounted_entries (
  tenant_id uuid not null,
  entry_key text not null,
  group_key text not null check (length(group_key) between 1 and 140),
  primary key (tenant_id, entry_key),
  foreign key (tenant_id, entry_key) references ledger_entries (tenant_id, entry_key)
);
create index uncounted_entries_group_idx on uncounted_entries (tenant_id, group_key);
call internal.isolate_by_tenant('uncounted_entries', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
grant select on uncounted_entries to app_user, app_worker, app_ro;
grant select, insert, update (group_key), delete on uncounted_entries to app_ingest;

-- How often a dead event came. Beside the event, which never changes.
create table dead_event_sightings (
  tenant_id           uuid        not null,
  dead_event_id       uuid        not null,
  seen                integer     not null default 1 check (seen >= 1),
  first_seen_at       timestamptz not null default now(),
  last_seen_at        timestamptz not null default now(),
  last_correlation_id uuid        not null,
  primary key (tenant_id, dead_event_id),
  foreign key (tenant_id, dead_event_id) references dead_events (tenant_id, dead_event_id)
);
call internal.isolate_by_tenant('dead_event_sightings', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.close_to_worker_context('dead_event_sightings');
grant select on dead_event_sightings to app_user, app_worker, app_ro;
grant select, insert, update (seen, last_seen_at, last_correlation_id) on dead_event_sightings to app_ingest;

-- The bytes of a body that could not be read, and so could not be stripped: AES-256-GCM under the tenant's key; AAD =
-- tenant, purpose with the body's SHA-256, version. In a table of its own, since retention deletes it and never the event.
create table dead_event_bodies (
  tenant_id     uuid        not null,
  dead_event_id uuid        not null,
  key_version   integer     not null,
  sealed_body   bytea       not null check (octet_length(sealed_body) between 28 and 4194304),
  created_at    timestamptz not null default now(),
  primary key (tenant_id, dead_event_id),
  foreign key (tenant_id, dead_event_id) references dead_events (tenant_id, dead_event_id),
  foreign key (tenant_id, key_version) references tenant_keys (tenant_id, key_version)
);
create index dead_event_bodies_age_idx on dead_event_bodies (tenant_id, created_at);   -- retention
call internal.isolate_by_tenant('dead_event_bodies', array['app_user', 'app_ingest', 'app_retention']);
call internal.close_to_worker_context('dead_event_bodies');
grant insert on dead_event_bodies to app_ingest;
grant select on dead_event_bodies to app_user;
grant select (tenant_id, dead_event_id) on dead_event_bodies to app_ingest;
grant select (tenant_id, dead_event_id, created_at), delete on dead_event_bodies to app_retention;

-- With the sighting, and the sealed body where there is one. The event's own row is the first of its kind for good.
drop function internal.record_dead_event(uuid, text, text, uuid, text, text, text, text, bytea, jsonb, uuid);
create function internal.record_dead_event(
  for_tenant uuid, from_vendor text, delivery_id text, at_endpoint uuid, about_topic text, fault_class text,
  fault_code text, fault_detail text, body_hash bytea, event_payload jsonb, correlation uuid,
  body_key_version integer default null, body_sealed bytea default null
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  receipt uuid;
begin
  insert into public.dead_events (tenant_id, vendor, endpoint_id, external_id, topic, class, code, detail, body_sha256,
                                  payload, correlation_id)
  values (for_tenant, from_vendor, at_endpoint, delivery_id, about_topic, fault_class, fault_code, fault_detail, body_hash,
          event_payload, correlation)
  on conflict (tenant_id, vendor, body_sha256, code) do nothing
  returning dead_event_id into receipt;
  if receipt is null then
    select d.dead_event_id into strict receipt
    from public.dead_events as d
    where d.tenant_id = for_tenant and d.vendor = from_vendor and d.body_sha256 = body_hash and d.code = fault_code;
  elsif body_sealed is not null then
    insert into public.dead_event_bodies (tenant_id, dead_event_id, key_version, sealed_body)
    values (for_tenant, receipt, body_key_version, body_sealed);
  end if;
  insert into public.dead_event_sightings as s (tenant_id, dead_event_id, last_correlation_id)
  values (for_tenant, receipt, correlation)
  on conflict (tenant_id, dead_event_id) do update
    set seen = s.seen + 1, last_seen_at = greatest(s.last_seen_at, excluded.last_seen_at), last_correlation_id = excluded.last_correlation_id;
  return receipt;
end
$$;

-- Of all that is kept of a delivery: what is as much says the same of money, also once an erasure has taken the buyer out of
-- it. The text of jsonb is one for one value.
create function internal.hash_kept(topic text, is_test boolean, payload jsonb) returns bytea
language sql
stable
set search_path = ''
as $$
  select sha256(convert_to(jsonb_build_array(topic, is_test, payload)::text, 'UTF8'))
$$;
grant execute on function internal.hash_kept(text, boolean, jsonb) to app_ingest;

-- As in 0004, with the delivery's key within its endpoint; and what comes again with other bytes, but says all that is kept
-- of the first, is a duplicate: a vendor counts its attempts in some bodies.
create or replace function internal.ingest_webhook_event(
  for_tenant uuid, from_vendor text, delivery_id text, at_endpoint uuid, about_topic text, body_hash bytea,
  event_payload jsonb, test boolean, handled boolean, correlation uuid
)
returns table (result text, receipt_id uuid)
language plpgsql
set search_path = ''
as $$
declare
  new_id uuid;
  known record;
begin
  insert into public.webhook_events (tenant_id, vendor, external_id, endpoint_id, topic, body_sha256, kept_sha256, payload,
                                     is_test, is_handled, correlation_id)
  values (for_tenant, from_vendor, delivery_id, at_endpoint, about_topic, body_hash,
          internal.hash_kept(about_topic, test, event_payload), event_payload, test, handled, correlation)
  on conflict (tenant_id, endpoint_id, external_id) do nothing
  returning event_id into new_id;

  if new_id is not null then
    if handled and not test then
      perform internal.enqueue_job('webhook', jsonb_build_object('job', 'webhooks.normalize_event', 'tenantId', for_tenant,
                                   'correlationId', correlation, 'eventId', new_id));
    end if;
    return query select case when handled and not test then 'accepted' else 'ignored' end, new_id;
    return;
  end if;

  select e.event_id,
         e.body_sha256 = body_hash or e.kept_sha256 = internal.hash_kept(about_topic, test, event_payload) as is_same
  into strict known
  from public.webhook_events as e
  where e.tenant_id = for_tenant and e.endpoint_id = at_endpoint and e.external_id = delivery_id;
  if known.is_same then
    return query select 'duplicate', known.event_id;
  else
    return query select 'dead', internal.record_dead_event(for_tenant, from_vendor, delivery_id, at_endpoint, about_topic,
      'conflict', 'same_id_other_body', 'This id was delivered before with another body.', body_hash, event_payload, correlation);
  end if;
end
$$;
grant execute on function
  internal.record_dead_event(uuid, text, text, uuid, text, text, text, text, bytea, jsonb, uuid, integer, bytea) to app_ingest;
