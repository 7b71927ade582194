-- What a publication changed, by day: one row holds what a channel has more or less by all models. A row for each run, as 0023 has it,
-- was a dozen times as many: 13,000 for a publication that changes orders of 100 days.
--
-- The release before goes on with rows by run, which keep their table under another name; attribution_day_run_changes is a view over
-- both now, row by run as before, and what the release before adds to it goes where its rows are. A later migration, when no release
-- writes rows by run, drops the trigger.
set local role skeldir_owner;

alter table attribution_day_run_changes rename to attribution_run_changes;
alter index attribution_day_run_changes_pkey rename to attribution_run_changes_pkey;

-- What the runs that a publication made for a day give a channel more, or less, than those before them in their edition.
create table attribution_publication_changes (
  tenant_id              uuid     not null,   -- no references, as on the credits
  edition_id             uuid     not null,
  day                    date     not null,   -- of the orders, in UTC
  publication            integer  not null check (publication >= 1),   -- of the edition: with day and model, it names the run
  channel                text     not null,
  currency               text     not null check (currency ~ '^[A-Z]{3}$'),
  revenue_delta_minor    bigint[] not null,   -- in the order of the edition's models; minor units
  conversion_delta_micro bigint[] not null check (cardinality(conversion_delta_micro) = cardinality(revenue_delta_minor)),   -- likewise, millionths of an order
  primary key (tenant_id, edition_id, day, publication, channel, currency),
  check (0 <> any (revenue_delta_minor) or 0 <> any (conversion_delta_micro))
);
call internal.isolate_by_tenant('attribution_publication_changes', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_publication_changes');
grant select on attribution_publication_changes to app_user, app_ro;
grant select, insert on attribution_publication_changes to app_worker;

-- Changes by run, of whichever rows: those of a run are looked up, however many runs there are.
create view attribution_day_run_changes with (security_invoker = true) as
select c.tenant_id, c.run_id, c.channel, c.currency, c.revenue_delta_minor, c.conversion_delta_micro
from attribution_run_changes as c
union all
select r.tenant_id, r.run_id, c.channel, c.currency, c.revenue_delta_minor, c.conversion_delta_micro
from attribution_day_runs as r
join attribution_editions as e on e.tenant_id = r.tenant_id and e.edition_id = r.edition_id
cross join lateral (select array_position(e.models, r.model) as place) as m
cross join lateral (
  select c.channel, c.currency, c.revenue_delta_minor[m.place] as revenue_delta_minor, c.conversion_delta_micro[m.place] as conversion_delta_micro
  from attribution_publication_changes as c
  where c.tenant_id = r.tenant_id and c.edition_id = r.edition_id and c.day = (r.window_start at time zone 'UTC')::date
    and c.publication = r.publication
  offset 0
) as c
where c.revenue_delta_minor <> 0 or c.conversion_delta_micro <> 0;
grant select on attribution_day_run_changes to app_user, app_ro;
grant select, insert on attribution_day_run_changes to app_worker;

create function internal.add_run_change() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  insert into public.attribution_run_changes values (new.*);
  return new;
end
$$;
create trigger add_run_change instead of insert on attribution_day_run_changes
  for each row execute function internal.add_run_change();

-- No references either where a publication writes a row for each of a thousand runs, as on the credits: one statement writes runs,
-- their totals and what answers, of an edition that the transaction has just updated. Runs and editions are never removed.
alter table attribution_day_runs drop constraint attribution_day_runs_tenant_id_edition_id_fkey;
alter table attribution_day_run_totals drop constraint attribution_day_run_totals_tenant_id_run_id_fkey;
alter table published_day_runs drop constraint published_day_runs_tenant_id_run_id_fkey;

-- The same checks in a twentieth of the time: a pattern that counts cost 8 us a hash.
alter table attribution_day_runs
  drop constraint attribution_day_runs_input_hash_check,
  drop constraint attribution_day_runs_output_hash_check,
  drop constraint attribution_day_runs_model_check,
  add constraint attribution_day_runs_input_hash_check check (octet_length(input_hash) = 64 and input_hash !~ '[^0-9a-f]'),
  add constraint attribution_day_runs_output_hash_check check (octet_length(output_hash) = 64 and output_hash !~ '[^0-9a-f]'),
  add constraint attribution_day_runs_model_check check (length(model) between 1 and 40 and model !~ '[^a-z_]');

reset role;
