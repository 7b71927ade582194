-- What is removed and when: the end of a retention, the erasure of one person's traces, the end of a shop and of a tenant.
-- Events and the ledger stay: they hold no personal data. What links them to a person goes: touches, identities, hashes of
-- click ids, what was kept of dead deliveries. app_retention alone may do so, by the functions below, and each of them
-- writes down what it did. The migrator joins skeldir_control for this transaction only.
grant skeldir_control to current_user;
set local role skeldir_owner;

alter table tenants add column offboarded_at timestamptz;   -- its keys are destroyed, and nobody comes in

-- Each keeps the roles that it has.
create procedure internal.admit_to_tenant_table(target regclass, newcomer name)
language plpgsql
set search_path = ''
as $$
declare
  policy record;
begin
  for policy in
    select p.polname as name, string_agg(quote_ident(r.rolname), ', ' order by r.rolname) as roles
    from pg_catalog.pg_policy as p
    join pg_catalog.pg_roles as r on r.oid = any (p.polroles)
    where p.polrelid = target and p.polname in ('open_to_runtime', 'tenant_only')
    group by p.polname
  loop
    execute format('alter policy %I on %s to %s, %I', policy.name, target, policy.roles, newcomer);
  end loop;
end
$$;

do $$
declare
  name text;
begin
  foreach name in array array[
    'tenants', 'tenant_keys', 'tenant_alert_targets', 'memberships', 'member_invitations', 'api_keys', 'sessions',
    'token_cutoffs', 'idempotency_keys', 'webhook_endpoints', 'webhook_secrets', 'webhook_events', 'dead_events',
    'canonical_events', 'order_facts', 'order_groups', 'ledger_entries', 'conversions', 'touchpoints'
  ] loop
    call internal.admit_to_tenant_table(name::regclass, 'app_retention');
  end loop;
end
$$;
create policy listing_for_retention on tenant_slugs for select to app_retention using (true);
grant select on tenant_slugs to app_retention;
grant select (tenant_id, slug, retention_days, offboarded_at), update (offboarded_at) on tenants to app_retention;
grant select (offboarded_at) on tenants to app_rw, app_user;
grant select (tenant_id, key_version), delete on tenant_keys to app_retention;
grant select (tenant_id), delete on tenant_alert_targets to app_retention;
grant select (tenant_id, user_id), delete on memberships to app_retention;
grant select (tenant_id, user_id, expires_at), delete on member_invitations to app_retention;
grant select (tenant_id, key_id, revoked_at), update (revoked_at) on api_keys to app_retention;
grant select (tenant_id, session_id, expires_at, ended_at), delete on sessions to app_retention;
grant select (tenant_id), delete on token_cutoffs to app_retention;
grant select (tenant_id, key_hash, expires_at), delete on idempotency_keys to app_retention;
grant select (tenant_id, endpoint_id, vendor, version, deleted_at), update (version, deleted_at) on webhook_endpoints
  to app_retention;
grant select (tenant_id, endpoint_id, secret_id, not_after), delete on webhook_secrets to app_retention;
grant select, update (payload) on webhook_events, dead_events to app_retention;
grant select, update (identity) on order_facts, conversions to app_retention;
grant select on canonical_events, order_groups, ledger_entries to app_retention;
grant select, delete on touchpoints to app_retention;

-- Once a tenant has come to its end, nothing that lets somebody in is made anew, by an operator's mistake either.
create function internal.refuse_offboarded() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if exists (select from public.tenants as t where t.tenant_id = new.tenant_id and t.offboarded_at is not null) then
    raise exception 'the tenant was offboarded: it takes no new %', tg_table_name using errcode = '23514';
  end if;
  return new;
end
$$;
do $$
declare
  name text;
begin
  foreach name in array array['tenant_keys', 'memberships', 'member_invitations', 'api_keys', 'webhook_endpoints'] loop
    execute format('create trigger not_offboarded before insert on %I for each row execute function internal.refuse_offboarded()', name);
  end loop;
end
$$;

-- A payload without what links it to a person: the visitor's keyed hash, and how the buyer came.
create function internal.without_identity(payload jsonb) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select regexp_replace((payload - 'attribution')::text, '"id1\.[0-9a-f]{64}"', '"id0"', 'g')::jsonb
$$;

create function internal.has_identity(payload jsonb) returns boolean
language sql
immutable
set search_path = ''
as $$
  select payload ? 'attribution' or payload::text ~ '"id1\.[0-9a-f]{64}"'
$$;

-- The second line of append-only tables, with a door for erasure: app_retention may delete whole rows where the trigger
-- says `rows`, and otherwise empty the column that it names first, of a payload but what names the buyer.
create function internal.refuse_change_but_erasure() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  is_less boolean;
begin
  if current_user = 'app_retention' then
    if tg_op = 'DELETE' and 'rows' = any (tg_argv) then
      return old;
    end if;
    -- Fields are named inside of a branch of their own: a row of another table does not have them.
    if tg_op = 'UPDATE' and to_jsonb(new) - tg_argv = to_jsonb(old) - tg_argv then
      is_less := tg_table_name <> 'webhook_events' and (to_jsonb(new) -> tg_argv[0]) = 'null';
      if tg_argv[0] = 'payload' then
        is_less := is_less or new.payload = internal.without_identity(old.payload);
      end if;
      if is_less or (to_jsonb(new) -> tg_argv[0]) = (to_jsonb(old) -> tg_argv[0]) then
        return new;
      end if;
    end if;
  end if;
  raise exception 'rows of % are never changed or deleted', tg_table_name
    using errcode = '42501', hint = 'Write a new row that corrects the old one.';
end
$$;

create procedure internal.make_erasable(target regclass, erasable text)
language plpgsql
set search_path = ''
as $$
begin
  execute format('drop trigger append_only on %s', target);
  -- Before the row is written, generated columns are not there yet.
  execute format('create trigger append_only before update or delete on %s for each row execute function internal.refuse_change_but_erasure(%L%s)',
                 target, erasable,
                 (select string_agg(format(', %L', a.attname), '') from pg_catalog.pg_attribute as a
                  where a.attrelid = target and a.attgenerated <> '' and not a.attisdropped));
end
$$;
call internal.make_erasable('webhook_events', 'payload');
call internal.make_erasable('dead_events', 'payload');
call internal.make_erasable('conversions', 'identity');
call internal.make_erasable('order_facts', 'identity');
call internal.make_erasable('touchpoints', 'rows');

create index touchpoints_occurred_idx on touchpoints (tenant_id, occurred_at);                              -- retention
create index touchpoints_click_idx on touchpoints (tenant_id, click_hash) where click_hash is not null;     -- erasure
create index conversions_identity_idx on conversions (tenant_id, identity, occurred_at) where identity is not null;
-- Retention. The condition holds for all rows: it keeps the index from those who ask for no time, such as whoever looks for a
-- known delivery with a plan that was made while the table was small.
create index webhook_events_received_idx on webhook_events (tenant_id, received_at, event_id) where received_at > '-infinity';
create index dead_events_kept_idx on dead_events (tenant_id, received_at) where payload is not null;        -- retention

-- What a run of the retention did to one kind of rows of one tenant; counted in the transactions that did it.
create table retention_runs (
  tenant_id   uuid        not null references tenants (tenant_id),
  run_id      uuid        not null,
  item        text        not null check (item ~ '^[a-z_]{1,40}$'),
  cutoff      timestamptz not null,   -- older rows go
  looked_at   bigint      not null check (looked_at >= 0),
  removed     bigint      not null default 0 check (removed >= 0),   -- or redacted
  started_at  timestamptz not null default clock_timestamp(),
  finished_at timestamptz,            -- null: it was stopped, and the next run goes on
  primary key (tenant_id, run_id, item),
  check (removed <= looked_at)
);
create index retention_runs_latest_idx on retention_runs (tenant_id, item, cutoff desc) where finished_at is not null;
call internal.isolate_by_tenant('retention_runs', array['app_retention', 'app_rw', 'app_user', 'app_ro']);
grant select, insert, update (looked_at, removed, finished_at) on retention_runs to app_retention;
grant select on retention_runs to app_rw, app_user, app_ro;

-- What is held about the orders of one person, for whom a vendor asked; sealed, and gone with its time.
create table data_requests (
  tenant_id   uuid        not null,
  request_id  uuid        not null default gen_random_uuid(),
  event_id    uuid        not null,   -- the delivery that asked
  order_keys  text[]      not null check (cardinality(order_keys) <= 5000),
  key_version integer     not null,
  sealed      bytea       not null check (octet_length(sealed) between 28 and 4194304),   -- AES-256-GCM under the tenant's key; AAD = tenant, purpose with the request, version
  created_at  timestamptz not null default now(),
  expires_at  timestamptz not null check (expires_at > created_at),
  primary key (tenant_id, request_id),
  unique (tenant_id, event_id),
  foreign key (tenant_id, event_id) references webhook_events (tenant_id, event_id),
  foreign key (tenant_id, key_version) references tenant_keys (tenant_id, key_version)
);
call internal.isolate_by_tenant('data_requests', array['app_retention', 'app_rw']);
grant insert, delete, select on data_requests to app_retention;
grant select on data_requests to app_rw;

-- What the platform signs in with at a vendor, to ask for what no delivery brought: one sealed document (JSON).
create table poll_credentials (
  tenant_id   uuid        not null,
  endpoint_id uuid        not null,
  key_version integer     not null,
  sealed      bytea       not null check (octet_length(sealed) between 28 and 16384),   -- AES-256-GCM under the tenant's key; AAD = tenant, purpose with the endpoint, version
  updated_at  timestamptz not null default now(),
  primary key (tenant_id, endpoint_id),
  foreign key (tenant_id, endpoint_id) references webhook_endpoints (tenant_id, endpoint_id),
  foreign key (tenant_id, key_version) references tenant_keys (tenant_id, key_version)
);
call internal.isolate_by_tenant('poll_credentials', array['app_ingest', 'app_retention']);
grant select, insert, update (key_version, sealed, updated_at), delete on poll_credentials to app_ingest;
grant select (tenant_id, endpoint_id), delete on poll_credentials to app_retention;

-- Orders whose ties were cut: whatever comes about them later, a delivery that was late or is sent again, ties none.
create table erased_orders (
  tenant_id uuid        not null references tenants (tenant_id),
  order_key text        not null check (length(order_key) between 1 and 140),
  erased_at timestamptz not null default now(),
  primary key (tenant_id, order_key)
);
call internal.isolate_by_tenant('erased_orders', array['app_retention', 'app_ingest']);
grant select, insert on erased_orders to app_retention;
grant select on erased_orders to app_ingest;

create function internal.forget_erased_buyer() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if exists (select from public.erased_orders as e where e.tenant_id = new.tenant_id and e.order_key = new.order_key) then
    if tg_table_name = 'touchpoints' then
      return null;
    end if;
    new.identity := null;
  end if;
  return new;
end
$$;
create trigger forget_erased_buyer before insert on order_facts
  for each row when (new.identity is not null) execute function internal.forget_erased_buyer();
create trigger forget_erased_buyer before insert on conversions
  for each row when (new.identity is not null) execute function internal.forget_erased_buyer();
create trigger forget_erased_buyer before insert on touchpoints
  for each row when (new.order_key is not null) execute function internal.forget_erased_buyer();

-- One batch of one kind of rows that are older than the cutoff, at most max_rows of them: how many were looked at, and how
-- many are gone. Called again until fewer than max_rows were looked at. What is removed is not there to be looked at again;
-- of `webhook_events`, which stay, each batch begins after the last event of the one before: it is called with what that gave
-- as `last_at` and `last_id`, and first with null, for what came since the last run that was finished.
-- SECURITY INVOKER: app_retention's own grants and the tenant policy decide.
create function internal.remove_expired(for_tenant uuid, run uuid, of_item text, cutoff timestamptz, max_rows integer,
                                        after_at timestamptz, after_id uuid)
returns table (seen integer, gone integer, last_at timestamptz, last_id uuid)
language plpgsql
set search_path = ''
as $$
begin
  case of_item
    when 'touchpoints' then
      delete from public.touchpoints as t using (
        select d.origin, d.external_id from public.touchpoints as d
        where d.tenant_id = for_tenant and d.occurred_at < cutoff
        order by d.occurred_at limit max_rows
      ) as due
      where t.tenant_id = for_tenant and t.origin = due.origin and t.external_id = due.external_id;
    when 'order_facts' then
      update public.order_facts as f set identity = null from (
        select d.order_key, d.fact_id from public.order_facts as d
        where d.tenant_id = for_tenant and d.identity is not null and d.ordered_at < cutoff
        order by d.ordered_at limit max_rows for update skip locked
      ) as due
      where f.tenant_id = for_tenant and f.order_key = due.order_key and f.fact_id = due.fact_id;
    when 'conversions' then
      update public.conversions as c set identity = null from (
        select d.event_id from public.conversions as d
        where d.tenant_id = for_tenant and d.identity is not null and d.occurred_at < cutoff
        order by d.occurred_at limit max_rows for update skip locked
      ) as due
      where c.tenant_id = for_tenant and c.event_id = due.event_id;
    when 'webhook_events' then
      with page as (
        select d.event_id, d.received_at from public.webhook_events as d
        where d.tenant_id = for_tenant and d.received_at < cutoff and d.received_at > '-infinity'
          and (d.received_at, d.event_id) > (coalesce(after_at, (select max(r.cutoff) from public.retention_runs as r
                                                                 where r.tenant_id = for_tenant and r.item = 'webhook_events'
                                                                   and r.finished_at is not null and r.run_id <> run), '-infinity'),
                                             coalesce(after_id, '00000000-0000-0000-0000-000000000000'))
        order by d.received_at, d.event_id limit max_rows
      ),
      redacted as (
        update public.webhook_events as e set payload = internal.without_identity(e.payload)
        from page as p
        where e.tenant_id = for_tenant and e.event_id = p.event_id and internal.has_identity(e.payload)
        returning e.event_id
      )
      select (select count(*) from page), (select count(*) from redacted), p.received_at, p.event_id
      into seen, gone, last_at, last_id
      from (select) as one
      left join (select received_at, event_id from page order by received_at desc, event_id desc limit 1) as p on true;
    when 'dead_events' then
      update public.dead_events as e set payload = null from (
        select d.dead_event_id from public.dead_events as d
        where d.tenant_id = for_tenant and d.payload is not null and d.received_at < cutoff
        order by d.received_at limit max_rows for update skip locked
      ) as due
      where e.tenant_id = for_tenant and e.dead_event_id = due.dead_event_id;
    when 'dead_event_bodies' then
      delete from public.dead_event_bodies as b using (
        select d.dead_event_id from public.dead_event_bodies as d
        where d.tenant_id = for_tenant and d.created_at < cutoff order by d.created_at limit max_rows
      ) as due
      where b.tenant_id = for_tenant and b.dead_event_id = due.dead_event_id;
    when 'idempotency_keys' then
      delete from public.idempotency_keys as k using (
        select d.key_hash from public.idempotency_keys as d
        where d.tenant_id = for_tenant and d.expires_at < cutoff order by d.expires_at limit max_rows
      ) as due
      where k.tenant_id = for_tenant and k.key_hash = due.key_hash;
    when 'sessions' then
      delete from public.sessions as s using (
        select d.session_id from public.sessions as d
        where d.tenant_id = for_tenant and least(d.ended_at, d.expires_at) < cutoff limit max_rows
      ) as due
      where s.tenant_id = for_tenant and s.session_id = due.session_id;
    when 'member_invitations' then
      delete from public.member_invitations as i using (
        select d.user_id from public.member_invitations as d
        where d.tenant_id = for_tenant and d.expires_at < cutoff limit max_rows
      ) as due
      where i.tenant_id = for_tenant and i.user_id = due.user_id;
    when 'webhook_secrets' then
      delete from public.webhook_secrets as s using (
        select d.endpoint_id, d.secret_id from public.webhook_secrets as d
        where d.tenant_id = for_tenant and d.not_after < cutoff limit max_rows
      ) as due
      where s.tenant_id = for_tenant and s.endpoint_id = due.endpoint_id and s.secret_id = due.secret_id;
    when 'data_requests' then
      delete from public.data_requests as r using (
        select d.request_id from public.data_requests as d
        where d.tenant_id = for_tenant and d.expires_at < cutoff limit max_rows
      ) as due
      where r.tenant_id = for_tenant and r.request_id = due.request_id;
    else
      raise exception 'nothing is known of %', of_item using errcode = '22023';
  end case;
  if of_item <> 'webhook_events' then
    get diagnostics gone = row_count;
    seen := gone;
  end if;
  update public.retention_runs as r
  set removed = r.removed + gone,
      looked_at = greatest(r.looked_at, r.removed + gone),
      finished_at = case when seen < max_rows then clock_timestamp() end
  where r.tenant_id = for_tenant and r.run_id = run and r.item = of_item;
  if not found then
    raise exception 'there is no run % of %', run, of_item using errcode = '22023';
  end if;
  return next;
end
$$;
grant execute on function internal.without_identity(jsonb), internal.has_identity(jsonb),
  internal.remove_expired(uuid, uuid, text, timestamptz, integer, timestamptz, uuid) to app_retention;

-- Writes down what one of the functions below did, in its transaction.
create function internal.record_erasure(for_tenant uuid, act text, kind text, thing text, counts jsonb)
returns void
language sql
set search_path = ''
as $$
  insert into public.audit_log (tenant_id, actor_kind, action, target_kind, target_id, correlation_id, changes)
  values (for_tenant, case when current_setting('app.actor', true) = 'operator' then 'operator' else 'system' end, act, kind,
          thing, current_setting('app.correlation_id')::uuid,
          (select coalesce(jsonb_agg(jsonb_build_object('pointer', '/' || c.key, 'before', null, 'after', c.value::text)
                                     order by c.key), '[]')
           from jsonb_each(counts) as c))
$$;

-- The keys that these orders go by, those included: all that deliveries join, directly or over others. A name that more than
-- 100 orders have (MAX_LINKED_ORDERS) joins nothing: they would be those of other people.
create function internal.keys_of_orders(for_tenant uuid, keys text[])
returns text[]
language sql
stable
set search_path = ''
as $$
  select coalesce(array_agg(distinct k.order_key), '{}')
  from unnest(keys) as asked (order_key)
  cross join lateral (
    select array(
      with recursive linked (order_key) as (
        select asked.order_key
        union
        select other.order_key
        from linked as l
        cross join lateral (
          select c.same_as as order_key from public.canonical_events as c
          where c.tenant_id = for_tenant and c.order_key = l.order_key and c.same_as is not null
          union all
          select c.order_key from public.canonical_events as c
          where c.tenant_id = for_tenant and c.same_as = l.order_key
        ) as other
      )
      select l.order_key from linked as l limit 101
    ) as keys
  ) as joined
  cross join lateral unnest(case when cardinality(joined.keys) > 100 then array[asked.order_key] else joined.keys end)
    as k (order_key)
$$;

-- What comes about an order while its ties are cut waits for the end of that, and what asks first is seen by it.
create procedure internal.hold_erasure(for_tenant uuid)
language sql
set search_path = ''
as $$
  select pg_advisory_xact_lock(hashtextextended('erasure/' || for_tenant, 0))
$$;

-- Whether the ties of one of these orders were cut, under whichever of its keys.
create function internal.is_erased(for_tenant uuid, keys text[])
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('erasure/' || for_tenant, 0));
  -- Nearly no tenant has erased anything.
  return exists (select from public.erased_orders as e where e.tenant_id = for_tenant)
     and exists (select from public.erased_orders as e
                 where e.tenant_id = for_tenant and e.order_key = any (internal.keys_of_orders(for_tenant, keys)));
end
$$;
grant execute on function internal.keys_of_orders(uuid, text[]) to app_ingest, app_retention;
grant execute on function internal.is_erased(uuid, text[]) to app_ingest;
grant execute on procedure internal.hold_erasure(uuid) to app_retention;
grant select (key_version, sealed_body) on dead_event_bodies to app_retention;   -- to look for orders in bodies
grant select (shop_domain) on webhook_endpoints to app_retention;                -- which is part of the keys of some

-- Cuts every tie between these orders and whoever placed them: touches and identities of the same visitor anywhere, what
-- the deliveries about the orders tell of how the buyer came, and what was kept of dead ones. `named` and `dead` are events and
-- dead events that name one of the orders, as far as that can be read; sealed bodies of those go. The money stays. Answers and writes down how
-- many rows there were of each; done again it finds none, and is written down all the same but where it is `silent`.
create function internal.erase_orders(for_tenant uuid, keys text[], named uuid[], dead uuid[], act text, kind text,
                                      thing text, silent boolean)
returns table (touchpoints integer, order_facts integer, conversions integer, payloads integer, dead_payloads integer,
               dead_bodies integer)
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
  all_keys text[];
  visitors bytea[];
  clicks bytea[];
  events uuid[];
  hashes text[];
begin
  call internal.hold_erasure(for_tenant);
  all_keys := internal.keys_of_orders(for_tenant, keys);
  visitors := array(
    select f.identity from public.order_facts as f
    where f.tenant_id = for_tenant and f.order_key = any (all_keys) and f.identity is not null
    union
    select c.identity from public.conversions as c
    where c.tenant_id = for_tenant and c.order_key = any (all_keys) and c.identity is not null);
  -- A click is one person's, under whatever visitor id it was seen.
  clicks := array(
    select distinct t.click_hash from public.touchpoints as t
    where t.tenant_id = for_tenant and t.click_hash is not null
      and (t.identity = any (visitors) or t.order_key = any (all_keys)));
  visitors := array(
    select unnest(visitors)
    union
    select t.identity from public.touchpoints as t
    where t.tenant_id = for_tenant and t.click_hash = any (clicks) and t.identity is not null);
  events := array(
    select unnest(named)
    union
    select f.event_id from public.order_facts as f
    where f.tenant_id = for_tenant and (f.order_key = any (all_keys) or f.identity = any (visitors))
    union
    select c.event_id from public.canonical_events as c
    where c.tenant_id = for_tenant and c.order_key = any (all_keys)
    union
    select c.event_id from public.canonical_events as c
    where c.tenant_id = for_tenant and c.same_as = any (all_keys)
    union
    -- Other orders by the same click, which have no visitor.
    select c.event_id from public.canonical_events as c
    where c.tenant_id = for_tenant
      and c.order_key in (select t.order_key from public.touchpoints as t
                          where t.tenant_id = for_tenant and t.click_hash = any (clicks) and t.order_key is not null)
    union
    -- Deliveries that could be stored and not be entered.
    select e.event_id from public.dead_events as d
    join public.webhook_events as e
      on e.tenant_id = for_tenant and e.endpoint_id = d.endpoint_id and e.external_id = d.external_id
    where d.tenant_id = for_tenant and d.dead_event_id = any (dead));
  hashes := array(select encode(h, 'hex') from unnest(visitors || clicks) as h);

  insert into public.erased_orders (tenant_id, order_key) select for_tenant, unnest(all_keys) on conflict do nothing;
  delete from public.data_requests as r where r.tenant_id = for_tenant and r.order_keys && all_keys;
  delete from public.touchpoints as t
  where t.tenant_id = for_tenant
    and (t.identity = any (visitors) or t.order_key = any (all_keys) or t.click_hash = any (clicks));
  get diagnostics touchpoints = row_count;
  update public.order_facts as f set identity = null
  where f.tenant_id = for_tenant and f.identity = any (visitors);
  get diagnostics order_facts = row_count;
  update public.conversions as c set identity = null
  where c.tenant_id = for_tenant and c.identity = any (visitors);
  get diagnostics conversions = row_count;
  update public.webhook_events as e set payload = internal.without_identity(e.payload)
  where e.tenant_id = for_tenant and e.event_id = any (events) and internal.has_identity(e.payload);
  get diagnostics payloads = row_count;
  update public.dead_events as d set payload = internal.without_identity(d.payload)
  where d.tenant_id = for_tenant and internal.has_identity(d.payload)
    and (d.dead_event_id = any (dead)
         or exists (select from unnest(hashes) as h where strpos(d.payload::text, h) > 0));
  get diagnostics dead_payloads = row_count;
  delete from public.dead_event_bodies as b where b.tenant_id = for_tenant and b.dead_event_id = any (dead);
  get diagnostics dead_bodies = row_count;

  if silent and touchpoints + order_facts + conversions + payloads + dead_payloads + dead_bodies = 0 then
    return next;
    return;
  end if;
  perform internal.record_erasure(for_tenant, act, kind, thing, jsonb_build_object(
    'orders', cardinality(keys), 'touchpoints', touchpoints, 'order_facts', order_facts, 'conversions', conversions,
    'payloads', payloads, 'dead_payloads', dead_payloads, 'dead_bodies', dead_bodies));
  return next;
end
$$;

-- The keys of the orders that the next events of an endpoint are about, and the event to go on after; null at the end.
create function internal.list_endpoint_orders(for_tenant uuid, at_endpoint uuid, after uuid, max_events integer)
returns table (keys text[], last_event uuid)
language sql
stable
set search_path = ''
as $$
  with page as (
    select e.event_id from public.webhook_events as e
    where e.tenant_id = for_tenant and e.endpoint_id = at_endpoint and (after is null or e.event_id > after)
    order by e.event_id limit max_events
  )
  select coalesce((select array_agg(distinct f.order_key)
                   from public.order_facts as f join page as p on p.event_id = f.event_id
                   where f.tenant_id = for_tenant), '{}'),
         (select p.event_id from page as p order by p.event_id desc limit 1)
$$;

-- The end of a shop: the address stops working, its secrets are destroyed, and so is what was kept of its dead
-- deliveries. The ties of its orders are cut before, batch by batch, by erase_orders.
create function internal.end_shop(for_tenant uuid, at_endpoint uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  counts jsonb := '{}';
  gone integer;
begin
  delete from public.dead_event_bodies as b using public.dead_events as d
  where b.tenant_id = for_tenant and d.tenant_id = for_tenant
    and d.dead_event_id = b.dead_event_id and d.endpoint_id = at_endpoint;
  get diagnostics gone = row_count;
  counts := counts || jsonb_build_object('dead_bodies', gone);
  update public.dead_events as d set payload = null
  where d.tenant_id = for_tenant and d.endpoint_id = at_endpoint and d.payload is not null;
  get diagnostics gone = row_count;
  counts := counts || jsonb_build_object('dead_payloads', gone);
  delete from public.webhook_secrets as s where s.tenant_id = for_tenant and s.endpoint_id = at_endpoint;
  get diagnostics gone = row_count;
  counts := counts || jsonb_build_object('secrets', gone);
  delete from public.poll_credentials as p where p.tenant_id = for_tenant and p.endpoint_id = at_endpoint;
  update public.webhook_endpoints as e set version = e.version + 1, deleted_at = clock_timestamp()
  where e.tenant_id = for_tenant and e.endpoint_id = at_endpoint and e.deleted_at is null;
  perform internal.publish_revocation(for_tenant, 'webhook_endpoint', at_endpoint, 'none', null);
  perform internal.record_erasure(for_tenant, 'privacy.shop_ended', 'webhook_endpoint', at_endpoint::text, counts);
end
$$;

-- The end of a tenant: whatever lets somebody in is gone, and so are the keys. Sealed secrets and bodies cannot be opened
-- again by anybody, and hashes of visitors not be told from chance; the retention removes both in its own time.
create function internal.offboard_tenant(for_tenant uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  counts jsonb := '{}';
  gone integer;
  target text;
  one record;
  people uuid[] := array(select m.user_id from public.memberships as m where m.tenant_id = for_tenant);
begin
  update public.tenants as t set offboarded_at = coalesce(t.offboarded_at, clock_timestamp()) where t.tenant_id = for_tenant;
  for one in
    update public.webhook_endpoints as e set version = e.version + 1, deleted_at = clock_timestamp()
    where e.tenant_id = for_tenant and e.deleted_at is null
    returning e.endpoint_id as id
  loop
    perform internal.publish_revocation(for_tenant, 'webhook_endpoint', one.id, 'none', null);
  end loop;
  for one in
    update public.api_keys as k set revoked_at = clock_timestamp()
    where k.tenant_id = for_tenant and k.revoked_at is null
    returning k.key_id as id
  loop
    perform internal.publish_revocation(for_tenant, 'key', one.id, 'none', null);
  end loop;
  -- Those that refer to the keys come before them.
  foreach target in array array[
    'dead_event_bodies', 'webhook_secrets', 'poll_credentials', 'idempotency_keys', 'tenant_alert_targets', 'data_requests',
    'sessions', 'member_invitations', 'memberships', 'token_cutoffs', 'tenant_keys'
  ] loop
    execute format('delete from public.%I as t where t.tenant_id = $1', target) using for_tenant;
    get diagnostics gone = row_count;
    counts := counts || jsonb_build_object(target, gone);
  end loop;
  counts := counts || jsonb_build_object('accounts', internal.remove_accounts_of_offboarded(people));
  perform internal.record_erasure(for_tenant, 'tenant.offboarded', 'tenant', for_tenant::text, counts);
  return counts;
end
$$;
grant execute on function internal.record_erasure(uuid, text, text, text, jsonb),
  internal.erase_orders(uuid, text[], uuid[], uuid[], text, text, text, boolean), internal.list_endpoint_orders(uuid, uuid, uuid, integer),
  internal.end_shop(uuid, uuid), internal.offboard_tenant(uuid) to app_retention;

set local role skeldir_control;
grant execute on function internal.publish_revocation(uuid, text, uuid, text, timestamptz) to app_retention;
grant execute on function internal.enqueue_job(text, jsonb, integer) to app_retention;

reset role;
set local role skeldir_owner;
create policy removal_by_control on users for delete to skeldir_control using (true);
grant delete on users to skeldir_control;
reset role;
set local role skeldir_control;

-- Accounts of people who were members of the transaction's tenant, which has come to its end, and who have no other.
create function internal.remove_accounts_of_offboarded(people uuid[])
returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  gone integer;
begin
  if not exists (
    select from public.tenants as t
    where t.tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid and t.offboarded_at is not null
  ) then
    raise exception 'accounts go with the end of their tenant' using errcode = '42501';
  end if;
  delete from public.users as u
  where u.user_id = any (people)
    and not exists (select from public.memberships as m where m.user_id = u.user_id)
    and not exists (select from public.sessions as s where s.user_id = u.user_id)
    and not exists (select from public.member_invitations as i where i.email = u.email);
  get diagnostics gone = row_count;
  return gone;
end
$$;
revoke execute on function internal.remove_accounts_of_offboarded(uuid[]) from public;
grant execute on function internal.remove_accounts_of_offboarded(uuid[]) to app_retention;

-- What is of no tenant and has had its time: counters of wrong passwords, quotas of addresses, and revocations that
-- outlived the tokens.
create function internal.remove_expired_everywhere(at timestamptz, is_dry boolean)
returns table (item text, looked_at bigint, removed bigint)
language plpgsql
security definer
set search_path = ''
as $$
begin
  return query select 'login_attempts', count(*), count(*) filter (where a.failed_at < at - interval '1 day')
               from internal.login_attempts as a;
  return query select 'address_limits', count(*), count(*) filter (where a.full_at < at) from internal.address_limits as a;
  return query select 'token_revocations', count(*), count(*) filter (where r.recorded_at < at - interval '1 hour')
               from internal.token_revocations as r;
  if not is_dry then
    delete from internal.login_attempts as a where a.failed_at < at - interval '1 day';
    delete from internal.address_limits as a where a.full_at < at;
    delete from internal.token_revocations as r where r.recorded_at < at - interval '1 hour';
  end if;
end
$$;
revoke execute on function internal.remove_expired_everywhere(timestamptz, boolean) from public;
grant execute on function internal.remove_expired_everywhere(timestamptz, boolean) to app_retention;

reset role;
revoke skeldir_control from current_user;
