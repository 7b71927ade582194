-- Printed from the catalogue of a migrated database by `npm run generate`. Do not edit.
-- For reading and comparing: migrations/ is what runs. Left out are the queue's own schema (pgboss), the privileges
-- that an owner has anyway, and MAINTAIN, which PostgreSQL 15 and 16 do not know.

create schema internal;
alter schema internal owner to skeldir_owner;
comment on schema internal is 'Functions that runtime roles call; none of its objects is readable by default.';
grant create, usage on schema internal to skeldir_control;
grant usage on schema internal to app_ingest, app_retention, app_ro, app_rw, app_user, app_worker;

create schema public;
alter schema public owner to pg_database_owner;
grant usage on schema public to app_ingest, app_retention, app_ro, app_rw, app_user, app_worker, skeldir_control;

create table internal.account_cutoffs (
  user_id uuid not null,
  not_before timestamp with time zone not null,
  kept_session uuid,
  constraint account_cutoffs_pkey PRIMARY KEY (user_id),
  constraint account_cutoffs_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id) ON DELETE CASCADE
);
alter table internal.account_cutoffs owner to skeldir_owner;
alter table internal.account_cutoffs enable row level security;
alter table internal.account_cutoffs force row level security;
create policy by_control on internal.account_cutoffs as permissive for all to skeldir_control
  using (true)
  with check (true);
grant delete, insert, select, update on internal.account_cutoffs to skeldir_control;

create table internal.address_limits (
  subject bytea not null,
  full_at timestamp with time zone not null,
  constraint address_limits_pkey PRIMARY KEY (subject),
  constraint address_limits_subject_check CHECK ((octet_length(subject) = 32))
) with (fillfactor=50);
alter table internal.address_limits owner to skeldir_owner;
CREATE INDEX address_limits_full_idx ON internal.address_limits USING btree (full_at);
alter table internal.address_limits enable row level security;
alter table internal.address_limits force row level security;
create policy by_control on internal.address_limits as permissive for all to skeldir_control
  using (true)
  with check (true);
grant delete, insert, select, update on internal.address_limits to skeldir_control;

create table internal.login_attempts (
  subject bytea not null,
  failures integer not null,
  started_at timestamp with time zone not null,
  failed_at timestamp with time zone not null,
  blocked_until timestamp with time zone,
  constraint login_attempts_pkey PRIMARY KEY (subject),
  constraint login_attempts_failures_check CHECK ((failures >= 1)),
  constraint login_attempts_subject_check CHECK ((octet_length(subject) = 32))
);
alter table internal.login_attempts owner to skeldir_owner;
CREATE INDEX login_attempts_failed_idx ON internal.login_attempts USING btree (failed_at);
alter table internal.login_attempts enable row level security;
alter table internal.login_attempts force row level security;
create policy by_control on internal.login_attempts as permissive for all to skeldir_control
  using (true)
  with check (true);
grant delete, insert, select, update on internal.login_attempts to skeldir_control;

create table internal.token_revocations (
  revocation_id uuid not null default gen_random_uuid(),
  subject bytea not null,
  standing text,
  not_before timestamp with time zone,
  kept bytea,
  xact xid8 not null default pg_current_xact_id(),
  recorded_at timestamp with time zone not null default clock_timestamp(),
  constraint token_revocations_pkey PRIMARY KEY (revocation_id),
  constraint token_revocations_check CHECK (((standing IS NOT NULL) OR (not_before IS NOT NULL))),
  constraint token_revocations_kept_check CHECK ((octet_length(kept) = 32)),
  constraint token_revocations_standing_check CHECK (((length(standing) >= 1) AND (length(standing) <= 20))),
  constraint token_revocations_subject_check CHECK ((octet_length(subject) = 32))
);
alter table internal.token_revocations owner to skeldir_owner;
CREATE INDEX token_revocations_recorded_idx ON internal.token_revocations USING btree (recorded_at);
CREATE INDEX token_revocations_subject_idx ON internal.token_revocations USING btree (subject);
CREATE INDEX token_revocations_xact_idx ON internal.token_revocations USING btree (xact);
alter table internal.token_revocations enable row level security;
alter table internal.token_revocations force row level security;
create policy by_control on internal.token_revocations as permissive for all to skeldir_control
  using (true)
  with check (true);
CREATE TRIGGER announce AFTER INSERT ON internal.token_revocations FOR EACH STATEMENT EXECUTE FUNCTION internal.announce_revocation();
grant delete, insert, select, update on internal.token_revocations to skeldir_control;

create table public.api_keys (
  tenant_id uuid not null,
  key_id uuid not null default gen_random_uuid(),
  name text not null,
  prefix text not null,
  secret_hash bytea not null,
  scopes text[] not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  last_used_at timestamp with time zone,
  constraint api_keys_pkey PRIMARY KEY (tenant_id, key_id),
  constraint api_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint api_keys_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
  constraint api_keys_publishable_check CHECK (((NOT ('events:collect'::text = ANY (scopes))) OR (cardinality(scopes) = 1))),
  constraint api_keys_scopes_check CHECK (((cardinality(scopes) >= 1) AND (cardinality(scopes) <= 20))),
  constraint api_keys_secret_hash_check CHECK ((octet_length(secret_hash) = 32))
);
alter table public.api_keys owner to skeldir_owner;
CREATE INDEX api_keys_secret_hash_idx ON public.api_keys USING btree (secret_hash);
alter table public.api_keys enable row level security;
alter table public.api_keys force row level security;
create policy lookup_by_control on public.api_keys as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.api_keys as permissive for all to app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.api_keys as restrictive for all to app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant insert (expires_at, name, prefix, scopes, secret_hash, tenant_id), select (created_at, expires_at, key_id, last_used_at, name, prefix, revoked_at, scopes, tenant_id), update (expires_at, last_used_at, revoked_at) on public.api_keys to app_user;
grant insert, select, update (expires_at, last_used_at, revoked_at) on public.api_keys to app_rw;
grant select on public.api_keys to skeldir_control;

create table public.attribution_credits (
  tenant_id uuid not null,
  run_id uuid not null,
  order_key text not null,
  entry_key text not null,
  "position" integer not null,
  channel text not null,
  touch_external_id text,
  touched_at timestamp with time zone,
  ordered_at timestamp with time zone not null,
  currency text not null,
  revenue_minor bigint not null,
  conversion_micro bigint not null,
  constraint attribution_credits_pkey PRIMARY KEY (tenant_id, run_id, order_key, entry_key, "position"),
  constraint attribution_credits_tenant_id_run_id_fkey FOREIGN KEY (tenant_id, run_id) REFERENCES public.attribution_runs(tenant_id, run_id),
  constraint attribution_credits_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint attribution_credits_position_check CHECK (("position" >= 0))
);
alter table public.attribution_credits owner to skeldir_owner;
alter table public.attribution_credits enable row level security;
alter table public.attribution_credits force row level security;
create policy open_to_runtime on public.attribution_credits as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_credits as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_credits FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_credits FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant insert, select on public.attribution_credits to app_worker;
grant select on public.attribution_credits to app_ro, app_user;

create table public.attribution_recompute_jobs (
  tenant_id uuid not null,
  job_id uuid not null default gen_random_uuid(),
  window_start timestamp with time zone not null,
  window_end timestamp with time zone not null,
  model_version text not null,
  status text not null default 'queued'::text,
  run_count integer not null default 0,
  requested_by uuid not null,
  requested_at timestamp with time zone not null default now(),
  finished_at timestamp with time zone,
  constraint attribution_recompute_jobs_pkey PRIMARY KEY (tenant_id, job_id),
  constraint attribution_recompute_jobs_tenant_id_window_start_window_en_key UNIQUE (tenant_id, window_start, window_end, model_version),
  constraint attribution_recompute_jobs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint attribution_recompute_jobs_check CHECK ((window_end > window_start)),
  constraint attribution_recompute_jobs_run_count_check CHECK ((run_count >= 0)),
  constraint attribution_recompute_jobs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'succeeded'::text, 'failed'::text])))
);
alter table public.attribution_recompute_jobs owner to skeldir_owner;
alter table public.attribution_recompute_jobs enable row level security;
alter table public.attribution_recompute_jobs force row level security;
create policy open_to_runtime on public.attribution_recompute_jobs as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_recompute_jobs as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant insert, select, update on public.attribution_recompute_jobs to app_user;
grant select on public.attribution_recompute_jobs to app_ro;
grant select, update on public.attribution_recompute_jobs to app_worker;

create table public.attribution_run_totals (
  tenant_id uuid not null,
  run_id uuid not null,
  currency text not null,
  orders integer not null,
  attributed_orders integer not null,
  captured_minor bigint not null,
  refunded_minor bigint not null,
  over_refunded_minor bigint not null,
  net_minor bigint not null,
  attributed_minor bigint not null,
  constraint attribution_run_totals_pkey PRIMARY KEY (tenant_id, run_id, currency),
  constraint attribution_run_totals_tenant_id_run_id_fkey FOREIGN KEY (tenant_id, run_id) REFERENCES public.attribution_runs(tenant_id, run_id),
  constraint attribution_run_totals_captured_minor_check CHECK ((captured_minor >= 0)),
  constraint attribution_run_totals_check CHECK (((attributed_orders >= 0) AND (attributed_orders <= orders))),
  constraint attribution_run_totals_check1 CHECK ((net_minor = (captured_minor - refunded_minor))),
  constraint attribution_run_totals_check2 CHECK (((attributed_minor >= 0) AND (attributed_minor <= net_minor))),
  constraint attribution_run_totals_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint attribution_run_totals_orders_check CHECK ((orders >= 0)),
  constraint attribution_run_totals_over_refunded_minor_check CHECK ((over_refunded_minor >= 0)),
  constraint attribution_run_totals_refunded_minor_check CHECK ((refunded_minor >= 0))
);
alter table public.attribution_run_totals owner to skeldir_owner;
alter table public.attribution_run_totals enable row level security;
alter table public.attribution_run_totals force row level security;
create policy open_to_runtime on public.attribution_run_totals as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_run_totals as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_run_totals FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_run_totals FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant insert, select on public.attribution_run_totals to app_worker;
grant select on public.attribution_run_totals to app_ro, app_user;

create table public.attribution_runs (
  tenant_id uuid not null,
  run_id uuid not null default gen_random_uuid(),
  model text not null,
  model_version text not null,
  window_start timestamp with time zone not null,
  window_end timestamp with time zone not null,
  data_cutoff timestamp with time zone not null,
  input_hash text not null,
  output_hash text not null,
  orders integer not null,
  created_at timestamp with time zone not null default now(),
  constraint attribution_runs_pkey PRIMARY KEY (tenant_id, run_id),
  constraint attribution_runs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint attribution_runs_check CHECK ((window_end > window_start)),
  constraint attribution_runs_input_hash_check CHECK ((input_hash ~ '^[0-9a-f]{64}$'::text)),
  constraint attribution_runs_model_check CHECK ((model = ANY (ARRAY['first_touch'::text, 'last_touch'::text, 'linear'::text]))),
  constraint attribution_runs_orders_check CHECK ((orders >= 0)),
  constraint attribution_runs_output_hash_check CHECK ((output_hash ~ '^[0-9a-f]{64}$'::text))
);
alter table public.attribution_runs owner to skeldir_owner;
alter table public.attribution_runs enable row level security;
alter table public.attribution_runs force row level security;
create policy open_to_runtime on public.attribution_runs as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_runs as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_runs FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_runs FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant insert, select on public.attribution_runs to app_worker;
grant select on public.attribution_runs to app_ro, app_user;

create table public.audit_log (
  tenant_id uuid not null,
  entry_id uuid not null default gen_random_uuid(),
  occurred_at timestamp with time zone not null default clock_timestamp(),
  actor_kind text not null,
  actor_id uuid,
  action text not null,
  target_kind text,
  target_id text,
  correlation_id uuid not null,
  changes jsonb not null default '[]'::jsonb,
  constraint audit_log_pkey PRIMARY KEY (tenant_id, entry_id),
  constraint audit_log_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint audit_log_action_check CHECK ((action ~ '^[a-z][a-z_]{0,30}\.[a-z][a-z_]{0,31}$'::text)),
  constraint audit_log_actor_kind_check CHECK ((actor_kind = ANY (ARRAY['user'::text, 'key'::text, 'operator'::text, 'system'::text]))),
  constraint audit_log_changes_check CHECK (((jsonb_typeof(changes) = 'array'::text) AND (jsonb_array_length(changes) <= 100))),
  constraint audit_log_check CHECK (((actor_id IS NOT NULL) = (actor_kind = ANY (ARRAY['user'::text, 'key'::text])))),
  constraint audit_log_check1 CHECK (((target_kind IS NULL) = (target_id IS NULL))),
  constraint audit_log_target_id_check CHECK (((length(target_id) >= 1) AND (length(target_id) <= 255))),
  constraint audit_log_target_kind_check CHECK ((target_kind ~ '^[a-z][a-z_]{0,63}$'::text))
);
alter table public.audit_log owner to skeldir_owner;
CREATE INDEX audit_log_newest_idx ON public.audit_log USING btree (tenant_id, occurred_at DESC, entry_id DESC);
alter table public.audit_log enable row level security;
alter table public.audit_log force row level security;
create policy open_to_runtime on public.audit_log as permissive for all to app_ingest, app_retention, app_rw, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.audit_log as restrictive for all to app_ingest, app_retention, app_rw, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.audit_log FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.audit_log FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
grant insert on public.audit_log to app_ingest, app_retention, app_worker;
grant insert, select on public.audit_log to app_rw, app_user;

create table public.channel_rule_versions (
  tenant_id uuid not null,
  version integer not null,
  effective_at timestamp with time zone not null default now(),
  rules jsonb not null default '[]'::jsonb,
  constraint channel_rule_versions_pkey PRIMARY KEY (tenant_id, version),
  constraint channel_rule_versions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint channel_rule_versions_rules_check CHECK (((jsonb_typeof(rules) = 'array'::text) AND (jsonb_array_length(rules) <= 200))),
  constraint channel_rule_versions_version_check CHECK ((version >= 1))
);
alter table public.channel_rule_versions owner to skeldir_owner;
alter table public.channel_rule_versions enable row level security;
alter table public.channel_rule_versions force row level security;
create policy open_to_runtime on public.channel_rule_versions as permissive for all to app_ro, app_rw, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.channel_rule_versions as restrictive for all to app_ro, app_rw, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.channel_rule_versions FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.channel_rule_versions FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.channel_rule_versions FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
grant insert, select on public.channel_rule_versions to app_rw, app_user;
grant select on public.channel_rule_versions to app_ro, app_worker;

create table public.dead_events (
  tenant_id uuid not null,
  dead_event_id uuid not null default gen_random_uuid(),
  vendor text not null,
  endpoint_id uuid not null,
  external_id text,
  topic text,
  class text not null,
  code text not null,
  detail text not null,
  body_sha256 bytea not null,
  payload jsonb,
  correlation_id uuid not null,
  received_at timestamp with time zone not null default now(),
  constraint dead_events_pkey PRIMARY KEY (tenant_id, dead_event_id),
  constraint dead_events_tenant_id_vendor_body_sha256_code_key UNIQUE (tenant_id, vendor, body_sha256, code),
  constraint dead_events_tenant_id_endpoint_id_fkey FOREIGN KEY (tenant_id, endpoint_id) REFERENCES public.webhook_endpoints(tenant_id, endpoint_id),
  constraint dead_events_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint dead_events_body_sha256_check CHECK ((octet_length(body_sha256) = 32)),
  constraint dead_events_class_check CHECK ((class = ANY (ARRAY['malformed'::text, 'schema'::text, 'poison'::text, 'unsupported'::text, 'conflict'::text]))),
  constraint dead_events_code_check CHECK ((code ~ '^[a-z0-9_]{1,64}$'::text)),
  constraint dead_events_detail_check CHECK ((length(detail) <= 500)),
  constraint dead_events_external_id_check CHECK (((length(external_id) >= 1) AND (length(external_id) <= 255))),
  constraint dead_events_topic_check CHECK (((length(topic) >= 1) AND (length(topic) <= 100))),
  constraint dead_events_vendor_check CHECK ((vendor = ANY (ARRAY['stripe'::text, 'shopify'::text])))
);
alter table public.dead_events owner to skeldir_owner;
alter table public.dead_events enable row level security;
alter table public.dead_events force row level security;
create policy open_to_runtime on public.dead_events as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.dead_events as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.dead_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.dead_events FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.dead_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.dead_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select (body_sha256, code, dead_event_id, tenant_id, vendor) on public.dead_events to app_ingest;
grant select on public.dead_events to app_ro, app_user, app_worker;

create table public.idempotency_keys (
  tenant_id uuid not null,
  key_hash bytea not null,
  operation_id text not null,
  request_hash bytea not null,
  claim_id uuid not null,
  claimed_until timestamp with time zone not null,
  effect_at timestamp with time zone,
  key_version integer,
  sealed bytea,
  expires_at timestamp with time zone not null,
  constraint idempotency_keys_pkey PRIMARY KEY (tenant_id, key_hash),
  constraint idempotency_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint idempotency_keys_tenant_id_key_version_fkey FOREIGN KEY (tenant_id, key_version) REFERENCES public.tenant_keys(tenant_id, key_version),
  constraint idempotency_keys_check CHECK (((key_version IS NULL) = (sealed IS NULL))),
  constraint idempotency_keys_key_hash_check CHECK ((octet_length(key_hash) = 32)),
  constraint idempotency_keys_operation_id_check CHECK ((operation_id ~ '^[a-z][A-Za-z0-9]{0,99}$'::text)),
  constraint idempotency_keys_request_hash_check CHECK ((octet_length(request_hash) = 32))
);
alter table public.idempotency_keys owner to skeldir_owner;
CREATE INDEX idempotency_keys_expires_idx ON public.idempotency_keys USING btree (tenant_id, expires_at);
alter table public.idempotency_keys enable row level security;
alter table public.idempotency_keys force row level security;
create policy open_to_runtime on public.idempotency_keys as permissive for all to app_ingest, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.idempotency_keys as restrictive for all to app_ingest, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select, update (claim_id, claimed_until, effect_at, expires_at, key_version, operation_id, request_hash, sealed) on public.idempotency_keys to app_user;
grant delete, select (expires_at, tenant_id) on public.idempotency_keys to app_worker;
grant select (claim_id, key_hash, tenant_id), update (effect_at) on public.idempotency_keys to app_ingest;

create table public.ledger_entries (
  tenant_id uuid not null,
  entry_key text not null,
  order_key text not null,
  kind text not null,
  amount_minor bigint not null,
  currency text not null,
  vendor text not null,
  event_id uuid not null,
  occurred_at timestamp with time zone not null,
  recorded_at timestamp with time zone not null default now(),
  constraint ledger_entries_pkey PRIMARY KEY (tenant_id, entry_key),
  constraint ledger_entries_tenant_id_event_id_fkey FOREIGN KEY (tenant_id, event_id) REFERENCES public.webhook_events(tenant_id, event_id),
  constraint ledger_entries_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint ledger_entries_check CHECK ((((kind = 'capture'::text) AND (amount_minor > 0)) OR ((kind = 'refund'::text) AND (amount_minor < 0)))),
  constraint ledger_entries_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint ledger_entries_entry_key_check CHECK (((length(entry_key) >= 1) AND (length(entry_key) <= 255))),
  constraint ledger_entries_kind_check CHECK ((kind = ANY (ARRAY['capture'::text, 'refund'::text]))),
  constraint ledger_entries_order_key_check CHECK ((order_key ~ '^(shopify|stripe):[A-Za-z0-9_-]{1,128}$'::text)),
  constraint ledger_entries_vendor_check CHECK ((vendor = ANY (ARRAY['stripe'::text, 'shopify'::text])))
);
alter table public.ledger_entries owner to skeldir_owner;
CREATE INDEX ledger_entries_order_idx ON public.ledger_entries USING btree (tenant_id, order_key);
CREATE INDEX ledger_entries_recorded_idx ON public.ledger_entries USING btree (tenant_id, recorded_at);
CREATE INDEX ledger_entries_time_idx ON public.ledger_entries USING btree (tenant_id, occurred_at);
alter table public.ledger_entries enable row level security;
alter table public.ledger_entries force row level security;
create policy open_to_runtime on public.ledger_entries as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.ledger_entries as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.ledger_entries FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.ledger_entries FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select (amount_minor, currency, entry_key, order_key, tenant_id) on public.ledger_entries to app_ingest;
grant select on public.ledger_entries to app_ro, app_user, app_worker;

create table public.member_invitations (
  tenant_id uuid not null,
  user_id uuid not null,
  email text not null,
  role text not null,
  token_hash bytea not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  constraint member_invitations_pkey PRIMARY KEY (tenant_id, user_id),
  constraint member_invitations_tenant_id_email_key UNIQUE (tenant_id, email),
  constraint member_invitations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint member_invitations_check CHECK ((expires_at > created_at)),
  constraint member_invitations_email_check CHECK (((email = lower(email)) AND ((length(email) >= 3) AND (length(email) <= 254)))),
  constraint member_invitations_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'manager'::text, 'admin'::text]))),
  constraint member_invitations_token_hash_check CHECK ((octet_length(token_hash) = 32))
);
alter table public.member_invitations owner to skeldir_owner;
CREATE INDEX member_invitations_token_idx ON public.member_invitations USING btree (token_hash);
alter table public.member_invitations enable row level security;
alter table public.member_invitations force row level security;
create policy lookup_by_control on public.member_invitations as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.member_invitations as permissive for all to app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.member_invitations as restrictive for all to app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select on public.member_invitations to app_rw, app_user;
grant select on public.member_invitations to skeldir_control;

create table public.memberships (
  tenant_id uuid not null,
  user_id uuid not null,
  role text not null,
  created_at timestamp with time zone not null default now(),
  invited_at timestamp with time zone,
  constraint memberships_pkey PRIMARY KEY (tenant_id, user_id),
  constraint memberships_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id),
  constraint memberships_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'manager'::text, 'admin'::text])))
);
alter table public.memberships owner to skeldir_owner;
CREATE INDEX memberships_user_idx ON public.memberships USING btree (user_id);
alter table public.memberships enable row level security;
alter table public.memberships force row level security;
create policy lookup_by_control on public.memberships as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.memberships as permissive for all to app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.memberships as restrictive for all to app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER revoke_tokens AFTER INSERT OR DELETE OR UPDATE OF role ON public.memberships FOR EACH ROW EXECUTE FUNCTION internal.revoke_by_membership();
grant delete, insert, select, update (role) on public.memberships to app_rw, app_user;
grant select on public.memberships to skeldir_control;

create table public.order_facts (
  tenant_id uuid not null,
  order_key text not null,
  event_id uuid not null,
  currency text not null,
  ordered_at timestamp with time zone not null,
  identity bytea,
  recorded_at timestamp with time zone not null default now(),
  constraint order_facts_pkey PRIMARY KEY (tenant_id, order_key, event_id),
  constraint order_facts_tenant_id_event_id_fkey FOREIGN KEY (tenant_id, event_id) REFERENCES public.webhook_events(tenant_id, event_id),
  constraint order_facts_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint order_facts_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint order_facts_identity_check CHECK ((octet_length(identity) = 32)),
  constraint order_facts_order_key_check CHECK ((order_key ~ '^(shopify|stripe):[A-Za-z0-9_-]{1,128}$'::text))
);
alter table public.order_facts owner to skeldir_owner;
CREATE INDEX order_facts_identity_idx ON public.order_facts USING btree (tenant_id, identity, ordered_at);
CREATE INDEX order_facts_recorded_idx ON public.order_facts USING btree (tenant_id, recorded_at);
CREATE INDEX order_facts_time_idx ON public.order_facts USING btree (tenant_id, ordered_at);
alter table public.order_facts enable row level security;
alter table public.order_facts force row level security;
create policy open_to_runtime on public.order_facts as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.order_facts as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.order_facts FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.order_facts FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.order_facts FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select (event_id, order_key, tenant_id) on public.order_facts to app_ingest;
grant select on public.order_facts to app_ro, app_user, app_worker;

create table public.published_runs (
  tenant_id uuid not null,
  model text not null,
  window_start timestamp with time zone not null,
  run_id uuid not null,
  published_at timestamp with time zone not null default now(),
  constraint published_runs_pkey PRIMARY KEY (tenant_id, model, window_start),
  constraint published_runs_tenant_id_run_id_fkey FOREIGN KEY (tenant_id, run_id) REFERENCES public.attribution_runs(tenant_id, run_id),
  constraint published_runs_model_check CHECK ((model = ANY (ARRAY['first_touch'::text, 'last_touch'::text, 'linear'::text])))
);
alter table public.published_runs owner to skeldir_owner;
alter table public.published_runs enable row level security;
alter table public.published_runs force row level security;
create policy open_to_runtime on public.published_runs as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.published_runs as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant insert, select, update on public.published_runs to app_worker;
grant select on public.published_runs to app_ro, app_user;

create table public.rate_limits (
  tenant_id uuid not null,
  policy text not null,
  per_minute integer,
  full_at timestamp with time zone not null default '-infinity'::timestamp with time zone,
  constraint rate_limits_pkey PRIMARY KEY (tenant_id, policy),
  constraint rate_limits_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint rate_limits_per_minute_check CHECK (((per_minute >= 1) AND (per_minute <= 10000000))),
  constraint rate_limits_policy_check CHECK ((policy ~ '^[a-z][a-z0-9_-]{0,31}$'::text))
) with (fillfactor=50);
alter table public.rate_limits owner to skeldir_owner;
alter table public.rate_limits enable row level security;
alter table public.rate_limits force row level security;
create policy open_to_runtime on public.rate_limits as permissive for all to app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.rate_limits as restrictive for all to app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant insert (per_minute, policy, tenant_id), select, update (per_minute) on public.rate_limits to app_rw;
grant insert (policy, tenant_id), select, update (full_at) on public.rate_limits to app_user;

create table public.refresh_tokens (
  tenant_id uuid not null,
  token_hash bytea not null,
  session_id uuid not null,
  issued_at timestamp with time zone not null,
  rotated_at timestamp with time zone,
  successor_hash bytea,
  key_version integer,
  constraint refresh_tokens_pkey PRIMARY KEY (tenant_id, token_hash),
  constraint refresh_tokens_tenant_id_session_id_fkey FOREIGN KEY (tenant_id, session_id) REFERENCES public.sessions(tenant_id, session_id) ON DELETE CASCADE,
  constraint refresh_tokens_check CHECK ((((rotated_at IS NULL) = (successor_hash IS NULL)) AND ((rotated_at IS NULL) = (key_version IS NULL)))),
  constraint refresh_tokens_successor_hash_check CHECK ((octet_length(successor_hash) = 32)),
  constraint refresh_tokens_token_hash_check CHECK ((octet_length(token_hash) = 32))
);
alter table public.refresh_tokens owner to skeldir_owner;
CREATE INDEX refresh_tokens_hash_idx ON public.refresh_tokens USING btree (token_hash);
CREATE INDEX refresh_tokens_session_idx ON public.refresh_tokens USING btree (tenant_id, session_id);
CREATE UNIQUE INDEX refresh_tokens_current_key ON public.refresh_tokens USING btree (tenant_id, session_id) WHERE (rotated_at IS NULL);
alter table public.refresh_tokens enable row level security;
alter table public.refresh_tokens force row level security;
create policy lookup_by_control on public.refresh_tokens as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.refresh_tokens as permissive for all to app_user
  using (true)
  with check (true);
create policy tenant_only on public.refresh_tokens as restrictive for all to app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select, update (key_version, rotated_at, successor_hash) on public.refresh_tokens to app_user;
grant select on public.refresh_tokens to skeldir_control;

create table public.revenue_definitions (
  tenant_id uuid not null,
  version integer not null,
  effective_at timestamp with time zone not null default now(),
  includes_tax boolean not null default true,
  includes_shipping boolean not null default true,
  includes_tips boolean not null default true,
  subtracts_discounts boolean not null default true,
  constraint revenue_definitions_pkey PRIMARY KEY (tenant_id, version),
  constraint revenue_definitions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint revenue_definitions_version_check CHECK ((version >= 1))
);
alter table public.revenue_definitions owner to skeldir_owner;
alter table public.revenue_definitions enable row level security;
alter table public.revenue_definitions force row level security;
create policy open_to_runtime on public.revenue_definitions as permissive for all to app_ro, app_rw, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.revenue_definitions as restrictive for all to app_ro, app_rw, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.revenue_definitions FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.revenue_definitions FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant insert, select on public.revenue_definitions to app_rw, app_user;
grant select on public.revenue_definitions to app_ro, app_worker;

create table public.schema_migrations (
  name text not null,
  checksum text not null,
  applied_at timestamp with time zone not null default now(),
  constraint schema_migrations_pkey PRIMARY KEY (name),
  constraint schema_migrations_checksum_check CHECK ((checksum ~ '^[0-9a-f]{64}$'::text))
);
alter table public.schema_migrations owner to skeldir_owner;
grant insert, select on public.schema_migrations to skeldir_migrator;
grant select on public.schema_migrations to app_ingest, app_retention, app_ro, app_rw, app_user, app_worker;
comment on table public.schema_migrations is 'Which files of migrations/ this database has. Written by the migrator only.';

create table public.sessions (
  tenant_id uuid not null,
  session_id uuid not null,
  user_id uuid not null,
  client text,
  created_at timestamp with time zone not null,
  last_used_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  constraint sessions_pkey PRIMARY KEY (tenant_id, session_id),
  constraint sessions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id),
  constraint sessions_client_check CHECK (((length(client) >= 1) AND (length(client) <= 100)))
);
alter table public.sessions owner to skeldir_owner;
CREATE INDEX sessions_account_idx ON public.sessions USING btree (user_id);
CREATE INDEX sessions_user_idx ON public.sessions USING btree (tenant_id, user_id, last_used_at DESC);
alter table public.sessions enable row level security;
alter table public.sessions force row level security;
create policy lookup_by_control on public.sessions as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.sessions as permissive for all to app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.sessions as restrictive for all to app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select, update (ended_at, last_used_at) on public.sessions to app_user;
grant select on public.sessions to skeldir_control;
grant select, update (ended_at) on public.sessions to app_rw;

create table public.tenant_alert_targets (
  tenant_id uuid not null,
  key_version integer not null,
  sealed bytea not null,
  updated_at timestamp with time zone not null default now(),
  constraint tenant_alert_targets_pkey PRIMARY KEY (tenant_id),
  constraint tenant_alert_targets_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint tenant_alert_targets_tenant_id_key_version_fkey FOREIGN KEY (tenant_id, key_version) REFERENCES public.tenant_keys(tenant_id, key_version)
);
alter table public.tenant_alert_targets owner to skeldir_owner;
alter table public.tenant_alert_targets enable row level security;
alter table public.tenant_alert_targets force row level security;
create policy open_to_runtime on public.tenant_alert_targets as permissive for all to app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.tenant_alert_targets as restrictive for all to app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select, update (key_version, sealed, updated_at) on public.tenant_alert_targets to app_user;
grant select on public.tenant_alert_targets to app_worker;

create table public.tenant_allowed_origins (
  tenant_id uuid not null,
  origin text not null,
  "position" integer not null,
  created_at timestamp with time zone not null default now(),
  constraint tenant_allowed_origins_pkey PRIMARY KEY (tenant_id, origin),
  constraint tenant_allowed_origins_tenant_id_position_key UNIQUE (tenant_id, "position"),
  constraint tenant_allowed_origins_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint tenant_allowed_origins_origin_check CHECK ((origin ~ '^(https://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|http://localhost)(:[0-9]{1,5})?$'::text)),
  constraint tenant_allowed_origins_position_check CHECK ((("position" >= 1) AND ("position" <= 50)))
);
alter table public.tenant_allowed_origins owner to skeldir_owner;
CREATE INDEX tenant_allowed_origins_origin_idx ON public.tenant_allowed_origins USING btree (origin);
alter table public.tenant_allowed_origins enable row level security;
alter table public.tenant_allowed_origins force row level security;
create policy lookup_by_control on public.tenant_allowed_origins as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.tenant_allowed_origins as permissive for all to app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.tenant_allowed_origins as restrictive for all to app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select on public.tenant_allowed_origins to app_rw, app_user;
grant select on public.tenant_allowed_origins to skeldir_control;

create table public.tenant_keys (
  tenant_id uuid not null,
  key_version integer not null,
  wrapping_kid text not null,
  wrapped_key bytea not null,
  created_at timestamp with time zone not null default now(),
  constraint tenant_keys_pkey PRIMARY KEY (tenant_id, key_version),
  constraint tenant_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint tenant_keys_key_version_check CHECK ((key_version >= 1))
);
alter table public.tenant_keys owner to skeldir_owner;
alter table public.tenant_keys enable row level security;
alter table public.tenant_keys force row level security;
create policy lookup_by_control on public.tenant_keys as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.tenant_keys as permissive for all to app_ingest, app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.tenant_keys as restrictive for all to app_ingest, app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant insert, select, update (wrapped_key, wrapping_kid) on public.tenant_keys to app_rw;
grant select on public.tenant_keys to app_ingest, app_user, skeldir_control;

create table public.tenant_slugs (
  slug text not null,
  tenant_id uuid not null,
  constraint tenant_slugs_pkey PRIMARY KEY (slug),
  constraint tenant_slugs_tenant_id_key UNIQUE (tenant_id)
);
alter table public.tenant_slugs owner to skeldir_owner;
alter table public.tenant_slugs enable row level security;
alter table public.tenant_slugs force row level security;
create policy lookup_by_control on public.tenant_slugs as permissive for select to skeldir_control
  using (true);
create policy provisioning on public.tenant_slugs as permissive for all to app_rw
  using (true)
  with check (true);
grant insert, select on public.tenant_slugs to app_rw;
grant select on public.tenant_slugs to skeldir_control;

create table public.tenants (
  tenant_id uuid not null default gen_random_uuid(),
  slug text not null,
  name text not null,
  reporting_currency text not null,
  time_zone text not null default 'UTC'::text,
  created_at timestamp with time zone not null default now(),
  settings_version integer not null default 1,
  updated_at timestamp with time zone,
  lookback_days integer not null default 30,
  retention_days integer not null default 730,
  matched_from numeric not null default 0.9,
  minor_from numeric not null default 0.75,
  severe_below numeric not null default 0.5,
  min_completeness numeric not null default 0.9,
  min_conversions integer not null default 30,
  constraint tenants_pkey PRIMARY KEY (tenant_id),
  constraint tenants_lookback_days_check CHECK (((lookback_days >= 1) AND (lookback_days <= 365))),
  constraint tenants_matched_from_check CHECK (((matched_from >= (0)::numeric) AND (matched_from <= (1)::numeric))),
  constraint tenants_min_completeness_check CHECK (((min_completeness >= (0)::numeric) AND (min_completeness <= (1)::numeric))),
  constraint tenants_min_conversions_check CHECK (((min_conversions >= 0) AND (min_conversions <= 1000000))),
  constraint tenants_minor_from_check CHECK (((minor_from >= (0)::numeric) AND (minor_from <= (1)::numeric))),
  constraint tenants_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
  constraint tenants_reporting_currency_check CHECK ((reporting_currency ~ '^[A-Z]{3}$'::text)),
  constraint tenants_retention_days_check CHECK (((retention_days >= 30) AND (retention_days <= 3650))),
  constraint tenants_settings_version_check CHECK ((settings_version >= 1)),
  constraint tenants_severe_below_check CHECK (((severe_below >= (0)::numeric) AND (severe_below <= (1)::numeric))),
  constraint tenants_slug_check CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text)),
  constraint tenants_thresholds_check CHECK (((severe_below < minor_from) AND (minor_from < matched_from))),
  constraint tenants_time_zone_check CHECK (((length(time_zone) >= 1) AND (length(time_zone) <= 64)))
);
alter table public.tenants owner to skeldir_owner;
alter table public.tenants enable row level security;
alter table public.tenants force row level security;
create policy lookup_by_control on public.tenants as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.tenants as permissive for all to app_ingest, app_ro, app_rw, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.tenants as restrictive for all to app_ingest, app_ro, app_rw, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER first_versions AFTER INSERT ON public.tenants FOR EACH ROW EXECUTE FUNCTION internal.insert_first_versions();
grant insert, select, update (lookback_days, matched_from, min_completeness, min_conversions, minor_from, reporting_currency, retention_days, settings_version, severe_below, time_zone, updated_at) on public.tenants to app_rw;
grant select on public.tenants to app_ingest, app_ro, app_worker, skeldir_control;
grant select, update (lookback_days, matched_from, min_completeness, min_conversions, minor_from, reporting_currency, retention_days, settings_version, severe_below, time_zone, updated_at) on public.tenants to app_user;

create table public.token_cutoffs (
  tenant_id uuid not null,
  user_id uuid not null,
  not_before timestamp with time zone not null,
  set_at timestamp with time zone not null,
  constraint token_cutoffs_pkey PRIMARY KEY (tenant_id, user_id),
  constraint token_cutoffs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint token_cutoffs_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(user_id)
);
alter table public.token_cutoffs owner to skeldir_owner;
alter table public.token_cutoffs enable row level security;
alter table public.token_cutoffs force row level security;
create policy open_to_runtime on public.token_cutoffs as permissive for all to app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.token_cutoffs as restrictive for all to app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant insert, select, update (not_before, set_at) on public.token_cutoffs to app_rw, app_user;

create table public.touchpoints (
  tenant_id uuid not null,
  origin text not null,
  external_id text not null,
  identity bytea not null,
  occurred_at timestamp with time zone not null,
  channel text not null,
  source text,
  medium text,
  campaign text,
  item_sha256 bytea not null,
  received_at timestamp with time zone not null default now(),
  constraint touchpoints_pkey PRIMARY KEY (tenant_id, origin, external_id),
  constraint touchpoints_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint touchpoints_campaign_check CHECK (((length(campaign) >= 1) AND (length(campaign) <= 255))),
  constraint touchpoints_channel_check CHECK ((channel ~ '^[a-z_]{1,40}$'::text)),
  constraint touchpoints_external_id_check CHECK ((external_id ~ '^[A-Za-z0-9._:-]{1,128}$'::text)),
  constraint touchpoints_identity_check CHECK ((octet_length(identity) = 32)),
  constraint touchpoints_item_sha256_check CHECK ((octet_length(item_sha256) = 32)),
  constraint touchpoints_medium_check CHECK (((length(medium) >= 1) AND (length(medium) <= 255))),
  constraint touchpoints_origin_check CHECK ((origin = 'server'::text)),
  constraint touchpoints_source_check CHECK (((length(source) >= 1) AND (length(source) <= 255)))
);
alter table public.touchpoints owner to skeldir_owner;
CREATE INDEX touchpoints_journey_idx ON public.touchpoints USING btree (tenant_id, identity, occurred_at, external_id) INCLUDE (channel);
alter table public.touchpoints enable row level security;
alter table public.touchpoints force row level security;
create policy open_to_runtime on public.touchpoints as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.touchpoints as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.touchpoints FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.touchpoints FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.touchpoints FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.touchpoints FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select (external_id, item_sha256, origin, tenant_id) on public.touchpoints to app_ingest;
grant select on public.touchpoints to app_ro, app_user, app_worker;

create table public.users (
  user_id uuid not null default gen_random_uuid(),
  email text not null,
  password_hash text not null,
  status text not null default 'active'::text,
  created_at timestamp with time zone not null default now(),
  constraint users_pkey PRIMARY KEY (user_id),
  constraint users_email_key UNIQUE (email),
  constraint users_email_check CHECK (((email = lower(email)) AND ((length(email) >= 3) AND (length(email) <= 254)))),
  constraint users_status_check CHECK ((status = ANY (ARRAY['active'::text, 'disabled'::text])))
);
alter table public.users owner to skeldir_owner;
alter table public.users enable row level security;
alter table public.users force row level security;
create policy join_by_invitation on public.users as permissive for insert to app_user
  with check ((EXISTS ( SELECT
   FROM public.member_invitations i
  WHERE ((i.user_id = users.user_id) AND (i.email = users.email)))));
create policy lookup_by_control on public.users as permissive for select to skeldir_control
  using (true);
create policy password_by_control on public.users as permissive for update to skeldir_control
  using (true)
  with check (true);
create policy provisioning on public.users as permissive for all to app_rw
  using (true)
  with check (true);
CREATE TRIGGER end_sessions AFTER UPDATE OF password_hash ON public.users FOR EACH ROW WHEN ((CURRENT_USER <> 'skeldir_control'::name)) EXECUTE FUNCTION internal.end_sessions_with_password();
CREATE TRIGGER revoke_tokens AFTER DELETE OR UPDATE OF status ON public.users FOR EACH ROW EXECUTE FUNCTION internal.revoke_by_account();
grant insert (email, password_hash, user_id) on public.users to app_user;
grant insert, select, update (password_hash, status) on public.users to app_rw;
grant select, update (password_hash) on public.users to skeldir_control;

create table public.webhook_endpoints (
  tenant_id uuid not null,
  endpoint_id uuid not null default gen_random_uuid(),
  vendor text not null,
  name text not null,
  mode text not null default 'live'::text,
  shop_domain text,
  endpoint_key text not null,
  created_at timestamp with time zone not null default now(),
  constraint webhook_endpoints_pkey PRIMARY KEY (tenant_id, endpoint_id),
  constraint webhook_endpoints_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint webhook_endpoints_endpoint_key_check CHECK ((endpoint_key ~ '^[A-Za-z0-9_-]{43}$'::text)),
  constraint webhook_endpoints_mode_check CHECK ((mode = ANY (ARRAY['live'::text, 'test'::text]))),
  constraint webhook_endpoints_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
  constraint webhook_endpoints_shop_domain_check CHECK ((length(shop_domain) <= 255)),
  constraint webhook_endpoints_vendor_check CHECK ((vendor = ANY (ARRAY['stripe'::text, 'shopify'::text])))
);
alter table public.webhook_endpoints owner to skeldir_owner;
CREATE INDEX webhook_endpoints_key_idx ON public.webhook_endpoints USING btree (endpoint_key);
alter table public.webhook_endpoints enable row level security;
alter table public.webhook_endpoints force row level security;
create policy lookup_by_control on public.webhook_endpoints as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.webhook_endpoints as permissive for all to app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.webhook_endpoints as restrictive for all to app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant insert, select on public.webhook_endpoints to app_rw, app_user;
grant select on public.webhook_endpoints to skeldir_control;

create table public.webhook_events (
  tenant_id uuid not null,
  event_id uuid not null default gen_random_uuid(),
  vendor text not null,
  external_id text not null,
  endpoint_id uuid not null,
  topic text not null,
  body_sha256 bytea not null,
  payload jsonb not null,
  is_test boolean not null,
  is_handled boolean not null,
  correlation_id uuid not null,
  received_at timestamp with time zone not null default now(),
  constraint webhook_events_pkey PRIMARY KEY (tenant_id, event_id),
  constraint webhook_events_tenant_id_vendor_external_id_key UNIQUE (tenant_id, vendor, external_id),
  constraint webhook_events_tenant_id_endpoint_id_fkey FOREIGN KEY (tenant_id, endpoint_id) REFERENCES public.webhook_endpoints(tenant_id, endpoint_id),
  constraint webhook_events_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint webhook_events_body_sha256_check CHECK ((octet_length(body_sha256) = 32)),
  constraint webhook_events_external_id_check CHECK (((length(external_id) >= 1) AND (length(external_id) <= 255))),
  constraint webhook_events_topic_check CHECK (((length(topic) >= 1) AND (length(topic) <= 100))),
  constraint webhook_events_vendor_check CHECK ((vendor = ANY (ARRAY['stripe'::text, 'shopify'::text])))
);
alter table public.webhook_events owner to skeldir_owner;
alter table public.webhook_events enable row level security;
alter table public.webhook_events force row level security;
create policy open_to_runtime on public.webhook_events as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.webhook_events as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.webhook_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.webhook_events FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.webhook_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.webhook_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select (body_sha256, event_id, external_id, tenant_id, vendor) on public.webhook_events to app_ingest;
grant select on public.webhook_events to app_ro, app_user, app_worker;

create table public.webhook_secrets (
  tenant_id uuid not null,
  endpoint_id uuid not null,
  secret_id uuid not null default gen_random_uuid(),
  key_version integer not null,
  sealed bytea not null,
  created_at timestamp with time zone not null default now(),
  not_after timestamp with time zone,
  constraint webhook_secrets_pkey PRIMARY KEY (tenant_id, endpoint_id, secret_id),
  constraint webhook_secrets_tenant_id_endpoint_id_fkey FOREIGN KEY (tenant_id, endpoint_id) REFERENCES public.webhook_endpoints(tenant_id, endpoint_id),
  constraint webhook_secrets_tenant_id_key_version_fkey FOREIGN KEY (tenant_id, key_version) REFERENCES public.tenant_keys(tenant_id, key_version)
);
alter table public.webhook_secrets owner to skeldir_owner;
alter table public.webhook_secrets enable row level security;
alter table public.webhook_secrets force row level security;
create policy lookup_by_control on public.webhook_secrets as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.webhook_secrets as permissive for all to app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.webhook_secrets as restrictive for all to app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant insert, select (created_at, endpoint_id, key_version, not_after, sealed, secret_id, tenant_id), update (key_version, sealed) on public.webhook_secrets to app_rw;
grant insert, select (created_at, endpoint_id, key_version, not_after, secret_id, tenant_id), update (key_version, sealed) on public.webhook_secrets to app_user;
grant select on public.webhook_secrets to skeldir_control;

create table public.worker_probes (
  probe_id uuid not null default gen_random_uuid(),
  requested_at timestamp with time zone not null default now(),
  answered_at timestamp with time zone,
  worker_id text,
  constraint worker_probes_pkey PRIMARY KEY (probe_id),
  constraint worker_probes_worker_id_check CHECK ((length(worker_id) <= 100))
);
alter table public.worker_probes owner to skeldir_owner;
alter table public.worker_probes enable row level security;
alter table public.worker_probes force row level security;
create policy answer on public.worker_probes as permissive for all to app_worker
  using (true)
  with check (true);
create policy ask on public.worker_probes as permissive for all to app_user
  using (true)
  with check (true);
grant delete, select, update (answered_at, worker_id) on public.worker_probes to app_worker;
grant insert (probe_id), select on public.worker_probes to app_user;

CREATE OR REPLACE FUNCTION internal.admit_account(who bytea, at timestamp with time zone, allowed integer, max_seconds integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  until timestamptz;
  is_counted boolean;
begin
  delete from internal.login_attempts as d
  where d.subject in (
    select o.subject from internal.login_attempts as o
    where o.failed_at < at - interval '1 day' order by o.failed_at limit 20 for update skip locked
  );
  insert into internal.login_attempts as a (subject, failures, started_at, failed_at) values (who, 1, at, at)
  on conflict (subject) do update
  set (failures, started_at, failed_at, blocked_until) = (
    select n.failures, n.started_at, at,
           case when n.failures >= allowed
                then at + make_interval(secs => least(max_seconds, power(2, least(n.failures - allowed, 20))))
           end
    from (
      select case when a.failed_at + interval '1 hour' <= at then 1 else a.failures + 1 end as failures,
             case when a.failed_at + interval '1 hour' <= at then at else a.started_at end as started_at
    ) as n
  )
  where a.blocked_until is null or a.blocked_until <= at
  returning a.blocked_until into until;
  is_counted := found;
  if not is_counted then
    select a.blocked_until into until from internal.login_attempts as a where a.subject = who;
  end if;
  return case when is_counted and until is null then 0
              else least(max_seconds, greatest(1, ceil(extract(epoch from until - at))))
                   * case when is_counted then -1 else 1 end
         end;
end
$function$;
alter function internal.admit_account(bytea,timestamp with time zone,integer,integer) owner to skeldir_control;
grant execute on function internal.admit_account(bytea,timestamp with time zone,integer,integer) to app_user;

CREATE OR REPLACE FUNCTION internal.admit_address(who bytea, at timestamp with time zone, allowed integer, window_seconds integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  until timestamptz;
begin
  insert into internal.login_attempts as a (subject, failures, started_at, failed_at) values (who, 1, at, at)
  on conflict (subject) do update
  set failures = case when a.started_at + make_interval(secs => window_seconds) <= at then 1 else a.failures + 1 end,
      started_at = case when a.started_at + make_interval(secs => window_seconds) <= at then at else a.started_at end,
      failed_at = at
  where a.failures < allowed or a.started_at + make_interval(secs => window_seconds) <= at;
  if found then
    return 0;
  end if;
  select a.started_at + make_interval(secs => window_seconds) into until
  from internal.login_attempts as a where a.subject = who;
  return least(window_seconds, greatest(1, ceil(extract(epoch from until - at))));
end
$function$;
alter function internal.admit_address(bytea,timestamp with time zone,integer,integer) owner to skeldir_control;
grant execute on function internal.admit_address(bytea,timestamp with time zone,integer,integer) to app_user;

CREATE OR REPLACE FUNCTION internal.admit_by_address(who bytea, per_minute integer, burst integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
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
$function$;
alter function internal.admit_by_address(bytea,integer,integer) owner to skeldir_control;
grant execute on function internal.admit_by_address(bytea,integer,integer) to app_user;

CREATE OR REPLACE PROCEDURE internal.allow_lookup(IN target regclass)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $procedure$
begin
  execute format('create policy lookup_by_control on %s for select to skeldir_control using (true)', target);
  execute format('grant select on %s to skeldir_control', target);
end
$procedure$;
alter procedure internal.allow_lookup(regclass) owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.announce_revocation()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform pg_notify('skeldir_revocations', '');
  return null;
end
$function$;
alter function internal.announce_revocation() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.change_password(of_user uuid, old_hash text, new_hash text, changed_at timestamp with time zone, used_since timestamp with time zone, except_session uuid)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  tenant uuid := nullif(current_setting('app.current_tenant_id', true), '')::uuid;
  cutoff timestamptz;
  ended integer;
begin
  update public.users as u set password_hash = new_hash
  where u.user_id = of_user
    and u.password_hash = old_hash
    and u.status = 'active'
    and exists (select from public.memberships as m where m.tenant_id = tenant and m.user_id = of_user);
  if not found then
    return null;
  end if;
  -- Whatever was opened until the row was ours was opened by the old password, also by a clock that is ahead.
  select greatest(changed_at, max(s.created_at)),
         count(*) filter (where s.ended_at is null
                            and s.expires_at > changed_at
                            and s.last_used_at > used_since
                            and (c.not_before is null or s.created_at > c.not_before or s.session_id = c.kept_session))
  into cutoff, ended
  from public.sessions as s
  left join internal.account_cutoffs as c on c.user_id = s.user_id
  where s.user_id = of_user
    and s.session_id <> except_session;
  insert into internal.account_cutoffs as c (user_id, not_before, kept_session)
  values (of_user, cutoff, except_session)
  on conflict (user_id) do update set not_before = greatest(c.not_before, cutoff), kept_session = except_session
  returning c.not_before into cutoff;
  insert into internal.token_revocations (subject, not_before, kept)
  values (
    sha256(convert_to('account/' || of_user, 'UTF8')),
    cutoff,
    sha256(convert_to(concat_ws('/', 'session', tenant, except_session), 'UTF8'))
  );
  return ended;
end
$function$;
alter function internal.change_password(uuid,text,text,timestamp with time zone,timestamp with time zone,uuid) owner to skeldir_control;
grant execute on function internal.change_password(uuid,text,text,timestamp with time zone,timestamp with time zone,uuid) to app_user;

CREATE OR REPLACE PROCEDURE internal.close_to_worker_context(IN target regclass)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $procedure$
begin
  execute format('create trigger not_in_worker_context before insert on %s for each row execute function internal.refuse_worker_context()', target);
end
$procedure$;
alter procedure internal.close_to_worker_context(regclass) owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.confirm_password(wanted_user uuid, proven_hash text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform from public.users as u
  where u.user_id = wanted_user
    and u.password_hash = proven_hash
    and u.status = 'active'
    and exists (
      select from public.memberships as m
      where m.user_id = wanted_user
        and m.tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid
    )
  for share of u;
  return found;
end
$function$;
alter function internal.confirm_password(uuid,text) owner to skeldir_control;
grant execute on function internal.confirm_password(uuid,text) to app_user;

CREATE OR REPLACE FUNCTION internal.end_account_sessions(of_user uuid)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  cutoff timestamptz;
begin
  if pg_trigger_depth() = 0 then
    raise exception 'sessions of an account end with its password or standing' using errcode = '42501';
  end if;
  -- The clock of the API may be ahead.
  select greatest(clock_timestamp(), max(s.created_at)) into cutoff from public.sessions as s where s.user_id = of_user;
  insert into internal.account_cutoffs as c (user_id, not_before) values (of_user, cutoff)
  on conflict (user_id) do update set not_before = greatest(c.not_before, cutoff), kept_session = null
  returning c.not_before into cutoff;
  insert into internal.token_revocations (subject, not_before)
  values (sha256(convert_to('account/' || of_user, 'UTF8')), cutoff);
end
$function$;
alter function internal.end_account_sessions(uuid) owner to skeldir_control;
grant execute on function internal.end_account_sessions(uuid) to app_rw;

CREATE OR REPLACE FUNCTION internal.end_sessions_with_password()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform internal.end_account_sessions(new.user_id);
  return null;
end
$function$;
alter function internal.end_sessions_with_password() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.enqueue_job(queue_name text, job_data jsonb, delay_seconds integer DEFAULT 0)
 RETURNS uuid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  tenant text := nullif(current_setting('app.current_tenant_id', true), '');
  job_id uuid;
begin
  if (job_data ->> 'tenantId') is distinct from tenant then
    raise exception 'a job for tenant % cannot be added in the transaction of tenant %', job_data ->> 'tenantId', tenant
      using errcode = '42501';
  end if;
  insert into pgboss.job (name, data, start_after, keep_until, retry_limit, retry_delay, retry_backoff, retry_delay_max,
                          expire_seconds, deletion_seconds, policy, dead_letter, heartbeat_seconds, group_id)
  select q.name, job_data, now() + make_interval(secs => delay_seconds),
         now() + make_interval(secs => delay_seconds + q.retention_seconds), q.retry_limit, q.retry_delay,
         q.retry_backoff, q.retry_delay_max, q.expire_seconds, q.deletion_seconds, q.policy, q.dead_letter,
         q.heartbeat_seconds, tenant
  from pgboss.queue as q
  where q.name = queue_name
  on conflict do nothing
  returning id into job_id;
  if job_id is null and not exists (select from pgboss.queue as q where q.name = queue_name) then
    raise exception 'there is no queue named %', queue_name using errcode = '22023';
  end if;
  return job_id;   -- null: the queue's policy allows one waiting job, and there is one
end
$function$;
alter function internal.enqueue_job(text,jsonb,integer) owner to skeldir_control;
grant execute on function internal.enqueue_job(text,jsonb,integer) to app_ingest, app_user, app_worker;

CREATE OR REPLACE FUNCTION internal.enter_effect(for_tenant uuid, of_key bytea, of_claim uuid)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if pg_current_xact_id_if_assigned() is null then
    return true;
  end if;
  update public.idempotency_keys as k set effect_at = clock_timestamp()
  where k.tenant_id = for_tenant and k.key_hash = of_key and k.claim_id = of_claim;
  return found;
end
$function$;
alter function internal.enter_effect(uuid,bytea,uuid) owner to skeldir_owner;
grant execute on function internal.enter_effect(uuid,bytea,uuid) to app_ingest, app_user;

CREATE OR REPLACE FUNCTION internal.find_api_key(wanted_hash bytea)
 RETURNS TABLE(tenant_id uuid, key_id uuid, scopes text[], expires_at timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select k.tenant_id, k.key_id, k.scopes, k.expires_at
  from public.api_keys as k
  where k.secret_hash = wanted_hash
    and k.revoked_at is null
    and (k.expires_at is null or k.expires_at > now())
$function$;
alter function internal.find_api_key(bytea) owner to skeldir_control;
grant execute on function internal.find_api_key(bytea) to app_user;

CREATE OR REPLACE FUNCTION internal.find_invitation(wanted_hash bytea, at_time timestamp with time zone)
 RETURNS TABLE(tenant_id uuid, slug text, tenant_name text, invited_user_id uuid, email text, role text, invited_at timestamp with time zone, user_id uuid, password_hash text, status text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select t.tenant_id, t.slug, t.name, i.user_id, i.email, i.role, i.created_at, u.user_id, u.password_hash, u.status
  from public.member_invitations as i
  join public.tenants as t on t.tenant_id = i.tenant_id
  left join public.users as u on u.email = i.email
  where i.token_hash = wanted_hash
    and i.expires_at > at_time
$function$;
alter function internal.find_invitation(bytea,timestamp with time zone) owner to skeldir_control;
grant execute on function internal.find_invitation(bytea,timestamp with time zone) to app_user;

CREATE OR REPLACE FUNCTION internal.find_login(wanted_email text)
 RETURNS TABLE(user_id uuid, password_hash text, status text, tenant_id uuid, slug text, tenant_name text, role text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select u.user_id, u.password_hash, u.status, t.tenant_id, t.slug, t.name, m.role
  from public.users as u
  left join public.memberships as m on m.user_id = u.user_id
  left join public.tenants as t on t.tenant_id = m.tenant_id
  where u.email = lower(wanted_email)
  order by t.slug
$function$;
alter function internal.find_login(text) owner to skeldir_control;
grant execute on function internal.find_login(text) to app_user;

CREATE OR REPLACE FUNCTION internal.find_member(wanted_user uuid)
 RETURNS TABLE(user_id uuid, email text, status text, role text, slug text, tenant_name text, account_not_before timestamp with time zone, kept_session uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select m.user_id, u.email, u.status, m.role, t.slug, t.name, c.not_before, c.kept_session
  from public.memberships as m
  join public.users as u on u.user_id = m.user_id
  join public.tenants as t on t.tenant_id = m.tenant_id
  left join internal.account_cutoffs as c on c.user_id = m.user_id
  where m.user_id = wanted_user
    and m.tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid
$function$;
alter function internal.find_member(uuid) owner to skeldir_control;
grant execute on function internal.find_member(uuid) to app_rw, app_user;

CREATE OR REPLACE FUNCTION internal.find_password(wanted_user uuid)
 RETURNS TABLE(password_hash text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select u.password_hash
  from public.memberships as m
  join public.users as u on u.user_id = m.user_id
  where m.user_id = wanted_user
    and u.status = 'active'
    and m.tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid
$function$;
alter function internal.find_password(uuid) owner to skeldir_control;
grant execute on function internal.find_password(uuid) to app_user;

CREATE OR REPLACE FUNCTION internal.find_personal_data(document jsonb)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  with recursive nodes(key, value) as (
    select null::text, document
    union all
    select child.key, child.value
    from nodes
    cross join lateral (
      select e.key, e.value from jsonb_each(case when jsonb_typeof(nodes.value) = 'object' then nodes.value end) as e
      union all
      select null, a.value from jsonb_array_elements(case when jsonb_typeof(nodes.value) = 'array' then nodes.value end) as a
    ) as child
  ),
  findings as (
    select lower(regexp_replace(key, '[^A-Za-z0-9]', '', 'g') collate "C") as folded,
           concat_ws(' ', key, case when jsonb_typeof(value) = 'string' then value #>> '{}' end)
             ~* '[^\s@<>"](@|%40)[^\s@<>"]{1,255}\.[^\s@<>".]{2,}' as looks_like_email
    from nodes
  )
  select case when looks_like_email then 'a text that looks like an e-mail address' else 'member ' || folded end
  from findings
  where looks_like_email
     or folded = any (array[
          'firstname', 'lastname', 'fullname', 'givenname', 'surname', 'customername', 'cardholdername',
          'creditcardname', 'dateofbirth', 'dob', 'birthdate', 'ssn', 'socialsecuritynumber', 'taxid', 'passport',
          'email', 'emailaddress', 'contactemail', 'customeremail', 'payeremail', 'receiptemail', 'instructionsemail',
          'phone', 'phonenumber', 'customerphone', 'contactphone', 'address', 'address1', 'address2', 'streetaddress',
          'line1', 'line2', 'postalcode', 'zip', 'zipcode', 'latitude', 'longitude',
          'billingaddress', 'shippingaddress', 'customeraddress', 'defaultaddress', 'billingdetails',
          'customerdetails', 'customershipping', 'clientdetails', 'paymentdetails', 'paymentmethoddetails',
          'noteattributes', 'vendorpayload',
          'ip', 'ipaddress', 'browserip', 'customeripaddress', 'useragent', 'customeruseragent', 'sessionhash',
          'devicefingerprint',
          'cardnumber', 'creditcardnumber', 'last4', 'expmonth', 'expyear', 'fingerprint', 'iban',
          'orderstatusurl', 'receipturl', 'carttoken', 'checkouttoken', 'abandonedcheckouturl', 'clientsecret'])
  limit 1
$function$;
alter function internal.find_personal_data(jsonb) owner to skeldir_owner;
grant execute on function internal.find_personal_data(jsonb) to app_ingest, app_retention, app_rw, app_user, app_worker;

CREATE OR REPLACE FUNCTION internal.find_refresh_token(wanted_hash bytea)
 RETURNS TABLE(tenant_id uuid, session_id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select t.tenant_id, t.session_id from public.refresh_tokens as t where t.token_hash = wanted_hash
$function$;
alter function internal.find_refresh_token(bytea) owner to skeldir_control;
grant execute on function internal.find_refresh_token(bytea) to app_user;

CREATE OR REPLACE FUNCTION internal.find_user_id(wanted_email text)
 RETURNS uuid
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select u.user_id from public.users as u where u.email = lower(wanted_email)
$function$;
alter function internal.find_user_id(text) owner to skeldir_control;
grant execute on function internal.find_user_id(text) to app_rw, app_user;

CREATE OR REPLACE FUNCTION internal.find_webhook_endpoint(wanted_vendor text, wanted_key text)
 RETURNS TABLE(tenant_id uuid, endpoint_id uuid, mode text, shop_domain text, key_version integer, wrapping_kid text, wrapped_key bytea, sealed_secrets bytea[])
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select e.tenant_id, e.endpoint_id, e.mode, e.shop_domain, k.key_version, k.wrapping_kid, k.wrapped_key,
         array_agg(s.sealed order by s.created_at desc, s.secret_id)
  from public.webhook_endpoints as e
  join public.webhook_secrets as s
    on s.tenant_id = e.tenant_id and s.endpoint_id = e.endpoint_id and (s.not_after is null or s.not_after > now())
  join public.tenant_keys as k on k.tenant_id = s.tenant_id and k.key_version = s.key_version
  where e.endpoint_key = wanted_key and e.vendor = wanted_vendor
  group by e.tenant_id, e.endpoint_id, e.mode, e.shop_domain, k.key_version, k.wrapping_kid, k.wrapped_key
$function$;
alter function internal.find_webhook_endpoint(text,text) owner to skeldir_control;
grant execute on function internal.find_webhook_endpoint(text,text) to app_user;

CREATE OR REPLACE FUNCTION internal.find_webhook_endpoint_keys(wanted_vendor text, wanted_key text)
 RETURNS TABLE(tenant_id uuid, endpoint_id uuid, mode text, shop_domain text, secret_ids uuid[], secret_versions integer[], sealed_secrets bytea[], key_versions integer[], wrapping_kids text[], wrapped_keys bytea[])
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select e.tenant_id, e.endpoint_id, e.mode, e.shop_domain,
         s.secret_ids, s.secret_versions, s.sealed_secrets, k.key_versions, k.wrapping_kids, k.wrapped_keys
  from public.webhook_endpoints as e
  cross join lateral (
    select array_agg(live.secret_id   order by live.created_at desc, live.secret_id) as secret_ids,
           array_agg(live.key_version order by live.created_at desc, live.secret_id) as secret_versions,
           array_agg(live.sealed      order by live.created_at desc, live.secret_id) as sealed_secrets
    from public.webhook_secrets as live
    where live.tenant_id = e.tenant_id
      and live.endpoint_id = e.endpoint_id
      and (live.not_after is null or live.not_after > now())
  ) as s
  cross join lateral (
    select array_agg(t.key_version  order by t.key_version) as key_versions,
           array_agg(t.wrapping_kid order by t.key_version) as wrapping_kids,
           array_agg(t.wrapped_key  order by t.key_version) as wrapped_keys
    from public.tenant_keys as t
    where t.tenant_id = e.tenant_id
  ) as k
  where e.endpoint_key = wanted_key
    and e.vendor = wanted_vendor
    and s.secret_ids is not null
$function$;
alter function internal.find_webhook_endpoint_keys(text,text) owner to skeldir_control;
grant execute on function internal.find_webhook_endpoint_keys(text,text) to app_user;

CREATE OR REPLACE FUNCTION internal.forgive_attempt(address bytea, account bytea)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
  delete from internal.login_attempts as a where a.subject = address and a.failures = 1;
  update internal.login_attempts as a set failures = a.failures - 1 where a.subject = address and a.failures > 1;
  delete from internal.login_attempts as a where a.subject = account;
$function$;
alter function internal.forgive_attempt(bytea,bytea) owner to skeldir_control;
grant execute on function internal.forgive_attempt(bytea,bytea) to app_user;

CREATE OR REPLACE FUNCTION internal.has_other_admin(of_tenant uuid, but_user uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select exists (
    select from public.memberships as b
    join public.users as u on u.user_id = b.user_id
    where of_tenant = nullif(current_setting('app.current_tenant_id', true), '')::uuid
      and b.tenant_id = of_tenant
      and b.role = 'admin'
      and b.user_id <> but_user
      and u.status = 'active'
  )
$function$;
alter function internal.has_other_admin(uuid,uuid) owner to skeldir_control;
grant execute on function internal.has_other_admin(uuid,uuid) to app_rw, app_user;

CREATE OR REPLACE FUNCTION internal.ingest_webhook_event(for_tenant uuid, from_vendor text, delivery_id text, at_endpoint uuid, about_topic text, body_hash bytea, event_payload jsonb, test boolean, handled boolean, correlation uuid)
 RETURNS TABLE(result text, receipt_id uuid)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  new_id uuid;
  known record;
begin
  insert into public.webhook_events (tenant_id, vendor, external_id, endpoint_id, topic, body_sha256, payload, is_test,
                                     is_handled, correlation_id)
  values (for_tenant, from_vendor, delivery_id, at_endpoint, about_topic, body_hash, event_payload, test, handled, correlation)
  on conflict (tenant_id, vendor, external_id) do nothing
  returning event_id into new_id;

  if new_id is not null then
    if handled and not test then
      perform internal.enqueue_job('webhook', jsonb_build_object('job', 'webhooks.normalize_event', 'tenantId', for_tenant,
                                   'correlationId', correlation, 'eventId', new_id));
    end if;
    return query select case when handled and not test then 'accepted' else 'ignored' end, new_id;
    return;
  end if;

  select e.event_id, e.body_sha256 into strict known
  from public.webhook_events as e
  where e.tenant_id = for_tenant and e.vendor = from_vendor and e.external_id = delivery_id;
  if known.body_sha256 = body_hash then
    return query select 'duplicate', known.event_id;
  else
    return query select 'dead', internal.record_dead_event(for_tenant, from_vendor, delivery_id, at_endpoint, about_topic,
      'conflict', 'same_id_other_body', 'This id was delivered before with another body.', body_hash, event_payload, correlation);
  end if;
end
$function$;
alter function internal.ingest_webhook_event(uuid,text,text,uuid,text,bytea,jsonb,boolean,boolean,uuid) owner to skeldir_owner;
grant execute on function internal.ingest_webhook_event(uuid,text,text,uuid,text,bytea,jsonb,boolean,boolean,uuid) to app_ingest;

CREATE OR REPLACE FUNCTION internal.insert_first_versions()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.revenue_definitions (tenant_id, version) values (new.tenant_id, 1);
  insert into public.channel_rule_versions (tenant_id, version) values (new.tenant_id, 1);
  return null;
end
$function$;
alter function internal.insert_first_versions() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.is_allowed_origin(wanted_origin text)
 RETURNS boolean
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select exists (select from public.tenant_allowed_origins as o where o.origin = wanted_origin)
$function$;
alter function internal.is_allowed_origin(text) owner to skeldir_control;
grant execute on function internal.is_allowed_origin(text) to app_user;

CREATE OR REPLACE PROCEDURE internal.isolate_by_tenant(IN target regclass, IN runtime_roles name[])
 LANGUAGE plpgsql
 SET search_path TO ''
AS $procedure$
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
$procedure$;
alter procedure internal.isolate_by_tenant(regclass,name[]) owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.lease_permits(for_tenant uuid, of_policy text, wanted integer, usual_per_minute integer)
 RETURNS TABLE(granted integer, quota integer, full_in_us bigint)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;
alter function internal.lease_permits(uuid,text,integer,integer) owner to skeldir_owner;
grant execute on function internal.lease_permits(uuid,text,integer,integer) to app_user;

CREATE OR REPLACE FUNCTION internal.list_members(of_tenant uuid, at_time timestamp with time zone, after_email text, max_rows integer)
 RETURNS TABLE(user_id uuid, email text, role text, status text, invited_at timestamp with time zone, joined_at timestamp with time zone, invite_expires_at timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
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
$function$;
alter function internal.list_members(uuid,timestamp with time zone,text,integer) owner to skeldir_control;
grant execute on function internal.list_members(uuid,timestamp with time zone,text,integer) to app_rw, app_user;

CREATE OR REPLACE FUNCTION internal.list_memberships_of(wanted_email text)
 RETURNS TABLE(user_id uuid, status text, tenant_id uuid, slug text, role text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select u.user_id, u.status, t.tenant_id, t.slug, b.role
  from public.users as u
  left join public.memberships as b on b.user_id = u.user_id
  left join public.tenants as t on t.tenant_id = b.tenant_id
  where u.email = lower(wanted_email)
  order by t.slug
$function$;
alter function internal.list_memberships_of(text) owner to skeldir_control;
grant execute on function internal.list_memberships_of(text) to app_rw;

CREATE OR REPLACE PROCEDURE internal.make_append_only(IN target regclass)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $procedure$
begin
  execute format('create trigger append_only before update or delete on %s for each row execute function internal.refuse_change()', target);
  execute format('create trigger append_only_truncate before truncate on %s for each statement execute function internal.refuse_change()', target);
end
$procedure$;
alter procedure internal.make_append_only(regclass) owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.publish_revocation(for_tenant uuid, kind text, thing uuid, new_standing text, cutoff timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  -- A null would make the subject of anybody, since concat_ws skips it: only the trigger on users ends accounts.
  if thing is null or (pg_trigger_depth() = 0 and (for_tenant is null or kind not in ('session', 'member', 'key'))) then
    raise exception 'a revocation names a tenant and what is revoked' using errcode = '22023';
  end if;
  if pg_trigger_depth() = 0
     and for_tenant is distinct from nullif(current_setting('app.current_tenant_id', true), '')::uuid then
    raise exception 'tokens of tenant % cannot be revoked in the transaction of another', for_tenant
      using errcode = '42501';
  end if;
  -- Access tokens live for 15 minutes: nobody needs an older row. A few at a time keep the table small.
  delete from internal.token_revocations as r
  where r.revocation_id in (
    select o.revocation_id from internal.token_revocations as o
    where o.recorded_at < clock_timestamp() - interval '1 hour' order by o.recorded_at limit 20 for update skip locked
  );
  insert into internal.token_revocations (subject, standing, not_before)
  values (sha256(convert_to(concat_ws('/', kind, for_tenant, thing), 'UTF8')), new_standing, cutoff);
end
$function$;
alter function internal.publish_revocation(uuid,text,uuid,text,timestamp with time zone) owner to skeldir_control;
grant execute on function internal.publish_revocation(uuid,text,uuid,text,timestamp with time zone) to app_rw, app_user;

CREATE OR REPLACE FUNCTION internal.read_revocations(since xid8)
 RETURNS TABLE(horizon xid8, subject bytea, standing text, not_before timestamp with time zone, kept bytea, recorded_at timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select pg_snapshot_xmin(pg_current_snapshot()), r.subject, r.standing, r.not_before, r.kept, r.recorded_at
  from (select) as one
  left join internal.token_revocations as r
    on r.xact >= since and r.recorded_at > clock_timestamp() - interval '20 minutes'
  order by r.recorded_at
$function$;
alter function internal.read_revocations(xid8) owner to skeldir_control;
grant execute on function internal.read_revocations(xid8) to app_user;

CREATE OR REPLACE FUNCTION internal.record_api_key_use(of_tenants uuid[], of_keys uuid[], used_at timestamp with time zone[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
$function$;
alter function internal.record_api_key_use(uuid[],uuid[],timestamp with time zone[]) owner to skeldir_owner;
grant execute on function internal.record_api_key_use(uuid[],uuid[],timestamp with time zone[]) to app_user;

CREATE OR REPLACE FUNCTION internal.record_dead_event(for_tenant uuid, from_vendor text, delivery_id text, at_endpoint uuid, about_topic text, fault_class text, fault_code text, fault_detail text, body_hash bytea, event_payload jsonb, correlation uuid)
 RETURNS uuid
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  receipt uuid;
begin
  insert into public.dead_events (tenant_id, vendor, endpoint_id, external_id, topic, class, code, detail, body_sha256,
                                  payload, correlation_id)
  values (for_tenant, from_vendor, at_endpoint, delivery_id, about_topic, fault_class, fault_code, fault_detail, body_hash,
          event_payload, correlation)
  on conflict (tenant_id, vendor, body_sha256, code) do nothing
  returning dead_event_id into receipt;
  if receipt is null then
    select d.dead_event_id into strict receipt
    from public.dead_events as d
    where d.tenant_id = for_tenant and d.vendor = from_vendor and d.body_sha256 = body_hash and d.code = fault_code;
  end if;
  return receipt;
end
$function$;
alter function internal.record_dead_event(uuid,text,text,uuid,text,text,text,text,bytea,jsonb,uuid) owner to skeldir_owner;
grant execute on function internal.record_dead_event(uuid,text,text,uuid,text,text,text,text,bytea,jsonb,uuid) to app_ingest;

CREATE OR REPLACE FUNCTION internal.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  raise exception 'rows of % are never changed or deleted', tg_table_name
    using errcode = '42501', hint = 'Write a new row that corrects the old one.';
end
$function$;
alter function internal.refuse_change() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.refuse_personal_data()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  finding text := internal.find_personal_data(to_jsonb(new));
begin
  if finding is not null then
    raise exception 'personal data refused in %: %', tg_table_name, finding using errcode = '23514';
  end if;
  return new;
end
$function$;
alter function internal.refuse_personal_data() owner to skeldir_owner;

CREATE OR REPLACE PROCEDURE internal.refuse_personal_data_in(IN target regclass)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $procedure$
begin
  execute format('create trigger no_personal_data before insert on %s for each row execute function internal.refuse_personal_data()', target);
end
$procedure$;
alter procedure internal.refuse_personal_data_in(regclass) owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.refuse_worker_context()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if current_setting('app.execution_context', true) = 'worker' then
    raise exception 'a worker transaction cannot write %', tg_table_name using errcode = '42501';
  end if;
  return new;
end
$function$;
alter function internal.refuse_worker_context() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.restore_member(for_tenant uuid, who uuid, member_role text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  member bytea := sha256(convert_to(concat_ws('/', 'member', for_tenant, who), 'UTF8'));
begin
  if pg_trigger_depth() = 0 then
    raise exception 'a member is restored by a membership' using errcode = '42501';
  end if;
  insert into internal.token_revocations (subject, standing)
  select member, member_role
  where exists (select from internal.token_revocations as r where r.subject = member and r.standing is not null);
end
$function$;
alter function internal.restore_member(uuid,uuid,text) owner to skeldir_control;
grant execute on function internal.restore_member(uuid,uuid,text) to app_rw, app_user;

CREATE OR REPLACE FUNCTION internal.revoke_by_account()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if tg_op = 'DELETE' then
    perform internal.publish_revocation(null, 'account', old.user_id, 'none', null);
  else
    perform internal.publish_revocation(null, 'account', new.user_id, new.status, null);
    -- What was open stays closed when the account is enabled again.
    if new.status <> 'active' then
      perform internal.end_account_sessions(new.user_id);
    end if;
  end if;
  return null;
end
$function$;
alter function internal.revoke_by_account() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.revoke_by_membership()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if tg_op = 'DELETE' then
    perform internal.publish_revocation(old.tenant_id, 'member', old.user_id, 'none', null);
  elsif tg_op = 'INSERT' then
    perform internal.restore_member(new.tenant_id, new.user_id, new.role);
  else
    perform internal.publish_revocation(new.tenant_id, 'member', new.user_id, new.role, null);
  end if;
  return null;
end
$function$;
alter function internal.revoke_by_membership() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.withdraw_attempt(address bytea, account bytea, attempted_at timestamp with time zone, blocked timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  who bytea;
  counted integer;
begin
  foreach who in array array[address, account] loop
    select a.failures into counted
    from internal.login_attempts as a
    where a.subject = who and a.started_at <= attempted_at
    for update;
    if counted = 1 then
      delete from internal.login_attempts as a where a.subject = who;
    elsif counted > 1 then
      update internal.login_attempts as a
      set failures = a.failures - 1, blocked_until = nullif(a.blocked_until, blocked)
      where a.subject = who;
    end if;
  end loop;
end
$function$;
alter function internal.withdraw_attempt(bytea,bytea,timestamp with time zone,timestamp with time zone) owner to skeldir_control;
grant execute on function internal.withdraw_attempt(bytea,bytea,timestamp with time zone,timestamp with time zone) to app_user;

-- default privileges of skeldir_control on functions: execute to skeldir_control
-- default privileges of skeldir_owner on functions: execute to skeldir_owner
