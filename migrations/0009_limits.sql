-- What a caller may ask for how often, and answers that are given again for the same Idempotency-Key.
-- The migrator joins skeldir_control for this transaction only.
grant skeldir_control to current_user;
set local role skeldir_owner;

-- A tenant's quota of one policy, as the generic cell rate algorithm keeps it: each permit moves full_at, the moment at
-- which the whole quota is there again, a minute divided by per_minute ahead of now, and none is given beyond a minute.
create table rate_limits (
  tenant_id  uuid        not null references tenants (tenant_id),
  policy     text        not null check (policy ~ '^[a-z][a-z0-9_-]{0,31}$'),  -- default, ingest: those of the contract
  per_minute integer     check (per_minute between 1 and 10000000),  -- null: what the policy gives every tenant
  full_at    timestamptz not null default '-infinity',               -- by the clock of the database
  primary key (tenant_id, policy)
) with (fillfactor = 50);  -- a lease rewrites its row in place
call internal.isolate_by_tenant('rate_limits', array['app_rw', 'app_user']);
grant select, insert (tenant_id, policy), update (full_at) on rate_limits to app_user;
grant select, insert (tenant_id, policy, per_minute), update (per_minute) on rate_limits to app_rw;

-- Permits for a process to give out by itself: as many as are wanted, or as there are. The row is made when it is first
-- asked for, and locked before the clock is read, so that processes that ask together get the quota once.
-- SECURITY INVOKER: app_user's own grants and the tenant policy decide.
create function internal.lease_permits(for_tenant uuid, of_policy text, wanted integer, usual_per_minute integer)
returns table (granted integer, quota integer, full_in_us bigint)
language plpgsql
set search_path = ''
as $$
declare
  minute constant bigint := 60000000;  -- microseconds
  own record;
  asked_at timestamptz;
  debt bigint;
begin
  insert into public.rate_limits (tenant_id, policy) values (for_tenant, of_policy) on conflict do nothing;
  select l.per_minute, l.full_at into strict own
  from public.rate_limits as l
  where l.tenant_id = for_tenant and l.policy = of_policy
  for update;
  asked_at := clock_timestamp();
  quota := coalesce(own.per_minute, usual_per_minute);
  debt := case when own.full_at > asked_at then extract(epoch from own.full_at - asked_at) * 1000000 else 0 end;
  -- Rounded down: a permit counts when the whole of its time has passed.
  granted := least(wanted, greatest(0, (minute - debt) * quota / minute));
  if granted > 0 then
    debt := debt + ceil(granted::numeric * minute / quota);
    update public.rate_limits as l set full_at = asked_at + debt * interval '1 microsecond'
    where l.tenant_id = for_tenant and l.policy = of_policy;
  end if;
  full_in_us := debt;
  return next;
end
$$;
grant execute on function internal.lease_permits(uuid, text, integer, integer) to app_user;

-- The same for an address of the network, which no tenant has. The subject is an HMAC under a key of the API, of a
-- purpose and an address; a row is gone when its quota is whole again, which is as good as no row.
create table internal.address_limits (
  subject bytea       not null check (octet_length(subject) = 32) primary key,
  full_at timestamptz not null
) with (fillfactor = 50);
create index address_limits_full_idx on internal.address_limits (full_at);  -- removal of those that say nothing
alter table internal.address_limits enable row level security;
alter table internal.address_limits force row level security;
create policy by_control on internal.address_limits to skeldir_control using (true) with check (true);
grant select, insert, update, delete on internal.address_limits to skeldir_control;

-- Answers to requests with an Idempotency-Key. The hash is of the caller, the operation and the key. A row is claimed
-- while its request is at work, then has the answer, sealed; a claim that ran out may be taken over by the same request,
-- unless it has had an effect already.
create table idempotency_keys (
  tenant_id     uuid        not null references tenants (tenant_id),
  key_hash      bytea       not null check (octet_length(key_hash) = 32),
  operation_id  text        not null check (operation_id ~ '^[a-z][A-Za-z0-9]{0,99}$'),
  request_hash  bytea       not null check (octet_length(request_hash) = 32),
  claim_id      uuid        not null,   -- of the process at work
  claimed_until timestamptz not null,
  effect_at     timestamptz,            -- set in the transaction that the request wrote in
  key_version   integer,                -- which tenant key sealed the answer
  sealed        bytea,                  -- AES-256-GCM under the tenant key; AAD = tenant, purpose and key_hash, version
  expires_at    timestamptz not null,
  primary key (tenant_id, key_hash),
  foreign key (tenant_id, key_version) references tenant_keys (tenant_id, key_version),
  check ((key_version is null) = (sealed is null))
);
create index idempotency_keys_expires_idx on idempotency_keys (tenant_id, expires_at);  -- removal of what has expired
call internal.isolate_by_tenant('idempotency_keys', array['app_user', 'app_ingest', 'app_worker']);
grant select, insert, delete on idempotency_keys to app_user;
grant update (operation_id, request_hash, claim_id, claimed_until, effect_at, key_version, sealed, expires_at)
  on idempotency_keys to app_user;
-- Events are written by app_ingest: the effect is entered where it happens.
grant select (tenant_id, key_hash, claim_id), update (effect_at) on idempotency_keys to app_ingest;
grant select (tenant_id, expires_at), delete on idempotency_keys to app_worker;

-- Enters the effect of a request in the transaction that makes it, when that has written anything. False: somebody else
-- has taken the claim over, so the transaction must not commit.
create function internal.enter_effect(for_tenant uuid, of_key bytea, of_claim uuid)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if pg_current_xact_id_if_assigned() is null then
    return true;
  end if;
  update public.idempotency_keys as k set effect_at = clock_timestamp()
  where k.tenant_id = for_tenant and k.key_hash = of_key and k.claim_id = of_claim;
  return found;
end
$$;
grant execute on function internal.enter_effect(uuid, bytea, uuid) to app_user, app_ingest;

set local role skeldir_control;

-- One permit of `per_minute`, of which `burst` may be used at once. Answers 0, or the seconds until there is one.
create function internal.admit_by_address(who bytea, per_minute integer, burst integer)
returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  step constant interval := interval '1 minute' / per_minute;
  asked_at constant timestamptz := clock_timestamp();
  known timestamptz;
begin
  delete from internal.address_limits as a
  where a.subject in (
    select o.subject from internal.address_limits as o
    where o.full_at < asked_at and o.subject <> who order by o.full_at limit 10 for update skip locked
  );
  insert into internal.address_limits as a (subject, full_at) values (who, asked_at + step)
  on conflict (subject) do update set full_at = greatest(a.full_at, asked_at) + step
  where greatest(a.full_at, asked_at) + step <= asked_at + burst * step;
  if found then
    return 0;
  end if;
  select a.full_at into known from internal.address_limits as a where a.subject = who;
  return greatest(1, ceil(extract(epoch from known + step - burst * step - asked_at)));
end
$$;
grant execute on function internal.admit_by_address(bytea, integer, integer) to app_user;

reset role;
revoke skeldir_control from current_user;
