-- What is computed over all journeys of a window and not of one order: Markov credits by channel, and how well the share of each
-- channel is known, by every model. A run over a window is written once; the pointer of the window moves to the newest.
-- Tables are added, and the database says nothing of any tenant in them that its credits do not say.
set local role skeldir_owner;

-- Windows that a report asked for, besides those that are always measured. Forgotten after some days without a question.
create table attribution_windows (
  tenant_id     uuid        not null references tenants (tenant_id),
  first_day     date        not null,
  last_day      date        not null check (last_day between first_day and first_day + 365),   -- included
  time_zone     text        not null check (length(time_zone) between 1 and 64),               -- of the days (IANA name)
  currency      text        not null check (currency ~ '^[A-Z]{3}$'),
  is_converted  boolean     not null,   -- all orders, in the reporting currency; otherwise those in this currency
  last_asked_at timestamptz not null default now(),
  primary key (tenant_id, first_day, last_day, time_zone, currency, is_converted)
);
call internal.isolate_by_tenant('attribution_windows', array['app_user', 'app_worker']);
grant select, insert, update (last_asked_at) on attribution_windows to app_user;
grant select, delete on attribution_windows to app_worker;

-- Every model over the journeys of one window, as one reading of the data left it. Equal inputs give equal hashes.
create table attribution_window_runs (
  tenant_id         uuid        not null references tenants (tenant_id),
  window_run_id     uuid        not null default gen_random_uuid(),
  edition_id        uuid        not null,
  first_day         date        not null,
  last_day          date        not null check (last_day >= first_day),
  time_zone         text        not null,
  currency          text        not null check (currency ~ '^[A-Z]{3}$'),
  is_converted      boolean     not null,
  basis             text        not null default 'order_date' check (basis = 'order_date'),
  starts_at         timestamptz not null,
  ends_at           timestamptz not null check (ends_at > starts_at),   -- exclusive
  data_cutoff       timestamptz not null,   -- everything recorded up to here was seen
  orders            integer     not null check (orders >= 0),
  attributed_orders integer     not null check (attributed_orders between 0 and orders),   -- with at least one touch
  net_minor         bigint      not null,   -- of all of them
  coverage          numeric     check (coverage between 0 and 1),   -- share of it with a touch; null where it is 0
  replicates        integer     not null check (replicates = 0 or replicates between 200 and 2000),   -- 0: there are no intervals
  seed              text        not null,   -- resample b is drawn from '<seed>|<b>'
  input_sha256      bytea       not null check (octet_length(input_sha256) = 32),
  output_sha256     bytea       not null check (octet_length(output_sha256) = 32),
  diagnostics       jsonb       not null check (jsonb_typeof(diagnostics) = 'object'),
  created_at        timestamptz not null default now(),
  primary key (tenant_id, window_run_id),
  foreign key (tenant_id, edition_id) references attribution_editions (tenant_id, edition_id)
);
call internal.isolate_by_tenant('attribution_window_runs', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_window_runs');
grant select on attribution_window_runs to app_user, app_ro;
grant select, insert on attribution_window_runs to app_worker;

-- What a model gives a channel over the window. Shares are of the conversions that have a touch, so '(unattributed)' has none.
create table attribution_window_channels (
  tenant_id        uuid    not null,
  window_run_id    uuid    not null,
  model            text    not null check (model ~ '^[a-z_]{1,40}$'),
  channel          text    not null,
  conversion_micro bigint  not null,   -- millionths of an order
  revenue_minor    bigint  not null,   -- minor units
  share            numeric check (share between 0 and 1),
  lower            numeric check (lower between 0 and 1),            -- of the 95 % interval of the share
  upper            numeric check (upper between lower and 1),
  sample_size      integer not null check (sample_size >= 0),        -- distinct converting visitors that the channel has a part in
  grade            text    check (grade in ('A', 'B', 'C', 'D')),    -- D: too few; null: nothing to grade, or no resamples
  primary key (tenant_id, window_run_id, model, channel),
  foreign key (tenant_id, window_run_id) references attribution_window_runs (tenant_id, window_run_id),
  check (num_nulls(lower, upper) = case when grade in ('A', 'B', 'C') then 0 else 2 end)   -- no interval without a sample
);
call internal.isolate_by_tenant('attribution_window_channels', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('attribution_window_channels');
grant select on attribution_window_channels to app_user, app_ro;
grant select, insert on attribution_window_channels to app_worker;

-- The run that answers for a window in an edition.
create table published_windows (
  tenant_id     uuid        not null,
  edition_id    uuid        not null,
  first_day     date        not null,
  last_day      date        not null,
  time_zone     text        not null,
  currency      text        not null,
  is_converted  boolean     not null,
  window_run_id uuid        not null,
  publication   integer     not null check (publication >= 0),   -- of the edition, up to which the run is known to hold
  checked_at    timestamptz not null default now(),
  primary key (tenant_id, edition_id, first_day, last_day, time_zone, currency, is_converted),
  foreign key (tenant_id, edition_id) references attribution_editions (tenant_id, edition_id),
  foreign key (tenant_id, window_run_id) references attribution_window_runs (tenant_id, window_run_id)
);
call internal.isolate_by_tenant('published_windows', array['app_user', 'app_worker', 'app_ro']);
grant select on published_windows to app_user, app_ro;
grant select, insert, update (window_run_id, publication, checked_at) on published_windows to app_worker;

reset role;
