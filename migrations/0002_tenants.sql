-- Tenants, their keys, people and API keys. Users are known across tenants (one person may belong to several), so
-- `users` and `tenant_slugs` stand outside the tenant template: the API has no grant on them and reaches them only
-- through the narrow look-ups of 0004.
set local role skeldir_owner;

create table tenants (
  tenant_id          uuid        not null default gen_random_uuid() primary key,
  slug               text        not null check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  name               text        not null check (length(name) between 1 and 100),
  reporting_currency text        not null check (reporting_currency ~ '^[A-Z]{3}$'),  -- ISO 4217
  time_zone          text        not null default 'UTC' check (length(time_zone) between 1 and 64),  -- IANA name; buckets reports only
  created_at         timestamptz not null default now()
);
call internal.isolate_by_tenant('tenants', array['app_rw', 'app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.allow_lookup('tenants');
grant select, insert on tenants to app_rw;
grant select on tenants to app_user, app_worker, app_ingest, app_ro;

-- Which slug belongs to which tenant: the one name that must be unique across tenants, since people type it to log in.
create table tenant_slugs (
  slug      text not null primary key,
  tenant_id uuid not null unique
);
alter table tenant_slugs enable row level security;
alter table tenant_slugs force row level security;
create policy provisioning on tenant_slugs to app_rw using (true) with check (true);
grant select, insert on tenant_slugs to app_rw;
call internal.allow_lookup('tenant_slugs');

-- The data key of a tenant, wrapped by a master key (AES-256-GCM: nonce, tag, ciphertext; AAD = tenant, purpose,
-- version). Destroying the row makes every secret and every identity of the tenant unreadable.
create table tenant_keys (
  tenant_id    uuid        not null references tenants (tenant_id),
  key_version  integer     not null check (key_version >= 1),
  wrapping_kid text        not null,   -- which master key wrapped it
  wrapped_key  bytea       not null,
  created_at   timestamptz not null default now(),
  primary key (tenant_id, key_version)
);
call internal.isolate_by_tenant('tenant_keys', array['app_rw', 'app_user', 'app_ingest']);
call internal.allow_lookup('tenant_keys');
grant select, insert on tenant_keys to app_rw;
grant select on tenant_keys to app_user, app_ingest;

create table users (
  user_id       uuid        not null default gen_random_uuid() primary key,
  email         text        not null unique check (email = lower(email) and length(email) between 3 and 254),
  password_hash text        not null,   -- PHC string, argon2id
  status        text        not null default 'active' check (status in ('active', 'disabled')),
  created_at    timestamptz not null default now()
);
alter table users enable row level security;
alter table users force row level security;
create policy provisioning on users to app_rw using (true) with check (true);
grant select, insert on users to app_rw;
call internal.allow_lookup('users');

create table memberships (
  tenant_id  uuid        not null references tenants (tenant_id),
  user_id    uuid        not null references users (user_id),
  role       text        not null check (role in ('viewer', 'manager', 'admin')),
  created_at timestamptz not null default now(),
  primary key (tenant_id, user_id)
);
create index memberships_user_idx on memberships (user_id);  -- login: which tenants does this person belong to
call internal.isolate_by_tenant('memberships', array['app_rw', 'app_user']);
call internal.allow_lookup('memberships');
grant select, insert on memberships to app_rw;
grant select on memberships to app_user;

create table api_keys (
  tenant_id   uuid        not null references tenants (tenant_id),
  key_id      uuid        not null default gen_random_uuid(),
  name        text        not null check (length(name) between 1 and 100),
  prefix      text        not null,     -- what a person may see of the key
  secret_hash bytea       not null check (octet_length(secret_hash) = 32),  -- SHA-256 of the whole key (256 random bits)
  scopes      text[]      not null check (cardinality(scopes) between 1 and 20),
  created_at  timestamptz not null default now(),
  expires_at  timestamptz,
  revoked_at  timestamptz,
  primary key (tenant_id, key_id)
);
create index api_keys_secret_hash_idx on api_keys (secret_hash);  -- authentication, before the tenant is known
call internal.isolate_by_tenant('api_keys', array['app_rw', 'app_user']);
call internal.allow_lookup('api_keys');
grant select, insert on api_keys to app_rw;
grant select (tenant_id, key_id, name, prefix, scopes, created_at, expires_at, revoked_at) on api_keys to app_user;
