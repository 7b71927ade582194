-- Attribution runs and what they credit. A run is one model over one UTC day of orders. Runs and credits are
-- append-only; `published_runs` points at the run that answers, and flips in the transaction that wrote it.
set local role skeldir_owner;

create table attribution_runs (
  tenant_id     uuid        not null references tenants (tenant_id),
  run_id        uuid        not null default gen_random_uuid(),
  model         text        not null check (model in ('first_touch', 'last_touch', 'linear')),
  model_version text        not null,
  window_start  timestamptz not null,
  window_end    timestamptz not null check (window_end > window_start),   -- exclusive
  data_cutoff   timestamptz not null,   -- everything recorded up to here was seen
  input_hash    text        not null check (input_hash ~ '^[0-9a-f]{64}$'),
  output_hash   text        not null check (output_hash ~ '^[0-9a-f]{64}$'),
  orders        integer     not null check (orders >= 0),
  created_at    timestamptz not null default now(),
  primary key (tenant_id, run_id)
);
call internal.isolate_by_tenant('attribution_runs', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_runs');
grant select on attribution_runs to app_user, app_ro;
grant select, insert on attribution_runs to app_worker;

-- The money of a run, one row per currency: currencies are never added up. Minor units.
create table attribution_run_totals (
  tenant_id           uuid    not null,
  run_id              uuid    not null,
  currency            text    not null check (currency ~ '^[A-Z]{3}$'),
  orders              integer not null check (orders >= 0),
  attributed_orders   integer not null check (attributed_orders between 0 and orders),  -- with at least one touch
  captured_minor      bigint  not null check (captured_minor >= 0),
  refunded_minor      bigint  not null check (refunded_minor >= 0),        -- applied to credits
  over_refunded_minor bigint  not null check (over_refunded_minor >= 0),   -- beyond what the orders had left
  net_minor           bigint  not null check (net_minor = captured_minor - refunded_minor),
  attributed_minor    bigint  not null check (attributed_minor between 0 and net_minor),  -- net revenue of attributed orders
  primary key (tenant_id, run_id, currency),
  foreign key (tenant_id, run_id) references attribution_runs (tenant_id, run_id)
);
call internal.isolate_by_tenant('attribution_run_totals', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_run_totals');
grant select on attribution_run_totals to app_user, app_ro;
grant select, insert on attribution_run_totals to app_worker;

-- What one touch gets of one ledger entry. Over an order the credits sum to its net revenue, exactly.
create table attribution_credits (
  tenant_id         uuid        not null,
  run_id            uuid        not null,
  order_key         text        not null,
  entry_key         text        not null,   -- the ledger entry that is shared out
  position          integer     not null check (position >= 0),   -- of the touch in the journey
  channel           text        not null,   -- '(unattributed)' where there is no touch
  touch_external_id text,
  touched_at        timestamptz,
  ordered_at        timestamptz not null,
  currency          text        not null check (currency ~ '^[A-Z]{3}$'),
  revenue_minor     bigint      not null,   -- negative for a refund
  conversion_micro  bigint      not null,   -- millionths of an order; 0 on refunds and on further captures
  primary key (tenant_id, run_id, order_key, entry_key, position),
  foreign key (tenant_id, run_id) references attribution_runs (tenant_id, run_id)
);
call internal.isolate_by_tenant('attribution_credits', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_credits');
grant select on attribution_credits to app_user, app_ro;
grant select, insert on attribution_credits to app_worker;

create table published_runs (
  tenant_id    uuid        not null,
  model        text        not null check (model in ('first_touch', 'last_touch', 'linear')),
  window_start timestamptz not null,
  run_id       uuid        not null,
  published_at timestamptz not null default now(),
  primary key (tenant_id, model, window_start),
  foreign key (tenant_id, run_id) references attribution_runs (tenant_id, run_id)
);
call internal.isolate_by_tenant('published_runs', array['app_user', 'app_worker', 'app_ro']);
grant select on published_runs to app_user, app_ro;
grant select, insert, update on published_runs to app_worker;

-- A recompute that somebody asked for. Asking again for the same days and model version is the same job.
create table attribution_recompute_jobs (
  tenant_id     uuid        not null references tenants (tenant_id),
  job_id        uuid        not null default gen_random_uuid(),
  window_start  timestamptz not null,
  window_end    timestamptz not null check (window_end > window_start),   -- exclusive
  model_version text        not null,
  status        text        not null default 'queued' check (status in ('queued', 'running', 'succeeded', 'failed')),
  run_count     integer     not null default 0 check (run_count >= 0),    -- how often it was carried out
  requested_by  uuid        not null,   -- user id
  requested_at  timestamptz not null default now(),
  finished_at   timestamptz,
  primary key (tenant_id, job_id),
  unique (tenant_id, window_start, window_end, model_version)
);
call internal.isolate_by_tenant('attribution_recompute_jobs', array['app_user', 'app_worker', 'app_ro']);
grant select on attribution_recompute_jobs to app_ro;
grant select, insert, update on attribution_recompute_jobs to app_user;
grant select, update on attribution_recompute_jobs to app_worker;
