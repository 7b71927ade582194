-- What becomes of dead events: replays, what came of each, and how a dead event was closed. The dead event itself never changes.
set local role skeldir_owner;

-- The list, newest first, and the replay, oldest first.
create index dead_events_received_idx on dead_events (tenant_id, received_at, dead_event_id);

-- One row per run; a dry run leaves none.
create table dead_event_replays (
  tenant_id      uuid        not null references tenants (tenant_id),
  replay_id      uuid        not null default gen_random_uuid(),
  filter         jsonb       not null,   -- as it was asked for
  requested_by   uuid,                   -- user id; null: an operator at the command line
  correlation_id uuid        not null,
  requested_at   timestamptz not null default now(),
  primary key (tenant_id, replay_id)
);
call internal.isolate_by_tenant('dead_event_replays', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('dead_event_replays');
call internal.refuse_personal_data_in('dead_event_replays');
grant select, insert on dead_event_replays to app_user;
grant select on dead_event_replays to app_worker, app_ro;

-- What a run took, each dead event once.
create table dead_event_takes (
  tenant_id     uuid    not null,
  replay_id     uuid    not null,
  dead_event_id uuid    not null,
  position      integer not null check (position between 1 and 10000),   -- in the run, the oldest first
  primary key (tenant_id, replay_id, dead_event_id),
  unique (tenant_id, replay_id, position),
  foreign key (tenant_id, replay_id) references dead_event_replays (tenant_id, replay_id),
  foreign key (tenant_id, dead_event_id) references dead_events (tenant_id, dead_event_id)
);
create index dead_event_takes_event_idx on dead_event_takes (tenant_id, dead_event_id);   -- the replays of a dead event
call internal.isolate_by_tenant('dead_event_takes', array['app_user', 'app_worker', 'app_ro']);
call internal.make_append_only('dead_event_takes');
grant select, insert on dead_event_takes to app_user;
grant select on dead_event_takes to app_worker, app_ro;

-- What came of each, written in the transaction that writes the event: a second attempt finds it and does nothing.
create table dead_event_outcomes (
  tenant_id     uuid        not null,
  replay_id     uuid        not null,
  dead_event_id uuid        not null,
  outcome       text        not null check (outcome in ('recovered', 'duplicate', 'still_dead')),
  code          text        check (code ~ '^[a-z0-9_]{1,64}$'),   -- why it is still dead
  event_id      uuid,
  recipes       text[]      not null check (cardinality(recipes) <= 16),   -- tried, in this order: `<id>@<version>`
  finished_at   timestamptz not null default now(),
  primary key (tenant_id, replay_id, dead_event_id),
  foreign key (tenant_id, replay_id, dead_event_id) references dead_event_takes (tenant_id, replay_id, dead_event_id),
  foreign key (tenant_id, event_id) references webhook_events (tenant_id, event_id),
  check ((outcome = 'still_dead') = (code is not null)),
  check ((outcome = 'still_dead') = (event_id is null))
);
call internal.isolate_by_tenant('dead_event_outcomes', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.make_append_only('dead_event_outcomes');
call internal.close_to_worker_context('dead_event_outcomes');
grant select on dead_event_outcomes to app_user, app_worker, app_ro;
grant insert on dead_event_outcomes to app_ingest;

-- Where a dead event stands. Without a row it is pending, and nothing was ever done to it.
create table dead_event_states (
  tenant_id     uuid        not null,
  dead_event_id uuid        not null,
  status        text        not null check (status in ('pending', 'in_progress', 'resolved', 'abandoned')),
  replays       integer     not null default 0 check (replays >= 0),
  replay_id     uuid,          -- the last one that took it
  resolved_at   timestamptz,
  resolved_by   uuid,          -- user id; null: a replay or an operator
  note          text        check (length(note) between 1 and 500),
  primary key (tenant_id, dead_event_id),
  foreign key (tenant_id, dead_event_id) references dead_events (tenant_id, dead_event_id),
  foreign key (tenant_id, replay_id) references dead_event_replays (tenant_id, replay_id),
  check ((status in ('resolved', 'abandoned')) = (resolved_at is not null)),
  check (status in ('resolved', 'abandoned') or (resolved_by is null and note is null)),
  check ((replays = 0) = (replay_id is null) and (status <> 'in_progress' or replay_id is not null))
);
call internal.isolate_by_tenant('dead_event_states', array['app_user', 'app_worker', 'app_ingest', 'app_ro']);
call internal.refuse_personal_data_in('dead_event_states');
create trigger no_personal_data_in_note before update of note on dead_event_states
  for each row execute function internal.refuse_personal_data();
grant select, insert on dead_event_states to app_user;
grant update (status, replays, replay_id, resolved_at, resolved_by, note) on dead_event_states to app_user;
grant select on dead_event_states to app_worker, app_ro;
grant select (tenant_id, dead_event_id, status, replay_id), update (status, resolved_at) on dead_event_states to app_ingest;

-- A replay reads the bodies that could not be read; the run is the worker's, and only app_ingest may open them there.
grant select (key_version, sealed_body) on dead_event_bodies to app_ingest;

-- The run asks of an endpoint whether it is a test, and of which shop.
alter policy open_to_runtime on webhook_endpoints to app_rw, app_user, app_worker;
alter policy tenant_only on webhook_endpoints to app_rw, app_user, app_worker;
grant select (tenant_id, endpoint_id, mode, shop_domain) on webhook_endpoints to app_worker;
