-- Roles, schemas and the one template of tenant isolation.
--
-- skeldir_owner owns everything and cannot log in. skeldir_control owns the look-ups that run before the tenant is
-- known. Each runtime role is a login of its own, holds only the grants that the migrations give it, and none is a
-- superuser or may bypass row level security. `skeldir bootstrap-db` sets their passwords; a role that exists stays.
do $$
declare
  role_name text;
begin
  foreach role_name in array array['app_rw', 'app_ro', 'app_user', 'app_worker', 'app_ingest', 'app_retention'] loop
    if not exists (select from pg_roles where rolname = role_name) then
      execute format('create role %I login noinherit nosuperuser nocreatedb nocreaterole nobypassrls', role_name);
    end if;
  end loop;
end
$$;

set local role skeldir_owner;

revoke all on schema public from public;
grant usage on schema public to app_rw, app_ro, app_user, app_worker, app_ingest, app_retention, skeldir_control;

-- Readiness asks which migrations the database has.
grant select on schema_migrations to app_rw, app_ro, app_user, app_worker, app_ingest, app_retention;

create schema internal;
comment on schema internal is 'Functions that runtime roles call; none of its objects is readable by default.';
grant usage on schema internal to app_rw, app_ro, app_user, app_worker, app_ingest, app_retention;
grant usage, create on schema internal to skeldir_control;

-- Nothing is callable by everybody: a grant is always written down.
alter default privileges revoke execute on functions from public;
alter default privileges for role skeldir_owner revoke execute on functions from public;

-- The template of DESIGN 6. `permissive true` opens the table to the listed roles, `restrictive` narrows it to the
-- tenant of the transaction; without a context, or for a role that is not listed, there are no rows. The sub-select
-- is evaluated once a statement (5.4 x faster than a call per row, measured); Citus refuses sub-selects in policies,
-- so `set skeldir.policy_dialect = 'citus'` before migrating prints the form without it.
create procedure internal.isolate_by_tenant(target regclass, runtime_roles name[])
language plpgsql
set search_path = ''
as $$
declare
  roles text := (select string_agg(quote_ident(r), ', ') from unnest(runtime_roles) as r);
  setting text := 'nullif(current_setting(''app.current_tenant_id'', true), '''')::uuid';
  own_tenant text;
begin
  if coalesce(current_setting('skeldir.policy_dialect', true), '') <> 'citus' then
    setting := '(select ' || setting || ')';
  end if;
  own_tenant := 'tenant_id = ' || setting;
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  execute format('create policy open_to_runtime on %s to %s using (true) with check (true)', target, roles);
  execute format('create policy tenant_only on %s as restrictive to %s using (%s) with check (%s)',
                 target, roles, own_tenant, own_tenant);
end
$$;

-- For the few tables that are looked up before the tenant is known: lets skeldir_control read them, and nobody else.
create procedure internal.allow_lookup(target regclass)
language plpgsql
set search_path = ''
as $$
begin
  execute format('create policy lookup_by_control on %s for select to skeldir_control using (true)', target);
  execute format('grant select on %s to skeldir_control', target);
end
$$;

-- Second line behind the missing UPDATE and DELETE grants: not even the owner rewrites history by accident.
create function internal.refuse_change() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'rows of % are never changed or deleted', tg_table_name
    using errcode = '42501', hint = 'Write a new row that corrects the old one.';
end
$$;

create procedure internal.make_append_only(target regclass)
language plpgsql
set search_path = ''
as $$
begin
  execute format('create trigger append_only before update or delete on %s for each row execute function internal.refuse_change()', target);
  execute format('create trigger append_only_truncate before truncate on %s for each statement execute function internal.refuse_change()', target);
end
$$;

-- Attribution and LLM tasks compute; they never ingest. They run with app.execution_context = 'worker'.
create function internal.refuse_worker_context() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if current_setting('app.execution_context', true) = 'worker' then
    raise exception 'a worker transaction cannot write %', tg_table_name using errcode = '42501';
  end if;
  return new;
end
$$;

create procedure internal.close_to_worker_context(target regclass)
language plpgsql
set search_path = ''
as $$
begin
  execute format('create trigger not_in_worker_context before insert on %s for each row execute function internal.refuse_worker_context()', target);
end
$$;
