-- What an administrator of a tenant decides and does: settings and their versions, members and invitations, API keys,
-- and the log of administrative acts. The migrator joins skeldir_control for this transaction only.
grant skeldir_control to current_user;
set local role skeldir_owner;

-- Settings. `settings_version` counts every change of any setting, the allowed origins included: an ETag is made of it.
-- The column updated_at is null until the first change. Ratios are numeric, so that they read as they were written.
alter table tenants
  add settings_version integer     not null default 1 check (settings_version >= 1),
  add updated_at       timestamptz,
  add lookback_days    integer     not null default 30 check (lookback_days between 1 and 365),
  add retention_days   integer     not null default 730 check (retention_days between 30 and 3650),
  add matched_from     numeric     not null default 0.9 check (matched_from between 0 and 1),
  add minor_from       numeric     not null default 0.75 check (minor_from between 0 and 1),
  add severe_below     numeric     not null default 0.5 check (severe_below between 0 and 1),
  add min_completeness numeric     not null default 0.9 check (min_completeness between 0 and 1),
  add min_conversions  integer     not null default 30 check (min_conversions between 0 and 1000000),
  add constraint tenants_thresholds_check check (severe_below < minor_from and minor_from < matched_from);
grant update (settings_version, updated_at, time_zone, reporting_currency, lookback_days, retention_days, matched_from,
              minor_from, severe_below, min_completeness, min_conversions) on tenants to app_rw, app_user;
grant insert, delete on tenant_allowed_origins to app_user;

-- Which parts of an order are revenue. Every figure names the version it was calculated with, so none ever changes;
-- the newest holds. Version 1 is what the ledger holds without a choice: the whole total that the vendor charged.
create table revenue_definitions (
  tenant_id           uuid        not null references tenants (tenant_id),
  version             integer     not null check (version >= 1),
  effective_at        timestamptz not null default now(),
  includes_tax        boolean     not null default true,
  includes_shipping   boolean     not null default true,
  includes_tips       boolean     not null default true,
  subtracts_discounts boolean     not null default true,
  primary key (tenant_id, version)
);

-- The tenant's own channel rules, tried in order before the built-in ones. As above: never changed, the newest holds.
create table channel_rule_versions (
  tenant_id    uuid        not null references tenants (tenant_id),
  version      integer     not null check (version >= 1),
  effective_at timestamptz not null default now(),
  rules        jsonb       not null default '[]' check (jsonb_typeof(rules) = 'array' and jsonb_array_length(rules) <= 200),
  primary key (tenant_id, version)
);

-- Tenants that exist get their first versions. The policies let no one see all of them, hence one for these statements.
create policy backfill on tenants for select to skeldir_owner using (true);
insert into revenue_definitions (tenant_id, version, effective_at) select tenant_id, 1, created_at from tenants;
insert into channel_rule_versions (tenant_id, version, effective_at) select tenant_id, 1, created_at from tenants;
drop policy backfill on tenants;

-- So does every new tenant, whatever made it: also a process that is older than this migration.
create function internal.insert_first_versions() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.revenue_definitions (tenant_id, version) values (new.tenant_id, 1);
  insert into public.channel_rule_versions (tenant_id, version) values (new.tenant_id, 1);
  return null;
end
$$;
create trigger first_versions after insert on tenants for each row execute function internal.insert_first_versions();

call internal.isolate_by_tenant('revenue_definitions', array['app_rw', 'app_user', 'app_worker', 'app_ro']);
call internal.isolate_by_tenant('channel_rule_versions', array['app_rw', 'app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('revenue_definitions');
call internal.make_append_only('channel_rule_versions');
call internal.refuse_personal_data_in('channel_rule_versions');
grant select, insert on revenue_definitions, channel_rule_versions to app_rw, app_user;
grant select on revenue_definitions, channel_rule_versions to app_worker, app_ro;

-- Who is told of trouble: e-mail addresses, and addresses of hooks that work for whoever knows them. One sealed document
-- (JSON), so neither lies here in clear and both go with the tenant's key. No row: nobody is told.
create table tenant_alert_targets (
  tenant_id   uuid        not null references tenants (tenant_id),
  key_version integer     not null,   -- which tenant key sealed it
  sealed      bytea       not null,   -- AES-256-GCM under the tenant key; AAD = tenant, purpose, version
  updated_at  timestamptz not null default now(),
  primary key (tenant_id),
  foreign key (tenant_id, key_version) references tenant_keys (tenant_id, key_version)
);
call internal.isolate_by_tenant('tenant_alert_targets', array['app_user', 'app_worker']);
grant select, insert, delete, update (key_version, sealed, updated_at) on tenant_alert_targets to app_user;
grant select on tenant_alert_targets to app_worker;

-- Members. An invitation is gone once it is accepted, withdrawn, replaced, or found to have expired.
alter table memberships add invited_at timestamptz;   -- null: an operator made the member
grant insert, delete, update (role) on memberships to app_user;
grant delete, update (role) on memberships to app_rw;

create table member_invitations (
  tenant_id  uuid        not null references tenants (tenant_id),
  user_id    uuid        not null,   -- of the account that the address has, or of the one that accepting makes
  email      text        not null check (email = lower(email) and length(email) between 3 and 254),
  role       text        not null check (role in ('viewer', 'manager', 'admin')),
  token_hash bytea       not null check (octet_length(token_hash) = 32),   -- SHA-256 of 256 random bits
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (tenant_id, user_id),
  unique (tenant_id, email),
  check (expires_at > created_at)
);
create index member_invitations_token_idx on member_invitations (token_hash);  -- accepting, before the tenant is known
call internal.isolate_by_tenant('member_invitations', array['app_rw', 'app_user']);
call internal.allow_lookup('member_invitations');
grant select, insert, delete on member_invitations to app_rw, app_user;

-- The API makes an account for nobody but whom the tenant of the transaction has invited.
create policy join_by_invitation on users for insert to app_user
  with check (exists (select from member_invitations as i where i.user_id = users.user_id and i.email = users.email));
grant insert (user_id, email, password_hash) on users to app_user;
grant update (status, password_hash) on users to app_rw;

-- API keys. What may stand in a web page may do one thing only.
alter table api_keys
  add last_used_at timestamptz,   -- to the minute, and some seconds late: written for many keys at once
  add constraint api_keys_publishable_check check (not 'events:collect' = any (scopes) or cardinality(scopes) = 1);
grant select (last_used_at) on api_keys to app_user;
grant insert (tenant_id, name, prefix, secret_hash, scopes, expires_at) on api_keys to app_user;
grant update (expires_at, revoked_at, last_used_at) on api_keys to app_rw, app_user;

-- The log of administrative acts. Never changed; no secrets and no personal data, which a trigger enforces for
-- e-mail addresses and for members that are named like personal data.
create table audit_log (
  tenant_id      uuid        not null references tenants (tenant_id),
  entry_id       uuid        not null default gen_random_uuid(),
  occurred_at    timestamptz not null default clock_timestamp(),   -- not now(): keeps the order within a transaction
  actor_kind     text        not null check (actor_kind in ('user', 'key', 'operator', 'system')),
  actor_id       uuid        check ((actor_id is not null) = (actor_kind in ('user', 'key'))),
  action         text        not null check (action ~ '^[a-z][a-z_]{0,30}\.[a-z][a-z_]{0,31}$'),
  target_kind    text        check (target_kind ~ '^[a-z][a-z_]{0,63}$'),
  target_id      text        check (length(target_id) between 1 and 255),
  correlation_id uuid        not null,
  -- [{ pointer, before, after }]; before and after are JSON texts, or null where there is none or it is secret
  changes        jsonb       not null default '[]' check (jsonb_typeof(changes) = 'array' and jsonb_array_length(changes) <= 100),
  primary key (tenant_id, entry_id),
  check ((target_kind is null) = (target_id is null))
);
create index audit_log_newest_idx on audit_log (tenant_id, occurred_at desc, entry_id desc);  -- paging, the newest first
call internal.isolate_by_tenant('audit_log', array['app_rw', 'app_user', 'app_worker', 'app_ingest', 'app_retention']);
call internal.make_append_only('audit_log');
call internal.refuse_personal_data_in('audit_log');
grant select, insert on audit_log to app_rw, app_user;
grant insert on audit_log to app_worker, app_ingest, app_retention;
grant execute on function internal.find_personal_data(jsonb) to app_rw, app_user, app_worker, app_retention;

-- Enters when keys were last used, for the keys of many tenants in one statement, as each tenant in turn: no policy is
-- opened for it. Keys come sorted, so that two processes that enter the same ones do not wait for each other in a circle.
create function internal.record_api_key_use(of_tenants uuid[], of_keys uuid[], used_at timestamptz[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  use record;
begin
  -- It leaves no context behind, so inside of a tenant's transaction the rest of that would see nothing.
  if nullif(current_setting('app.current_tenant_id', true), '') is not null then
    raise exception 'record_api_key_use runs outside of a tenant' using errcode = '25001';
  end if;
  for use in
    select u.tenant_id, array_agg(u.key_id order by u.key_id) as key_ids, array_agg(u.used_at order by u.key_id) as times
    from unnest(of_tenants, of_keys, used_at) as u (tenant_id, key_id, used_at)
    group by u.tenant_id
    order by u.tenant_id
  loop
    perform set_config('app.current_tenant_id', use.tenant_id::text, true);
    for i in 1 .. cardinality(use.key_ids) loop
      update public.api_keys as k
      set last_used_at = use.times[i]
      where k.tenant_id = use.tenant_id
        and k.key_id = use.key_ids[i]
        and (k.last_used_at is null or k.last_used_at < use.times[i]);
    end loop;
  end loop;
  perform set_config('app.current_tenant_id', '', true);
end
$$;
grant execute on function internal.record_api_key_use(uuid[], uuid[], timestamptz[]) to app_user;

set local role skeldir_control;

-- With its expiry, so that a process may remember the answer.
drop function internal.find_api_key(bytea);
create function internal.find_api_key(wanted_hash bytea)
returns table (tenant_id uuid, key_id uuid, scopes text[], expires_at timestamptz)
language sql
stable
security definer
set search_path = ''
as $$
  select k.tenant_id, k.key_id, k.scopes, k.expires_at
  from public.api_keys as k
  where k.secret_hash = wanted_hash
    and k.revoked_at is null
    and (k.expires_at is null or k.expires_at > now())
$$;
grant execute on function internal.find_api_key(bytea) to app_user;

-- The open invitation behind a token, with the account that its address has by now (null: none).
create function internal.find_invitation(wanted_hash bytea, at_time timestamptz)
returns table (
  tenant_id uuid, slug text, tenant_name text, invited_user_id uuid, email text, role text, invited_at timestamptz,
  user_id uuid, password_hash text, status text
)
language sql
stable
security definer
set search_path = ''
as $$
  select t.tenant_id, t.slug, t.name, i.user_id, i.email, i.role, i.created_at, u.user_id, u.password_hash, u.status
  from public.member_invitations as i
  join public.tenants as t on t.tenant_id = i.tenant_id
  left join public.users as u on u.email = i.email
  where i.token_hash = wanted_hash
    and i.expires_at > at_time
$$;
grant execute on function internal.find_invitation(bytea, timestamptz) to app_user;

-- The id of the account with this address, and nothing else about it.
create function internal.find_user_id(wanted_email text)
returns uuid
language sql
stable
security definer
set search_path = ''
as $$
  select u.user_id from public.users as u where u.email = lower(wanted_email)
$$;
grant execute on function internal.find_user_id(text) to app_rw, app_user;

-- Members and open invitations of the tenant of the transaction, by address. Addresses of other people stay unseen.
create function internal.list_members(of_tenant uuid, at_time timestamptz, after_email text, max_rows integer)
returns table (
  user_id uuid, email text, role text, status text, invited_at timestamptz, joined_at timestamptz,
  invite_expires_at timestamptz
)
language sql
stable
security definer
set search_path = ''
as $$
  select m.user_id, m.email, m.role, m.status, m.invited_at, m.joined_at, m.invite_expires_at
  from (
    select b.user_id, u.email, b.role, u.status, b.invited_at, b.created_at as joined_at, null::timestamptz as invite_expires_at
    from public.memberships as b
    join public.users as u on u.user_id = b.user_id
    where b.tenant_id = of_tenant
    union all
    select i.user_id, i.email, i.role, 'invited', i.created_at, null, i.expires_at
    from public.member_invitations as i
    where i.tenant_id = of_tenant
      and i.expires_at > at_time
  ) as m
  where of_tenant = nullif(current_setting('app.current_tenant_id', true), '')::uuid
    and m.email collate "C" > after_email
  order by m.email collate "C"
  limit max_rows
$$;
grant execute on function internal.list_members(uuid, timestamptz, text, integer) to app_rw, app_user;

-- Whether the tenant of the transaction has an admin besides this user. One whose account is disabled is none.
create function internal.has_other_admin(of_tenant uuid, but_user uuid)
returns boolean
language sql
stable
security definer
set search_path = ''
as $$
  select exists (
    select from public.memberships as b
    join public.users as u on u.user_id = b.user_id
    where of_tenant = nullif(current_setting('app.current_tenant_id', true), '')::uuid
      and b.tenant_id = of_tenant
      and b.role = 'admin'
      and b.user_id <> but_user
      and u.status = 'active'
  )
$$;
grant execute on function internal.has_other_admin(uuid, uuid) to app_rw, app_user;

-- For operators: where somebody belongs, by slug. Null tenants for an account without a membership.
create function internal.list_memberships_of(wanted_email text)
returns table (user_id uuid, status text, tenant_id uuid, slug text, role text)
language sql
stable
security definer
set search_path = ''
as $$
  select u.user_id, u.status, t.tenant_id, t.slug, b.role
  from public.users as u
  left join public.memberships as b on b.user_id = u.user_id
  left join public.tenants as t on t.tenant_id = b.tenant_id
  where u.email = lower(wanted_email)
  order by t.slug
$$;
grant execute on function internal.list_memberships_of(text) to app_rw;

reset role;
revoke skeldir_control from current_user;
