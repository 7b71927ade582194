-- Endpoints are listed, rotated and deleted, processes remember the ones they looked up, and a delivery may name its
-- tenant by an API key instead of an endpoint. Columns are added: what the older code writes stays valid, and it goes on
-- calling find_webhook_endpoint_keys by the names of the columns that it knows.
-- The migrator joins skeldir_control for this transaction only.
grant skeldir_control to current_user;
set local role skeldir_owner;

alter table webhook_endpoints
  add column version          integer     not null default 1 check (version >= 1),  -- grows with each change of its secrets
  add column last_delivery_at timestamptz,  -- of the last delivery that was verified; written up to 10 s later
  add column deleted_at       timestamptz;  -- the row stays for what was received through it; its secrets do not
create index webhook_endpoints_listed_idx on webhook_endpoints (tenant_id, created_at desc, endpoint_id desc)
  where deleted_at is null;
grant update (version, last_delivery_at, deleted_at) on webhook_endpoints to app_user;
grant update (not_after), delete on webhook_secrets to app_user;

-- Enters when endpoints took their last delivery, for many tenants in one statement, as each tenant in turn: no policy is
-- opened for it. Endpoints come sorted, so that two processes do not wait for each other in a circle.
create function internal.record_webhook_deliveries(of_tenants uuid[], of_endpoints uuid[], delivered_at timestamptz[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  note record;
begin
  -- It leaves no context behind, so inside of a tenant's transaction the rest of that would see nothing.
  if nullif(current_setting('app.current_tenant_id', true), '') is not null then
    raise exception 'record_webhook_deliveries runs outside of a tenant' using errcode = '25001';
  end if;
  for note in
    select n.tenant_id, n.endpoint_id, n.at
    from unnest(of_tenants, of_endpoints, delivered_at) as n (tenant_id, endpoint_id, at)
    order by n.tenant_id, n.endpoint_id
  loop
    perform set_config('app.current_tenant_id', note.tenant_id::text, true);
    update public.webhook_endpoints as e
    set last_delivery_at = note.at
    where e.tenant_id = note.tenant_id
      and e.endpoint_id = note.endpoint_id
      and (e.last_delivery_at is null or e.last_delivery_at < note.at);
  end loop;
  perform set_config('app.current_tenant_id', '', true);
end
$$;
revoke execute on function internal.record_webhook_deliveries(uuid[], uuid[], timestamptz[]) from public;
grant execute on function internal.record_webhook_deliveries(uuid[], uuid[], timestamptz[]) to app_user;

set local role skeldir_control;

-- As in 0010, with what a process needs to remember the answer: the endpoint's version, and when each secret ends.
-- Nobody calls the function of 0004 any more.
drop function internal.find_webhook_endpoint(text, text);
drop function internal.find_webhook_endpoint_keys(text, text);
create function internal.find_webhook_endpoint_keys(wanted_vendor text, wanted_key text)
returns table (
  tenant_id uuid, endpoint_id uuid, version integer, mode text, shop_domain text,
  secret_ids uuid[], secret_versions integer[], sealed_secrets bytea[], secret_ends timestamptz[],
  key_versions integer[], wrapping_kids text[], wrapped_keys bytea[]
)
language sql
stable
security definer
set search_path = ''
as $$
  select e.tenant_id, e.endpoint_id, e.version, e.mode, e.shop_domain,
         s.secret_ids, s.secret_versions, s.sealed_secrets, s.secret_ends, k.key_versions, k.wrapping_kids, k.wrapped_keys
  from public.webhook_endpoints as e
  cross join lateral (
    select array_agg(live.secret_id   order by live.created_at desc, live.secret_id) as secret_ids,
           array_agg(live.key_version order by live.created_at desc, live.secret_id) as secret_versions,
           array_agg(live.sealed      order by live.created_at desc, live.secret_id) as sealed_secrets,
           array_agg(live.not_after   order by live.created_at desc, live.secret_id) as secret_ends
    from public.webhook_secrets as live
    where live.tenant_id = e.tenant_id
      and live.endpoint_id = e.endpoint_id
      and (live.not_after is null or live.not_after > now())
  ) as s
  cross join lateral (
    select array_agg(t.key_version  order by t.key_version) as key_versions,
           array_agg(t.wrapping_kid order by t.key_version) as wrapping_kids,
           array_agg(t.wrapped_key  order by t.key_version) as wrapped_keys
    from public.tenant_keys as t
    where t.tenant_id = e.tenant_id
  ) as k
  where e.endpoint_key = wanted_key
    and e.vendor = wanted_vendor
    and e.deleted_at is null
    and s.secret_ids is not null
$$;
revoke execute on function internal.find_webhook_endpoint_keys(text, text) from public;
grant execute on function internal.find_webhook_endpoint_keys(text, text) to app_user;

-- The endpoints of a vendor that the tenant of an API key has, at most 20. Several may have one secret, as the shops of an
-- app of Shopify do, so they come in the order in which one of those is chosen: that of the shop that the delivery names,
-- then those of no shop; live before test; the newest. Asked with the SHA-256 of the key, so that nobody learns the secrets
-- of a tenant by its id.
create function internal.find_webhook_endpoints(wanted_vendor text, wanted_hash bytea, named_shop text)
returns table (
  tenant_id uuid, endpoint_id uuid, version integer, mode text, shop_domain text,
  secret_ids uuid[], secret_versions integer[], sealed_secrets bytea[], secret_ends timestamptz[],
  key_versions integer[], wrapping_kids text[], wrapped_keys bytea[]
)
language sql
stable
security definer
set search_path = ''
as $$
  select f.tenant_id, f.endpoint_id, f.version, f.mode, f.shop_domain,
         f.secret_ids, f.secret_versions, f.sealed_secrets, f.secret_ends, f.key_versions, f.wrapping_kids, f.wrapped_keys
  from internal.find_api_key(wanted_hash) as k
  cross join lateral (
    select e.endpoint_key,
           row_number() over (order by e.shop_domain is not null and e.shop_domain is distinct from named_shop,
                                       e.shop_domain is null, e.mode = 'test', e.created_at desc, e.endpoint_id desc) as place
    from public.webhook_endpoints as e
    where e.tenant_id = k.tenant_id
      and e.vendor = wanted_vendor
      and e.deleted_at is null
    order by place
    limit 20
  ) as chosen
  cross join lateral internal.find_webhook_endpoint_keys(wanted_vendor, chosen.endpoint_key) as f
  order by chosen.place
$$;
revoke execute on function internal.find_webhook_endpoints(text, bytea, text) from public;
grant execute on function internal.find_webhook_endpoints(text, bytea, text) to app_user;

-- As in 0008; endpoints of webhooks are revoked too.
create or replace function internal.publish_revocation(
  for_tenant uuid, kind text, thing uuid, new_standing text, cutoff timestamptz
)
returns void
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- A null would make the subject of anybody, since concat_ws skips it: only the trigger on users ends accounts.
  if thing is null
     or (pg_trigger_depth() = 0 and (for_tenant is null or kind not in ('session', 'member', 'key', 'webhook_endpoint'))) then
    raise exception 'a revocation names a tenant and what is revoked' using errcode = '22023';
  end if;
  if pg_trigger_depth() = 0
     and for_tenant is distinct from nullif(current_setting('app.current_tenant_id', true), '')::uuid then
    raise exception 'tokens of tenant % cannot be revoked in the transaction of another', for_tenant
      using errcode = '42501';
  end if;
  -- Access tokens live for 15 minutes: nobody needs an older row. A few at a time keep the table small.
  delete from internal.token_revocations as r
  where r.revocation_id in (
    select o.revocation_id from internal.token_revocations as o
    where o.recorded_at < clock_timestamp() - interval '1 hour' order by o.recorded_at limit 20 for update skip locked
  );
  insert into internal.token_revocations (subject, standing, not_before)
  values (sha256(convert_to(concat_ws('/', kind, for_tenant, thing), 'UTF8')), new_standing, cutoff);
end
$$;

reset role;
revoke skeldir_control from current_user;
