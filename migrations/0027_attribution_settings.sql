-- How a tenant sets the models of attribution: a setting in versions, as the revenue definition and the channel rules are.
-- A table is added; the release before does not know it, and calculates with the initial parameters for as long as it runs.
set local role skeldir_owner;

-- Every figure names the version it was calculated with, so none ever changes; the newest holds. Version 1 is what holds without
-- a choice: the parameters that each model has at first, and journeys as they are.
create table attribution_setting_versions (
  tenant_id      uuid        not null references tenants (tenant_id),
  version        integer     not null check (version >= 1),
  effective_at   timestamptz not null default now(),
  models         jsonb       not null default '{}' check (jsonb_typeof(models) = 'object' and pg_column_size(models) <= 8192),   -- parameters by model; those of the others are the initial ones
  path_transform jsonb       not null default '{"name": "identity", "parameters": {}}' check (jsonb_typeof(path_transform) = 'object' and pg_column_size(path_transform) <= 1024),   -- what is done to a journey before models see it
  primary key (tenant_id, version)
);

-- Tenants that exist get their first version. The policies let no one see all of them, hence one for this statement.
create policy backfill on tenants for select to skeldir_owner using (true);
insert into attribution_setting_versions (tenant_id, version, effective_at) select tenant_id, 1, created_at from tenants;
drop policy backfill on tenants;

-- So does every new tenant, whatever made it: also a process that is older than this migration.
create or replace function internal.insert_first_versions() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.revenue_definitions (tenant_id, version) values (new.tenant_id, 1);
  insert into public.channel_rule_versions (tenant_id, version) values (new.tenant_id, 1);
  insert into public.attribution_setting_versions (tenant_id, version) values (new.tenant_id, 1);
  return null;
end
$$;

call internal.isolate_by_tenant('attribution_setting_versions', array['app_rw', 'app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_setting_versions');
call internal.refuse_personal_data_in('attribution_setting_versions');
grant select, insert on attribution_setting_versions to app_rw, app_user;
grant select on attribution_setting_versions to app_worker, app_ro;

reset role;
