-- Rotation of keys. A master key is rotated by wrapping every data key again; a tenant's data key by adding a version:
-- what is sealed from then on uses the newest, and a secret that was sealed by an older one is sealed again when it is
-- next used (or at once, by `skeldir admin rotate-tenant-key`). Identities are hashed under the first version for good,
-- since a visitor must stay the same visitor.
-- The migrator joins skeldir_control for this transaction only.
grant skeldir_control to current_user;
set local role skeldir_owner;

grant update (wrapping_kid, wrapped_key) on tenant_keys to app_rw;
grant select (sealed) on webhook_secrets to app_rw;
grant update (key_version, sealed) on webhook_secrets to app_rw, app_user;

set local role skeldir_control;

-- find_webhook_endpoint answers one row per key version, of which its caller sees the first: secrets of two versions must
-- live side by side. One element per secret in the first three arrays, one per data key in the last three, oldest key
-- first. The older function stays for processes that are older than this migration.
create function internal.find_webhook_endpoint_keys(wanted_vendor text, wanted_key text)
returns table (
  tenant_id uuid, endpoint_id uuid, mode text, shop_domain text,
  secret_ids uuid[], secret_versions integer[], sealed_secrets bytea[],
  key_versions integer[], wrapping_kids text[], wrapped_keys bytea[]
)
language sql
stable
security definer
set search_path = ''
as $$
  select e.tenant_id, e.endpoint_id, e.mode, e.shop_domain,
         s.secret_ids, s.secret_versions, s.sealed_secrets, k.key_versions, k.wrapping_kids, k.wrapped_keys
  from public.webhook_endpoints as e
  cross join lateral (
    select array_agg(live.secret_id   order by live.created_at desc, live.secret_id) as secret_ids,
           array_agg(live.key_version order by live.created_at desc, live.secret_id) as secret_versions,
           array_agg(live.sealed      order by live.created_at desc, live.secret_id) as sealed_secrets
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
    and s.secret_ids is not null
$$;
revoke execute on function internal.find_webhook_endpoint_keys(text, text) from public;
grant execute on function internal.find_webhook_endpoint_keys(text, text) to app_user;

reset role;
revoke skeldir_control from current_user;
