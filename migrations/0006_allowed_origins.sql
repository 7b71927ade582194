-- Origins of the web pages that may read a tenant's answers (CORS) and send it touchpoints from a browser. A list of at
-- most 50, replaced as a whole; the bounds and the form are those of `AllowedOrigins` in the contract.
grant skeldir_control to current_user;

set local role skeldir_owner;

create table tenant_allowed_origins (
  tenant_id  uuid        not null references tenants (tenant_id),
  origin     text        not null  -- scheme://host[:port]: lower case, punycode, no default port; compared exactly
             check (origin ~ '^(https://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|http://localhost)(:[0-9]{1,5})?$'),
  position   integer     not null check (position between 1 and 50),  -- as the list was given
  created_at timestamptz not null default now(),                      -- when the list was set
  primary key (tenant_id, origin),
  unique (tenant_id, position)
);
create index tenant_allowed_origins_origin_idx on tenant_allowed_origins (origin);  -- before the tenant is known
call internal.isolate_by_tenant('tenant_allowed_origins', array['app_rw', 'app_user']);
call internal.allow_lookup('tenant_allowed_origins');
grant select, insert, delete on tenant_allowed_origins to app_rw;
grant select on tenant_allowed_origins to app_user;

set local role skeldir_control;

-- Whether any tenant allows the origin; not which, since a preflight proves nothing.
create function internal.is_allowed_origin(wanted_origin text)
returns boolean
language sql
stable
security definer
set search_path = ''
as $$
  select exists (select from public.tenant_allowed_origins as o where o.origin = wanted_origin)
$$;
grant execute on function internal.is_allowed_origin(text) to app_user;

reset role;
revoke skeldir_control from current_user;
