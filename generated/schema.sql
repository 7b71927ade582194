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
create policy open_to_runtime on public.api_keys as permissive for all to app_retention, app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.api_keys as restrictive for all to app_retention, app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER not_offboarded BEFORE INSERT ON public.api_keys FOR EACH ROW EXECUTE FUNCTION internal.refuse_offboarded();
grant insert (expires_at, name, prefix, scopes, secret_hash, tenant_id), select (created_at, expires_at, key_id, last_used_at, name, prefix, revoked_at, scopes, tenant_id), update (expires_at, last_used_at, revoked_at) on public.api_keys to app_user;
grant insert, select, update (expires_at, last_used_at, revoked_at) on public.api_keys to app_rw;
grant select (key_id, revoked_at, tenant_id), update (revoked_at) on public.api_keys to app_retention;
grant select on public.api_keys to skeldir_control;

create table public.attribution_changes (
  tenant_id uuid not null,
  change_id bigint not null generated always as identity,
  order_key text,
  identity bytea,
  from_at timestamp with time zone,
  until_at timestamp with time zone,
  recorded_at timestamp with time zone not null default clock_timestamp(),
  constraint attribution_changes_pkey PRIMARY KEY (tenant_id, change_id),
  constraint attribution_changes_check CHECK (
CASE
    WHEN (identity IS NOT NULL) THEN ((order_key IS NULL) AND (num_nulls(from_at, until_at) = 0))
    WHEN (order_key IS NOT NULL) THEN (num_nulls(from_at, until_at) = 2)
    ELSE ((num_nulls(from_at, until_at) = 2) OR ((num_nulls(from_at, until_at) = 0) AND (from_at < until_at)))
END),
  constraint attribution_changes_identity_check CHECK ((octet_length(identity) = 32)),
  constraint attribution_changes_order_key_check CHECK (((length(order_key) >= 1) AND (length(order_key) <= 140)))
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=5000);
alter table public.attribution_changes owner to skeldir_owner;
alter table public.attribution_changes enable row level security;
alter table public.attribution_changes force row level security;
create policy lookup_by_control on public.attribution_changes as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.attribution_changes as permissive for all to app_ingest, app_rw, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_changes as restrictive for all to app_ingest, app_rw, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert (from_at, identity, order_key, tenant_id, until_at), select on public.attribution_changes to app_worker;
grant insert (from_at, identity, order_key, tenant_id, until_at) on public.attribution_changes to app_ingest;
grant insert (from_at, tenant_id, until_at) on public.attribution_changes to app_rw;
grant select on public.attribution_changes to skeldir_control;

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

create view public.attribution_credits_by_touch with (security_invoker=true) as
 SELECT c.tenant_id,
    c.edition_id,
    c.order_key,
    c.revision,
    c.entry_key,
    c."position",
    c.kind,
    c.currency,
    c.ordered_at,
    c.occurred_at,
    c.channel,
    c.campaign,
    c.touch_origin,
    c.touch_external_id,
    c.touched_at,
    c.tier,
    cardinality(c.revenue_minor) AS models,
    0 AS models_before,
    c.revenue_minor,
    (c.conversion_micro)::integer[] AS conversion_micro,
    c.reporting_minor
   FROM public.attribution_touch_credits c
UNION ALL
 SELECT c.tenant_id,
    c.edition_id,
    c.order_key,
    c.revision,
    c.entry_key,
    ((c."position" + (t.place)::integer) - 1) AS "position",
    c.kind,
    c.currency,
    c.ordered_at,
    c.occurred_at,
    t.channel,
    t.campaign,
    t.touch_origin,
    t.touch_external_id,
    t.touched_at,
    t.tier,
    (cardinality(c.revenue_minor) / cardinality(c.channels)) AS models,
    (((t.place)::integer - 1) * (cardinality(c.revenue_minor) / cardinality(c.channels))) AS models_before,
    c.revenue_minor,
    c.conversion_micro,
        CASE
            WHEN c.is_reporting THEN c.revenue_minor
            ELSE c.reporting_minor
        END AS reporting_minor
   FROM (public.attribution_entry_credits c
     CROSS JOIN LATERAL UNNEST(c.channels, c.campaigns, c.touch_origins, c.touch_external_ids, c.touched_at, c.tiers) WITH ORDINALITY t(channel, campaign, touch_origin, touch_external_id, touched_at, tier, place));
alter view public.attribution_credits_by_touch owner to skeldir_owner;
grant select on public.attribution_credits_by_touch to app_retention, app_ro, app_user, app_worker;

create view public.attribution_day_run_changes with (security_invoker=true) as
 SELECT c.tenant_id,
    c.run_id,
    c.channel,
    c.currency,
    c.revenue_delta_minor,
    c.conversion_delta_micro
   FROM public.attribution_run_changes c
UNION ALL
 SELECT r.tenant_id,
    r.run_id,
    c.channel,
    c.currency,
    c.revenue_delta_minor,
    c.conversion_delta_micro
   FROM (((public.attribution_day_runs r
     JOIN public.attribution_editions e ON (((e.tenant_id = r.tenant_id) AND (e.edition_id = r.edition_id))))
     CROSS JOIN LATERAL ( SELECT array_position(e.models, r.model) AS place) m)
     CROSS JOIN LATERAL ( SELECT c_1.channel,
            c_1.currency,
            c_1.revenue_delta_minor[m.place] AS revenue_delta_minor,
            c_1.conversion_delta_micro[m.place] AS conversion_delta_micro
           FROM public.attribution_publication_changes c_1
          WHERE ((c_1.tenant_id = r.tenant_id) AND (c_1.edition_id = r.edition_id) AND (c_1.day = ((r.window_start AT TIME ZONE 'UTC'::text))::date) AND (c_1.publication = r.publication))
         OFFSET 0) c)
  WHERE ((c.revenue_delta_minor <> 0) OR (c.conversion_delta_micro <> 0));
alter view public.attribution_day_run_changes owner to skeldir_owner;
CREATE TRIGGER add_run_change INSTEAD OF INSERT ON public.attribution_day_run_changes FOR EACH ROW EXECUTE FUNCTION internal.add_run_change();
grant insert, select on public.attribution_day_run_changes to app_worker;
grant select on public.attribution_day_run_changes to app_ro, app_user;

create table public.attribution_day_run_totals (
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
  constraint attribution_day_run_totals_pkey PRIMARY KEY (tenant_id, run_id, currency),
  constraint attribution_day_run_totals_captured_minor_check CHECK ((captured_minor >= 0)),
  constraint attribution_day_run_totals_check CHECK (((attributed_orders >= 0) AND (attributed_orders <= orders))),
  constraint attribution_day_run_totals_check1 CHECK ((net_minor = (captured_minor - refunded_minor))),
  constraint attribution_day_run_totals_check2 CHECK (((attributed_minor >= 0) AND (attributed_minor <= net_minor))),
  constraint attribution_day_run_totals_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint attribution_day_run_totals_orders_check CHECK ((orders >= 0)),
  constraint attribution_day_run_totals_over_refunded_minor_check CHECK ((over_refunded_minor >= 0)),
  constraint attribution_day_run_totals_refunded_minor_check CHECK ((refunded_minor >= 0))
);
alter table public.attribution_day_run_totals owner to skeldir_owner;
alter table public.attribution_day_run_totals enable row level security;
alter table public.attribution_day_run_totals force row level security;
create policy lookup_by_control on public.attribution_day_run_totals as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.attribution_day_run_totals as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_day_run_totals as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_day_run_totals FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_day_run_totals FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant insert, select on public.attribution_day_run_totals to app_worker;
grant select on public.attribution_day_run_totals to app_ro, app_user, skeldir_control;

create table public.attribution_day_runs (
  tenant_id uuid not null,
  run_id uuid not null default gen_random_uuid(),
  edition_id uuid not null,
  publication integer not null,
  model text not null,
  model_version text not null,
  window_start timestamp with time zone not null,
  window_end timestamp with time zone not null,
  data_cutoff timestamp with time zone not null,
  input_hash text not null,
  output_hash text not null,
  orders integer not null,
  version integer not null default 1,
  previous_run_id uuid,
  orders_changed integer not null default 0,
  cause text not null,
  created_at timestamp with time zone not null default now(),
  input_sum bytea,
  output_sum bytea,
  constraint attribution_day_runs_pkey PRIMARY KEY (tenant_id, run_id),
  constraint attribution_day_runs_cause_check CHECK ((cause = ANY (ARRAY['edition'::text, 'data'::text, 'request'::text]))),
  constraint attribution_day_runs_check CHECK ((window_end > window_start)),
  constraint attribution_day_runs_check1 CHECK (((input_sum IS NULL) = (output_sum IS NULL))),
  constraint attribution_day_runs_input_hash_check CHECK (((octet_length(input_hash) = 64) AND (input_hash !~ '[^0-9a-f]'::text))),
  constraint attribution_day_runs_input_sum_check CHECK ((octet_length(input_sum) = 32)),
  constraint attribution_day_runs_model_check CHECK ((((length(model) >= 1) AND (length(model) <= 40)) AND (model !~ '[^a-z_]'::text))),
  constraint attribution_day_runs_orders_changed_check CHECK ((orders_changed >= 0)),
  constraint attribution_day_runs_orders_check CHECK ((orders >= 0)),
  constraint attribution_day_runs_output_hash_check CHECK (((octet_length(output_hash) = 64) AND (output_hash !~ '[^0-9a-f]'::text))),
  constraint attribution_day_runs_output_sum_check CHECK ((octet_length(output_sum) = 32)),
  constraint attribution_day_runs_publication_check CHECK ((publication >= 1)),
  constraint attribution_day_runs_version_check CHECK ((version >= 1))
);
alter table public.attribution_day_runs owner to skeldir_owner;
CREATE INDEX attribution_day_runs_window_idx ON public.attribution_day_runs USING btree (tenant_id, edition_id, model, window_start);
alter table public.attribution_day_runs enable row level security;
alter table public.attribution_day_runs force row level security;
create policy open_to_runtime on public.attribution_day_runs as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_day_runs as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_day_runs FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_day_runs FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant insert, select on public.attribution_day_runs to app_worker;
grant select on public.attribution_day_runs to app_ro, app_user;

create table public.attribution_edition_sums (
  tenant_id uuid not null,
  edition_id uuid not null,
  day date not null,
  channel text not null,
  currency text not null,
  sum_id bigint not null generated always as identity,
  revenue_minor bigint[] not null,
  conversion_micro bigint[] not null,
  constraint attribution_edition_sums_pkey PRIMARY KEY (tenant_id, edition_id, day, channel, currency, sum_id),
  constraint attribution_edition_sums_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text))
);
alter table public.attribution_edition_sums owner to skeldir_owner;
alter table public.attribution_edition_sums enable row level security;
alter table public.attribution_edition_sums force row level security;
create policy open_to_runtime on public.attribution_edition_sums as permissive for all to app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_edition_sums as restrictive for all to app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_edition_sums FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_edition_sums FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant insert (channel, conversion_micro, currency, day, edition_id, revenue_minor, tenant_id) on public.attribution_edition_sums to app_retention;
grant select on public.attribution_edition_sums to app_ro, app_user, app_worker;

create table public.attribution_editions (
  tenant_id uuid not null,
  edition_id uuid not null default gen_random_uuid(),
  number integer not null,
  config jsonb not null,
  config_sha256 bytea not null,
  models text[] not null,
  status text not null default 'building'::text,
  built_until timestamp with time zone not null default '-infinity'::timestamp with time zone,
  publications integer not null default 0,
  created_at timestamp with time zone not null default now(),
  published_at timestamp with time zone,
  superseded_at timestamp with time zone,
  first_publications integer,
  constraint attribution_editions_pkey PRIMARY KEY (tenant_id, edition_id),
  constraint attribution_editions_tenant_id_number_key UNIQUE (tenant_id, number),
  constraint attribution_editions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint attribution_editions_check CHECK (((status <> 'published'::text) OR (published_at IS NOT NULL))),
  constraint attribution_editions_config_check CHECK ((jsonb_typeof(config) = 'object'::text)),
  constraint attribution_editions_config_sha256_check CHECK ((octet_length(config_sha256) = 32)),
  constraint attribution_editions_first_publications_check CHECK ((first_publications >= 0)),
  constraint attribution_editions_models_check CHECK (((cardinality(models) >= 1) AND (cardinality(models) <= 64))),
  constraint attribution_editions_number_check CHECK ((number >= 1)),
  constraint attribution_editions_publications_check CHECK ((publications >= 0)),
  constraint attribution_editions_status_check CHECK ((status = ANY (ARRAY['building'::text, 'published'::text, 'superseded'::text])))
);
alter table public.attribution_editions owner to skeldir_owner;
CREATE UNIQUE INDEX attribution_editions_building_idx ON public.attribution_editions USING btree (tenant_id) WHERE (status = 'building'::text);
CREATE UNIQUE INDEX attribution_editions_published_idx ON public.attribution_editions USING btree (tenant_id) WHERE (status = 'published'::text);
alter table public.attribution_editions enable row level security;
alter table public.attribution_editions force row level security;
create policy lookup_by_control on public.attribution_editions as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.attribution_editions as permissive for all to app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_editions as restrictive for all to app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER stamp_edition BEFORE UPDATE OF status ON public.attribution_editions FOR EACH ROW WHEN ((new.status IS DISTINCT FROM old.status)) EXECUTE FUNCTION internal.stamp_edition();
CREATE TRIGGER view_changes AFTER UPDATE OF status ON public.attribution_editions FOR EACH ROW WHEN ((new.status = 'published'::text)) EXECUTE FUNCTION internal.note_published_edition();
grant insert, select, update (built_until, publications, published_at, status) on public.attribution_editions to app_worker;
grant select (edition_id, published_at, superseded_at, tenant_id) on public.attribution_editions to app_retention;
grant select on public.attribution_editions to app_ro, app_user, skeldir_control;

create table public.attribution_entry_credits (
  tenant_id uuid not null,
  edition_id uuid not null,
  order_key text not null,
  revision integer not null,
  entry_key text not null,
  "position" integer not null,
  kind text not null,
  currency text not null,
  ordered_at timestamp with time zone not null,
  occurred_at timestamp with time zone not null,
  channels text[] not null,
  campaigns text[],
  touch_origins text[],
  touch_external_ids text[],
  touched_at timestamp with time zone[],
  tiers text[],
  revenue_minor bigint[] not null,
  conversion_micro integer[] not null,
  is_reporting boolean not null,
  reporting_minor bigint[],
  constraint attribution_entry_credits_pkey PRIMARY KEY (tenant_id, edition_id, order_key, revision, entry_key, "position"),
  constraint attribution_entry_credits_channels_check CHECK (((cardinality(channels) >= 1) AND (cardinality(channels) <= 16))),
  constraint attribution_entry_credits_check CHECK (((NOT is_reporting) OR (reporting_minor IS NULL))),
  constraint attribution_entry_credits_check1 CHECK ((((cardinality(revenue_minor) % cardinality(channels)) = 0) AND (cardinality(conversion_micro) = cardinality(revenue_minor)))),
  constraint attribution_entry_credits_kind_check CHECK ((kind = ANY (ARRAY['capture'::text, 'refund'::text, 'dispute'::text]))),
  constraint attribution_entry_credits_position_check CHECK (("position" >= 0))
) with (toast_tuple_target=8160);
alter table public.attribution_entry_credits owner to skeldir_owner;
CREATE INDEX attribution_entry_credits_taken_idx ON public.attribution_entry_credits USING btree (tenant_id, edition_id, occurred_at) WHERE (kind <> 'capture'::text);
alter table public.attribution_entry_credits enable row level security;
alter table public.attribution_entry_credits force row level security;
create policy open_to_runtime on public.attribution_entry_credits as permissive for all to app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_entry_credits as restrictive for all to app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_entry_credits FOR EACH ROW EXECUTE FUNCTION internal.refuse_change_but_erasure('rows');
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_entry_credits FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant delete, select on public.attribution_entry_credits to app_retention;
grant insert, select on public.attribution_entry_credits to app_worker;
grant select on public.attribution_entry_credits to app_ro, app_user;

create view public.attribution_order_credits with (security_invoker=true) as
 SELECT tenant_id,
    edition_id,
    order_key,
    revision,
    entry_key,
    "position",
    kind,
    currency,
    ordered_at,
    occurred_at,
    channel,
    campaign,
    touch_origin,
    touch_external_id,
    touched_at,
    tier,
    revenue_minor[(models_before + 1):(models_before + models)] AS revenue_minor,
    (conversion_micro[(models_before + 1):(models_before + models)])::bigint[] AS conversion_micro,
    reporting_minor[(models_before + 1):(models_before + models)] AS reporting_minor
   FROM public.attribution_credits_by_touch c;
alter view public.attribution_order_credits owner to skeldir_owner;
CREATE TRIGGER add_touch_credit INSTEAD OF INSERT ON public.attribution_order_credits FOR EACH ROW EXECUTE FUNCTION internal.add_touch_credit();
grant insert, select on public.attribution_order_credits to app_worker;
grant select on public.attribution_order_credits to app_retention, app_ro, app_user;

create table public.attribution_orders (
  tenant_id uuid not null,
  edition_id uuid not null,
  order_key text not null,
  revision integer not null,
  ordered_at timestamp with time zone not null,
  identity_tier text not null,
  touches integer not null,
  currencies text[] not null,
  captured_minor bigint[] not null,
  refunded_minor bigint[] not null,
  over_refunded_minor bigint[] not null,
  reporting_minor bigint[],
  input_sha256 bytea not null,
  output_sha256 bytea not null,
  constraint attribution_orders_pkey PRIMARY KEY (tenant_id, edition_id, order_key),
  constraint attribution_orders_check CHECK (((cardinality(currencies) >= 1) AND (cardinality(currencies) = cardinality(captured_minor)) AND (cardinality(currencies) = cardinality(refunded_minor)) AND (cardinality(currencies) = cardinality(over_refunded_minor)))),
  constraint attribution_orders_identity_tier_check CHECK ((identity_tier = ANY (ARRAY['visitor_id'::text, 'click_id'::text, 'vendor_journey'::text, 'landing_page'::text, 'none'::text]))),
  constraint attribution_orders_input_sha256_check CHECK ((octet_length(input_sha256) = 32)),
  constraint attribution_orders_order_key_check CHECK (((length(order_key) >= 1) AND (length(order_key) <= 140))),
  constraint attribution_orders_output_sha256_check CHECK (((octet_length(output_sha256) % 32) = 0)),
  constraint attribution_orders_revision_check CHECK ((revision >= 1)),
  constraint attribution_orders_touches_check CHECK ((touches >= 0))
);
alter table public.attribution_orders owner to skeldir_owner;
CREATE INDEX attribution_orders_time_idx ON public.attribution_orders USING btree (tenant_id, edition_id, ordered_at) WHERE (ordered_at > '-infinity'::timestamp with time zone);
alter table public.attribution_orders enable row level security;
alter table public.attribution_orders force row level security;
create policy open_to_runtime on public.attribution_orders as permissive for all to app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_orders as restrictive for all to app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select, update on public.attribution_orders to app_worker;
grant delete, select on public.attribution_orders to app_retention;
grant select on public.attribution_orders to app_ro, app_user;

create table public.attribution_publication_changes (
  tenant_id uuid not null,
  edition_id uuid not null,
  day date not null,
  publication integer not null,
  channel text not null,
  currency text not null,
  revenue_delta_minor bigint[] not null,
  conversion_delta_micro bigint[] not null,
  constraint attribution_publication_changes_pkey PRIMARY KEY (tenant_id, edition_id, day, publication, channel, currency),
  constraint attribution_publication_changes_check CHECK ((cardinality(conversion_delta_micro) = cardinality(revenue_delta_minor))),
  constraint attribution_publication_changes_check1 CHECK (((0 <> ANY (revenue_delta_minor)) OR (0 <> ANY (conversion_delta_micro)))),
  constraint attribution_publication_changes_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint attribution_publication_changes_publication_check CHECK ((publication >= 1))
);
alter table public.attribution_publication_changes owner to skeldir_owner;
alter table public.attribution_publication_changes enable row level security;
alter table public.attribution_publication_changes force row level security;
create policy open_to_runtime on public.attribution_publication_changes as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_publication_changes as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_publication_changes FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_publication_changes FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant insert, select on public.attribution_publication_changes to app_worker;
grant select on public.attribution_publication_changes to app_ro, app_user;

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
  run_id uuid,
  run_attempt integer,
  constraint attribution_recompute_jobs_pkey PRIMARY KEY (tenant_id, job_id),
  constraint attribution_recompute_jobs_tenant_id_window_start_window_en_key UNIQUE (tenant_id, window_start, window_end, model_version),
  constraint attribution_recompute_jobs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint attribution_recompute_jobs_check CHECK ((window_end > window_start)),
  constraint attribution_recompute_jobs_check1 CHECK (((run_attempt IS NULL) = (run_id IS NULL))),
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

create table public.attribution_run_changes (
  tenant_id uuid not null,
  run_id uuid not null,
  channel text not null,
  currency text not null,
  revenue_delta_minor bigint not null,
  conversion_delta_micro bigint not null,
  constraint attribution_run_changes_pkey PRIMARY KEY (tenant_id, run_id, channel, currency),
  constraint attribution_day_run_changes_check CHECK (((revenue_delta_minor <> 0) OR (conversion_delta_micro <> 0))),
  constraint attribution_day_run_changes_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text))
);
alter table public.attribution_run_changes owner to skeldir_owner;
alter table public.attribution_run_changes enable row level security;
alter table public.attribution_run_changes force row level security;
create policy open_to_runtime on public.attribution_run_changes as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_run_changes as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_run_changes FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_run_changes FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant insert, select on public.attribution_run_changes to app_worker;
grant select on public.attribution_run_changes to app_ro, app_user;

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

create table public.attribution_setting_versions (
  tenant_id uuid not null,
  version integer not null,
  effective_at timestamp with time zone not null default now(),
  models jsonb not null default '{}'::jsonb,
  path_transform jsonb not null default '{"name": "identity", "parameters": {}}'::jsonb,
  constraint attribution_setting_versions_pkey PRIMARY KEY (tenant_id, version),
  constraint attribution_setting_versions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint attribution_setting_versions_models_check CHECK (((jsonb_typeof(models) = 'object'::text) AND (pg_column_size(models) <= 8192))),
  constraint attribution_setting_versions_path_transform_check CHECK (((jsonb_typeof(path_transform) = 'object'::text) AND (pg_column_size(path_transform) <= 1024))),
  constraint attribution_setting_versions_version_check CHECK ((version >= 1))
);
alter table public.attribution_setting_versions owner to skeldir_owner;
alter table public.attribution_setting_versions enable row level security;
alter table public.attribution_setting_versions force row level security;
create policy open_to_runtime on public.attribution_setting_versions as permissive for all to app_ro, app_rw, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_setting_versions as restrictive for all to app_ro, app_rw, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_setting_versions FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_setting_versions FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.attribution_setting_versions FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
grant insert, select on public.attribution_setting_versions to app_rw, app_user;
grant select on public.attribution_setting_versions to app_ro, app_worker;

create table public.attribution_touch_credits (
  tenant_id uuid not null,
  edition_id uuid not null,
  order_key text not null,
  revision integer not null,
  entry_key text not null,
  "position" integer not null,
  kind text not null,
  currency text not null,
  ordered_at timestamp with time zone not null,
  occurred_at timestamp with time zone not null,
  channel text not null,
  campaign text,
  touch_origin text,
  touch_external_id text,
  touched_at timestamp with time zone,
  tier text,
  revenue_minor bigint[] not null,
  conversion_micro bigint[] not null,
  reporting_minor bigint[],
  constraint attribution_touch_credits_pkey PRIMARY KEY (tenant_id, edition_id, order_key, revision, entry_key, "position"),
  constraint attribution_order_credits_kind_check CHECK ((kind = ANY (ARRAY['capture'::text, 'refund'::text, 'dispute'::text]))),
  constraint attribution_order_credits_position_check CHECK (("position" >= 0))
);
alter table public.attribution_touch_credits owner to skeldir_owner;
CREATE INDEX attribution_touch_credits_taken_idx ON public.attribution_touch_credits USING btree (tenant_id, edition_id, occurred_at) WHERE (kind <> 'capture'::text);
alter table public.attribution_touch_credits enable row level security;
alter table public.attribution_touch_credits force row level security;
create policy open_to_runtime on public.attribution_touch_credits as permissive for all to app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_touch_credits as restrictive for all to app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_touch_credits FOR EACH ROW EXECUTE FUNCTION internal.refuse_change_but_erasure('rows');
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_touch_credits FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant delete, select on public.attribution_touch_credits to app_retention;
grant insert, select on public.attribution_touch_credits to app_worker;
grant select on public.attribution_touch_credits to app_ro, app_user;

create table public.attribution_window_channels (
  tenant_id uuid not null,
  window_run_id uuid not null,
  model text not null,
  channel text not null,
  conversion_micro bigint not null,
  revenue_minor bigint not null,
  share numeric,
  lower numeric,
  upper numeric,
  sample_size integer not null,
  grade text,
  constraint attribution_window_channels_pkey PRIMARY KEY (tenant_id, window_run_id, model, channel),
  constraint attribution_window_channels_tenant_id_window_run_id_fkey FOREIGN KEY (tenant_id, window_run_id) REFERENCES public.attribution_window_runs(tenant_id, window_run_id),
  constraint attribution_window_channels_check CHECK (((upper >= lower) AND (upper <= (1)::numeric))),
  constraint attribution_window_channels_check1 CHECK ((num_nulls(lower, upper) =
CASE
    WHEN (grade = ANY (ARRAY['A'::text, 'B'::text, 'C'::text])) THEN 0
    ELSE 2
END)),
  constraint attribution_window_channels_grade_check CHECK ((grade = ANY (ARRAY['A'::text, 'B'::text, 'C'::text, 'D'::text]))),
  constraint attribution_window_channels_lower_check CHECK (((lower >= (0)::numeric) AND (lower <= (1)::numeric))),
  constraint attribution_window_channels_model_check CHECK ((model ~ '^[a-z_]{1,40}$'::text)),
  constraint attribution_window_channels_sample_size_check CHECK ((sample_size >= 0)),
  constraint attribution_window_channels_share_check CHECK (((share >= (0)::numeric) AND (share <= (1)::numeric)))
);
alter table public.attribution_window_channels owner to skeldir_owner;
alter table public.attribution_window_channels enable row level security;
alter table public.attribution_window_channels force row level security;
create policy open_to_runtime on public.attribution_window_channels as permissive for all to app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_window_channels as restrictive for all to app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_window_channels FOR EACH ROW EXECUTE FUNCTION internal.refuse_change_but_erasure('rows');
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_window_channels FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant delete, select (tenant_id, window_run_id) on public.attribution_window_channels to app_retention;
grant insert, select on public.attribution_window_channels to app_worker;
grant select on public.attribution_window_channels to app_ro, app_user;

create table public.attribution_window_runs (
  tenant_id uuid not null,
  window_run_id uuid not null default gen_random_uuid(),
  edition_id uuid not null,
  first_day date not null,
  last_day date not null,
  time_zone text not null,
  currency text not null,
  is_converted boolean not null,
  basis text not null default 'order_date'::text,
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone not null,
  data_cutoff timestamp with time zone not null,
  orders integer not null,
  attributed_orders integer not null,
  net_minor bigint not null,
  coverage numeric,
  replicates integer not null,
  seed text not null,
  input_sha256 bytea not null,
  output_sha256 bytea not null,
  diagnostics jsonb not null,
  created_at timestamp with time zone not null default now(),
  constraint attribution_window_runs_pkey PRIMARY KEY (tenant_id, window_run_id),
  constraint attribution_window_runs_tenant_id_edition_id_fkey FOREIGN KEY (tenant_id, edition_id) REFERENCES public.attribution_editions(tenant_id, edition_id),
  constraint attribution_window_runs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint attribution_window_runs_basis_check CHECK ((basis = 'order_date'::text)),
  constraint attribution_window_runs_check CHECK ((last_day >= first_day)),
  constraint attribution_window_runs_check1 CHECK ((ends_at > starts_at)),
  constraint attribution_window_runs_check2 CHECK (((attributed_orders >= 0) AND (attributed_orders <= orders))),
  constraint attribution_window_runs_coverage_check CHECK (((coverage >= (0)::numeric) AND (coverage <= (1)::numeric))),
  constraint attribution_window_runs_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint attribution_window_runs_diagnostics_check CHECK ((jsonb_typeof(diagnostics) = 'object'::text)),
  constraint attribution_window_runs_input_sha256_check CHECK ((octet_length(input_sha256) = 32)),
  constraint attribution_window_runs_orders_check CHECK ((orders >= 0)),
  constraint attribution_window_runs_output_sha256_check CHECK ((octet_length(output_sha256) = 32)),
  constraint attribution_window_runs_replicates_check CHECK (((replicates = 0) OR ((replicates >= 200) AND (replicates <= 2000))))
);
alter table public.attribution_window_runs owner to skeldir_owner;
CREATE INDEX attribution_window_runs_created_idx ON public.attribution_window_runs USING btree (tenant_id, created_at);
alter table public.attribution_window_runs enable row level security;
alter table public.attribution_window_runs force row level security;
create policy open_to_runtime on public.attribution_window_runs as permissive for all to app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_window_runs as restrictive for all to app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.attribution_window_runs FOR EACH ROW EXECUTE FUNCTION internal.refuse_change_but_erasure('rows');
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.attribution_window_runs FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant delete, select (created_at, tenant_id, window_run_id) on public.attribution_window_runs to app_retention;
grant insert, select on public.attribution_window_runs to app_worker;
grant select on public.attribution_window_runs to app_ro, app_user;

create table public.attribution_windows (
  tenant_id uuid not null,
  first_day date not null,
  last_day date not null,
  time_zone text not null,
  currency text not null,
  is_converted boolean not null,
  last_asked_at timestamp with time zone not null default now(),
  constraint attribution_windows_pkey PRIMARY KEY (tenant_id, first_day, last_day, time_zone, currency, is_converted),
  constraint attribution_windows_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint attribution_windows_check CHECK (((last_day >= first_day) AND (last_day <= (first_day + 365)))),
  constraint attribution_windows_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint attribution_windows_time_zone_check CHECK (((length(time_zone) >= 1) AND (length(time_zone) <= 64)))
);
alter table public.attribution_windows owner to skeldir_owner;
alter table public.attribution_windows enable row level security;
alter table public.attribution_windows force row level security;
create policy open_to_runtime on public.attribution_windows as permissive for all to app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.attribution_windows as restrictive for all to app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, select on public.attribution_windows to app_worker;
grant insert, select, update (last_asked_at) on public.attribution_windows to app_user;

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

create table public.browser_errors (
  tenant_id uuid not null,
  error_id uuid not null default gen_random_uuid(),
  fingerprint bytea not null,
  release text,
  client text,
  occurrences bigint not null default 1,
  first_seen_at timestamp with time zone not null,
  last_seen_at timestamp with time zone not null,
  key_version integer not null,
  sealed bytea not null,
  constraint browser_errors_pkey PRIMARY KEY (tenant_id, error_id),
  constraint browser_errors_tenant_id_fingerprint_key UNIQUE (tenant_id, fingerprint),
  constraint browser_errors_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint browser_errors_check CHECK ((last_seen_at >= first_seen_at)),
  constraint browser_errors_client_check CHECK (((length(client) >= 1) AND (length(client) <= 100))),
  constraint browser_errors_fingerprint_check CHECK ((octet_length(fingerprint) = 32)),
  constraint browser_errors_occurrences_check CHECK ((occurrences >= 1)),
  constraint browser_errors_release_check CHECK ((release ~ '^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$'::text)),
  constraint browser_errors_sealed_check CHECK (((octet_length(sealed) >= 28) AND (octet_length(sealed) <= 131072)))
);
alter table public.browser_errors owner to skeldir_owner;
CREATE INDEX browser_errors_seen_idx ON public.browser_errors USING btree (tenant_id, last_seen_at, error_id);
alter table public.browser_errors enable row level security;
alter table public.browser_errors force row level security;
create policy open_to_runtime on public.browser_errors as permissive for all to app_retention, app_user
  using (true)
  with check (true);
create policy tenant_only on public.browser_errors as restrictive for all to app_retention, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert (client, fingerprint, first_seen_at, key_version, last_seen_at, release, sealed, tenant_id), select, update (client, first_seen_at, key_version, last_seen_at, occurrences, sealed) on public.browser_errors to app_user;
grant delete, select (error_id, last_seen_at, tenant_id) on public.browser_errors to app_retention;

create table public.canonical_events (
  tenant_id uuid not null,
  event_id uuid not null,
  ordinal integer not null,
  type text not null,
  order_key text not null,
  same_as text,
  entry_key text,
  dispute_key text,
  outcome text,
  list_key text,
  list text,
  amount_minor bigint,
  counts boolean not null default true,
  currency text,
  occurred_at timestamp with time zone not null,
  version_at timestamp with time zone,
  prevails boolean not null default false,
  recorded_at timestamp with time zone not null default now(),
  constraint canonical_events_pkey PRIMARY KEY (tenant_id, event_id, ordinal),
  constraint canonical_events_tenant_id_event_id_fkey FOREIGN KEY (tenant_id, event_id) REFERENCES public.webhook_events(tenant_id, event_id),
  constraint canonical_events_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint canonical_events_amount_minor_check CHECK (((amount_minor >= 0) AND (amount_minor <= '9007199254740991'::bigint))),
  constraint canonical_events_check CHECK (((entry_key IS NULL) = (type = ANY (ARRAY['order_created'::text, 'order_cancelled'::text])))),
  constraint canonical_events_check1 CHECK (((list_key IS NULL) = (list IS NULL))),
  constraint canonical_events_check2 CHECK ((((dispute_key IS NOT NULL) = (type = 'dispute_closed'::text)) AND ((outcome IS NOT NULL) = (type = 'dispute_closed'::text)))),
  constraint canonical_events_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint canonical_events_dispute_key_check CHECK (((length(dispute_key) >= 1) AND (length(dispute_key) <= 255))),
  constraint canonical_events_entry_key_check CHECK (((length(entry_key) >= 1) AND (length(entry_key) <= 255))),
  constraint canonical_events_list_check CHECK ((list = ANY (ARRAY['item'::text, 'whole'::text, 'sum'::text, 'claim'::text]))),
  constraint canonical_events_list_key_check CHECK (((length(list_key) >= 1) AND (length(list_key) <= 140))),
  constraint canonical_events_order_key_check CHECK ((order_key ~ '^(shopify|stripe|paypal|woocommerce):[A-Za-z0-9_-]{1,128}$'::text)),
  constraint canonical_events_ordinal_check CHECK ((ordinal >= 0)),
  constraint canonical_events_outcome_check CHECK ((outcome = ANY (ARRAY['won'::text, 'lost'::text]))),
  constraint canonical_events_same_as_check CHECK ((same_as ~ '^(shopify|stripe|paypal|woocommerce):[A-Za-z0-9_-]{1,128}$'::text)),
  constraint canonical_events_type_check CHECK ((type = ANY (ARRAY['order_created'::text, 'payment_captured'::text, 'payment_refunded'::text, 'payment_disputed'::text, 'dispute_closed'::text, 'order_cancelled'::text])))
);
alter table public.canonical_events owner to skeldir_owner;
CREATE INDEX canonical_events_dispute_idx ON public.canonical_events USING btree (tenant_id, dispute_key) WHERE (dispute_key IS NOT NULL);
CREATE INDEX canonical_events_entry_idx ON public.canonical_events USING btree (tenant_id, entry_key) WHERE (entry_key IS NOT NULL);
CREATE INDEX canonical_events_list_idx ON public.canonical_events USING btree (tenant_id, list_key) WHERE (list_key IS NOT NULL);
CREATE INDEX canonical_events_order_idx ON public.canonical_events USING btree (tenant_id, order_key);
CREATE INDEX canonical_events_recorded_idx ON public.canonical_events USING btree (tenant_id, recorded_at);
CREATE INDEX canonical_events_same_idx ON public.canonical_events USING btree (tenant_id, same_as) WHERE (same_as IS NOT NULL);
alter table public.canonical_events enable row level security;
alter table public.canonical_events force row level security;
create policy open_to_runtime on public.canonical_events as permissive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.canonical_events as restrictive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.canonical_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.canonical_events FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER attribution_changes AFTER INSERT ON public.canonical_events REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_statements();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.canonical_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.canonical_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select on public.canonical_events to app_ingest;
grant select on public.canonical_events to app_retention, app_ro, app_user, app_worker;

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
create policy open_to_runtime on public.channel_rule_versions as permissive for all to app_ingest, app_ro, app_rw, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.channel_rule_versions as restrictive for all to app_ingest, app_ro, app_rw, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.channel_rule_versions FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.channel_rule_versions FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.channel_rule_versions FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
grant insert, select on public.channel_rule_versions to app_rw, app_user;
grant select on public.channel_rule_versions to app_ingest, app_ro, app_worker;

create table public.conversions (
  tenant_id uuid not null,
  event_id uuid not null default gen_random_uuid(),
  conversion_id text not null,
  source text not null,
  kind text not null,
  order_key text not null,
  occurred_at timestamp with time zone not null,
  currency text not null,
  total_minor bigint not null,
  tax_minor bigint not null,
  shipping_minor bigint not null,
  tip_minor bigint not null,
  discount_minor bigint not null,
  identity bytea,
  item_sha256 bytea not null,
  received_at timestamp with time zone not null default now(),
  constraint conversions_pkey PRIMARY KEY (tenant_id, event_id),
  constraint conversions_tenant_id_conversion_id_key UNIQUE (tenant_id, conversion_id),
  constraint conversions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint conversions_check CHECK ((((tax_minor + shipping_minor) + tip_minor) <= total_minor)),
  constraint conversions_conversion_id_check CHECK ((conversion_id ~ '^[A-Za-z0-9._:-]{1,128}$'::text)),
  constraint conversions_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint conversions_discount_minor_check CHECK ((discount_minor >= 0)),
  constraint conversions_identity_check CHECK ((octet_length(identity) = 32)),
  constraint conversions_item_sha256_check CHECK ((octet_length(item_sha256) = 32)),
  constraint conversions_kind_check CHECK ((kind = ANY (ARRAY['purchase'::text, 'refund'::text]))),
  constraint conversions_order_key_check CHECK ((order_key ~ '^own:[A-Za-z0-9_-]{1,128}$'::text)),
  constraint conversions_shipping_minor_check CHECK ((shipping_minor >= 0)),
  constraint conversions_source_check CHECK ((source = ANY (ARRAY['conversion'::text, 'import'::text]))),
  constraint conversions_tax_minor_check CHECK ((tax_minor >= 0)),
  constraint conversions_tip_minor_check CHECK ((tip_minor >= 0)),
  constraint conversions_total_minor_check CHECK ((total_minor > 0))
);
alter table public.conversions owner to skeldir_owner;
CREATE INDEX conversions_identity_idx ON public.conversions USING btree (tenant_id, identity, occurred_at) WHERE (identity IS NOT NULL);
CREATE INDEX conversions_order_idx ON public.conversions USING btree (tenant_id, order_key);
alter table public.conversions enable row level security;
alter table public.conversions force row level security;
create policy open_to_runtime on public.conversions as permissive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.conversions as restrictive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.conversions FOR EACH ROW EXECUTE FUNCTION internal.refuse_change_but_erasure('identity');
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.conversions FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER forget_erased_buyer BEFORE INSERT ON public.conversions FOR EACH ROW WHEN ((new.identity IS NOT NULL)) EXECUTE FUNCTION internal.forget_erased_buyer();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.conversions FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data('conversion_id', 'order_key');
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.conversions FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select (conversion_id, event_id, item_sha256, tenant_id) on public.conversions to app_ingest;
grant select on public.conversions to app_ro, app_user, app_worker;
grant select, update (identity) on public.conversions to app_retention;

create table public.data_requests (
  tenant_id uuid not null,
  request_id uuid not null default gen_random_uuid(),
  event_id uuid not null,
  order_keys text[] not null,
  key_version integer not null,
  sealed bytea not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  constraint data_requests_pkey PRIMARY KEY (tenant_id, request_id),
  constraint data_requests_tenant_id_event_id_key UNIQUE (tenant_id, event_id),
  constraint data_requests_tenant_id_event_id_fkey FOREIGN KEY (tenant_id, event_id) REFERENCES public.webhook_events(tenant_id, event_id),
  constraint data_requests_tenant_id_key_version_fkey FOREIGN KEY (tenant_id, key_version) REFERENCES public.tenant_keys(tenant_id, key_version),
  constraint data_requests_check CHECK ((expires_at > created_at)),
  constraint data_requests_order_keys_check CHECK ((cardinality(order_keys) <= 5000)),
  constraint data_requests_sealed_check CHECK (((octet_length(sealed) >= 28) AND (octet_length(sealed) <= 4194304)))
);
alter table public.data_requests owner to skeldir_owner;
alter table public.data_requests enable row level security;
alter table public.data_requests force row level security;
create policy open_to_runtime on public.data_requests as permissive for all to app_retention, app_rw
  using (true)
  with check (true);
create policy tenant_only on public.data_requests as restrictive for all to app_retention, app_rw
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select on public.data_requests to app_retention;
grant select on public.data_requests to app_rw;

create table public.dead_event_bodies (
  tenant_id uuid not null,
  dead_event_id uuid not null,
  key_version integer not null,
  sealed_body bytea not null,
  created_at timestamp with time zone not null default now(),
  constraint dead_event_bodies_pkey PRIMARY KEY (tenant_id, dead_event_id),
  constraint dead_event_bodies_tenant_id_dead_event_id_fkey FOREIGN KEY (tenant_id, dead_event_id) REFERENCES public.dead_events(tenant_id, dead_event_id),
  constraint dead_event_bodies_tenant_id_key_version_fkey FOREIGN KEY (tenant_id, key_version) REFERENCES public.tenant_keys(tenant_id, key_version),
  constraint dead_event_bodies_sealed_body_check CHECK (((octet_length(sealed_body) >= 28) AND (octet_length(sealed_body) <= 4194304)))
);
alter table public.dead_event_bodies owner to skeldir_owner;
CREATE INDEX dead_event_bodies_age_idx ON public.dead_event_bodies USING btree (tenant_id, created_at);
alter table public.dead_event_bodies enable row level security;
alter table public.dead_event_bodies force row level security;
create policy open_to_runtime on public.dead_event_bodies as permissive for all to app_ingest, app_retention, app_user
  using (true)
  with check (true);
create policy tenant_only on public.dead_event_bodies as restrictive for all to app_ingest, app_retention, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.dead_event_bodies FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant delete, select (created_at, dead_event_id, key_version, sealed_body, tenant_id) on public.dead_event_bodies to app_retention;
grant insert, select (dead_event_id, key_version, sealed_body, tenant_id) on public.dead_event_bodies to app_ingest;
grant select on public.dead_event_bodies to app_user;

create table public.dead_event_outcomes (
  tenant_id uuid not null,
  replay_id uuid not null,
  dead_event_id uuid not null,
  outcome text not null,
  code text,
  event_id uuid,
  recipes text[] not null,
  finished_at timestamp with time zone not null default now(),
  constraint dead_event_outcomes_pkey PRIMARY KEY (tenant_id, replay_id, dead_event_id),
  constraint dead_event_outcomes_tenant_id_event_id_fkey FOREIGN KEY (tenant_id, event_id) REFERENCES public.webhook_events(tenant_id, event_id),
  constraint dead_event_outcomes_tenant_id_replay_id_dead_event_id_fkey FOREIGN KEY (tenant_id, replay_id, dead_event_id) REFERENCES public.dead_event_takes(tenant_id, replay_id, dead_event_id),
  constraint dead_event_outcomes_check CHECK (((outcome = 'still_dead'::text) = (code IS NOT NULL))),
  constraint dead_event_outcomes_check1 CHECK (((outcome = 'still_dead'::text) = (event_id IS NULL))),
  constraint dead_event_outcomes_code_check CHECK ((code ~ '^[a-z0-9_]{1,64}$'::text)),
  constraint dead_event_outcomes_outcome_check CHECK ((outcome = ANY (ARRAY['recovered'::text, 'duplicate'::text, 'still_dead'::text]))),
  constraint dead_event_outcomes_recipes_check CHECK ((cardinality(recipes) <= 16))
);
alter table public.dead_event_outcomes owner to skeldir_owner;
alter table public.dead_event_outcomes enable row level security;
alter table public.dead_event_outcomes force row level security;
create policy open_to_runtime on public.dead_event_outcomes as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.dead_event_outcomes as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.dead_event_outcomes FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.dead_event_outcomes FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.dead_event_outcomes FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert on public.dead_event_outcomes to app_ingest;
grant select on public.dead_event_outcomes to app_ro, app_user, app_worker;

create table public.dead_event_replays (
  tenant_id uuid not null,
  replay_id uuid not null default gen_random_uuid(),
  filter jsonb not null,
  requested_by uuid,
  correlation_id uuid not null,
  requested_at timestamp with time zone not null default now(),
  constraint dead_event_replays_pkey PRIMARY KEY (tenant_id, replay_id),
  constraint dead_event_replays_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id)
);
alter table public.dead_event_replays owner to skeldir_owner;
alter table public.dead_event_replays enable row level security;
alter table public.dead_event_replays force row level security;
create policy open_to_runtime on public.dead_event_replays as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.dead_event_replays as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.dead_event_replays FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.dead_event_replays FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.dead_event_replays FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
grant insert, select on public.dead_event_replays to app_user;
grant select on public.dead_event_replays to app_ro, app_worker;

create table public.dead_event_sightings (
  tenant_id uuid not null,
  dead_event_id uuid not null,
  seen integer not null default 1,
  first_seen_at timestamp with time zone not null default now(),
  last_seen_at timestamp with time zone not null default now(),
  last_correlation_id uuid not null,
  constraint dead_event_sightings_pkey PRIMARY KEY (tenant_id, dead_event_id),
  constraint dead_event_sightings_tenant_id_dead_event_id_fkey FOREIGN KEY (tenant_id, dead_event_id) REFERENCES public.dead_events(tenant_id, dead_event_id),
  constraint dead_event_sightings_seen_check CHECK ((seen >= 1))
);
alter table public.dead_event_sightings owner to skeldir_owner;
alter table public.dead_event_sightings enable row level security;
alter table public.dead_event_sightings force row level security;
create policy open_to_runtime on public.dead_event_sightings as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.dead_event_sightings as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.dead_event_sightings FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select, update (last_correlation_id, last_seen_at, seen) on public.dead_event_sightings to app_ingest;
grant select on public.dead_event_sightings to app_ro, app_user, app_worker;

create table public.dead_event_states (
  tenant_id uuid not null,
  dead_event_id uuid not null,
  status text not null,
  replays integer not null default 0,
  replay_id uuid,
  resolved_at timestamp with time zone,
  resolved_by uuid,
  note text,
  constraint dead_event_states_pkey PRIMARY KEY (tenant_id, dead_event_id),
  constraint dead_event_states_tenant_id_dead_event_id_fkey FOREIGN KEY (tenant_id, dead_event_id) REFERENCES public.dead_events(tenant_id, dead_event_id),
  constraint dead_event_states_tenant_id_replay_id_fkey FOREIGN KEY (tenant_id, replay_id) REFERENCES public.dead_event_replays(tenant_id, replay_id),
  constraint dead_event_states_check CHECK (((status = ANY (ARRAY['resolved'::text, 'abandoned'::text])) = (resolved_at IS NOT NULL))),
  constraint dead_event_states_check1 CHECK (((status = ANY (ARRAY['resolved'::text, 'abandoned'::text])) OR ((resolved_by IS NULL) AND (note IS NULL)))),
  constraint dead_event_states_check2 CHECK ((((replays = 0) = (replay_id IS NULL)) AND ((status <> 'in_progress'::text) OR (replay_id IS NOT NULL)))),
  constraint dead_event_states_note_check CHECK (((length(note) >= 1) AND (length(note) <= 500))),
  constraint dead_event_states_replays_check CHECK ((replays >= 0)),
  constraint dead_event_states_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'in_progress'::text, 'resolved'::text, 'abandoned'::text])))
);
alter table public.dead_event_states owner to skeldir_owner;
alter table public.dead_event_states enable row level security;
alter table public.dead_event_states force row level security;
create policy open_to_runtime on public.dead_event_states as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.dead_event_states as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.dead_event_states FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
CREATE TRIGGER no_personal_data_in_note BEFORE UPDATE OF note ON public.dead_event_states FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
grant insert, select, update (note, replay_id, replays, resolved_at, resolved_by, status) on public.dead_event_states to app_user;
grant select (dead_event_id, replay_id, status, tenant_id), update (resolved_at, status) on public.dead_event_states to app_ingest;
grant select on public.dead_event_states to app_ro, app_worker;

create table public.dead_event_takes (
  tenant_id uuid not null,
  replay_id uuid not null,
  dead_event_id uuid not null,
  "position" integer not null,
  constraint dead_event_takes_pkey PRIMARY KEY (tenant_id, replay_id, dead_event_id),
  constraint dead_event_takes_tenant_id_replay_id_position_key UNIQUE (tenant_id, replay_id, "position"),
  constraint dead_event_takes_tenant_id_dead_event_id_fkey FOREIGN KEY (tenant_id, dead_event_id) REFERENCES public.dead_events(tenant_id, dead_event_id),
  constraint dead_event_takes_tenant_id_replay_id_fkey FOREIGN KEY (tenant_id, replay_id) REFERENCES public.dead_event_replays(tenant_id, replay_id),
  constraint dead_event_takes_position_check CHECK ((("position" >= 1) AND ("position" <= 10000)))
);
alter table public.dead_event_takes owner to skeldir_owner;
CREATE INDEX dead_event_takes_event_idx ON public.dead_event_takes USING btree (tenant_id, dead_event_id);
alter table public.dead_event_takes enable row level security;
alter table public.dead_event_takes force row level security;
create policy open_to_runtime on public.dead_event_takes as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.dead_event_takes as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.dead_event_takes FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.dead_event_takes FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
grant insert, select on public.dead_event_takes to app_user;
grant select on public.dead_event_takes to app_ro, app_worker;

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
  constraint dead_events_vendor_check CHECK ((vendor = ANY (ARRAY['stripe'::text, 'shopify'::text, 'paypal'::text, 'woocommerce'::text])))
);
alter table public.dead_events owner to skeldir_owner;
CREATE INDEX dead_events_kept_idx ON public.dead_events USING btree (tenant_id, received_at) WHERE (payload IS NOT NULL);
CREATE INDEX dead_events_received_idx ON public.dead_events USING btree (tenant_id, received_at, dead_event_id);
alter table public.dead_events enable row level security;
alter table public.dead_events force row level security;
create policy open_to_runtime on public.dead_events as permissive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.dead_events as restrictive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.dead_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_change_but_erasure('payload');
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.dead_events FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.dead_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.dead_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select (body_sha256, code, dead_event_id, endpoint_id, external_id, tenant_id, vendor) on public.dead_events to app_ingest;
grant select on public.dead_events to app_ro, app_user, app_worker;
grant select, update (payload) on public.dead_events to app_retention;

create table public.endpoint_silences (
  tenant_id uuid not null,
  endpoint_id uuid not null,
  silent_since timestamp with time zone not null,
  noticed_at timestamp with time zone not null,
  limit_seconds integer not null,
  attempts integer not null default 0,
  told_targets text[] not null default '{}'::text[],
  told_at timestamp with time zone,
  constraint endpoint_silences_pkey PRIMARY KEY (tenant_id, endpoint_id, silent_since),
  constraint endpoint_silences_tenant_id_endpoint_id_fkey FOREIGN KEY (tenant_id, endpoint_id) REFERENCES public.webhook_endpoints(tenant_id, endpoint_id),
  constraint endpoint_silences_attempts_check CHECK ((attempts >= 0)),
  constraint endpoint_silences_limit_seconds_check CHECK ((limit_seconds > 0))
);
alter table public.endpoint_silences owner to skeldir_owner;
alter table public.endpoint_silences enable row level security;
alter table public.endpoint_silences force row level security;
create policy open_to_runtime on public.endpoint_silences as permissive for all to app_ingest, app_ro, app_user
  using (true)
  with check (true);
create policy tenant_only on public.endpoint_silences as restrictive for all to app_ingest, app_ro, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant insert, select, update (attempts, told_at, told_targets) on public.endpoint_silences to app_ingest;
grant select on public.endpoint_silences to app_ro, app_user;

create table public.erased_orders (
  tenant_id uuid not null,
  order_key text not null,
  erased_at timestamp with time zone not null default now(),
  constraint erased_orders_pkey PRIMARY KEY (tenant_id, order_key),
  constraint erased_orders_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint erased_orders_order_key_check CHECK (((length(order_key) >= 1) AND (length(order_key) <= 140)))
);
alter table public.erased_orders owner to skeldir_owner;
alter table public.erased_orders enable row level security;
alter table public.erased_orders force row level security;
create policy open_to_runtime on public.erased_orders as permissive for all to app_ingest, app_retention
  using (true)
  with check (true);
create policy tenant_only on public.erased_orders as restrictive for all to app_ingest, app_retention
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant insert, select on public.erased_orders to app_retention;
grant select on public.erased_orders to app_ingest;

create table public.fx_rates (
  base text not null,
  quote text not null,
  as_of date not null,
  source text not null,
  version integer not null default 1,
  rate numeric not null,
  recorded_at timestamp with time zone not null default now(),
  constraint fx_rates_pkey PRIMARY KEY (as_of, base, quote, source, version),
  constraint fx_rates_as_of_check CHECK (((as_of >= '1970-01-01'::date) AND (as_of <= '2099-12-31'::date))),
  constraint fx_rates_base_check CHECK ((base ~ '^[A-Z]{3}$'::text)),
  constraint fx_rates_check CHECK ((base <> quote)),
  constraint fx_rates_quote_check CHECK ((quote ~ '^[A-Z]{3}$'::text)),
  constraint fx_rates_rate_check CHECK (((rate > (0)::numeric) AND (rate < '1000000000000000'::numeric) AND (scale(rate) <= 15))),
  constraint fx_rates_source_check CHECK ((source ~ '^[a-z0-9][a-z0-9._-]{0,39}$'::text)),
  constraint fx_rates_version_check CHECK ((version >= 1))
);
alter table public.fx_rates owner to skeldir_owner;
alter table public.fx_rates enable row level security;
alter table public.fx_rates force row level security;
create policy load on public.fx_rates as permissive for all to app_rw
  using (true)
  with check (true);
create policy read on public.fx_rates as permissive for select to app_ro, app_user, app_worker
  using (true);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.fx_rates FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.fx_rates FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER attribution_changes AFTER INSERT ON public.fx_rates REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_fx_rates();
grant insert (as_of, base, quote, rate, source, version), select on public.fx_rates to app_rw;
grant select on public.fx_rates to app_ro, app_user, app_worker;

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
create policy open_to_runtime on public.idempotency_keys as permissive for all to app_ingest, app_retention, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.idempotency_keys as restrictive for all to app_ingest, app_retention, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select, update (claim_id, claimed_until, effect_at, expires_at, key_version, operation_id, request_hash, sealed) on public.idempotency_keys to app_user;
grant delete, select (expires_at, key_hash, tenant_id) on public.idempotency_keys to app_retention;
grant delete, select (expires_at, tenant_id) on public.idempotency_keys to app_worker;
grant select (claim_id, key_hash, tenant_id), update (effect_at) on public.idempotency_keys to app_ingest;

create table public.import_files (
  tenant_id uuid not null,
  kind text not null,
  file_sha256 bytea not null,
  reading text not null,
  rows_done bigint not null default 0,
  tally jsonb not null default '{}'::jsonb,
  started_at timestamp with time zone not null default now(),
  finished_at timestamp with time zone,
  constraint import_files_pkey PRIMARY KEY (tenant_id, kind, file_sha256, reading),
  constraint import_files_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint import_files_file_sha256_check CHECK ((octet_length(file_sha256) = 32)),
  constraint import_files_kind_check CHECK ((kind = ANY (ARRAY['orders'::text, 'touchpoints'::text, 'spend'::text]))),
  constraint import_files_reading_check CHECK (((length(reading) >= 1) AND (length(reading) <= 100))),
  constraint import_files_rows_done_check CHECK ((rows_done >= 0))
);
alter table public.import_files owner to skeldir_owner;
alter table public.import_files enable row level security;
alter table public.import_files force row level security;
create policy open_to_runtime on public.import_files as permissive for all to app_ingest, app_ro, app_user
  using (true)
  with check (true);
create policy tenant_only on public.import_files as restrictive for all to app_ingest, app_ro, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.import_files FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.import_files FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select, update (finished_at, rows_done, started_at, tally) on public.import_files to app_ingest;
grant select on public.import_files to app_ro, app_user;

create table public.job_effects (
  tenant_id uuid not null,
  job_id uuid not null,
  effect text not null,
  attempt integer not null,
  entered_at timestamp with time zone not null default clock_timestamp(),
  constraint job_effects_pkey PRIMARY KEY (tenant_id, job_id, effect),
  constraint job_effects_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint job_effects_attempt_check CHECK ((attempt >= 1)),
  constraint job_effects_effect_check CHECK ((effect ~ '^[a-z][a-z0-9_.-]{0,63}$'::text))
);
alter table public.job_effects owner to skeldir_owner;
CREATE INDEX job_effects_entered_idx ON public.job_effects USING btree (tenant_id, entered_at);
alter table public.job_effects enable row level security;
alter table public.job_effects force row level security;
create policy open_to_runtime on public.job_effects as permissive for all to app_ingest, app_retention, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.job_effects as restrictive for all to app_ingest, app_retention, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert (attempt, effect, job_id, tenant_id), select (effect, entered_at, job_id, tenant_id) on public.job_effects to app_retention;
grant insert, select on public.job_effects to app_ingest, app_worker;

create table public.ledger_entries (
  tenant_id uuid not null,
  entry_key text not null,
  order_key text not null,
  kind text not null,
  amount_minor bigint not null,
  currency text not null,
  vendor text not null,
  event_id uuid,
  occurred_at timestamp with time zone not null,
  recorded_at timestamp with time zone not null default now(),
  source text not null default 'webhook'::text,
  reverses_entry_key text,
  corrects_entry_key text,
  constraint ledger_entries_pkey PRIMARY KEY (tenant_id, entry_key),
  constraint ledger_entries_corrects_fkey FOREIGN KEY (tenant_id, corrects_entry_key) REFERENCES public.ledger_entries(tenant_id, entry_key),
  constraint ledger_entries_reverses_fkey FOREIGN KEY (tenant_id, reverses_entry_key) REFERENCES public.ledger_entries(tenant_id, entry_key),
  constraint ledger_entries_tenant_id_event_id_fkey FOREIGN KEY (tenant_id, event_id) REFERENCES public.webhook_events(tenant_id, event_id),
  constraint ledger_entries_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint ledger_entries_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint ledger_entries_entry_key_check CHECK (((length(entry_key) >= 1) AND (length(entry_key) <= 255))),
  constraint ledger_entries_event_check CHECK (((event_id IS NOT NULL) OR (source = ANY (ARRAY['conversion'::text, 'import'::text])))),
  constraint ledger_entries_kind_check CHECK ((kind = ANY (ARRAY['capture'::text, 'refund'::text, 'dispute'::text, 'dispute_reversal'::text]))),
  constraint ledger_entries_order_key_check CHECK ((order_key ~ '^(shopify|stripe|paypal|woocommerce|own):[A-Za-z0-9_-]{1,128}$'::text)),
  constraint ledger_entries_reverses_check CHECK (((reverses_entry_key IS NOT NULL) = (kind = 'dispute_reversal'::text))),
  constraint ledger_entries_sign_check CHECK (((amount_minor <> 0) AND ((corrects_entry_key IS NOT NULL) OR ((amount_minor > 0) = (kind = ANY (ARRAY['capture'::text, 'dispute_reversal'::text])))))),
  constraint ledger_entries_source_check CHECK ((source = ANY (ARRAY['webhook'::text, 'conversion'::text, 'import'::text, 'poll'::text]))),
  constraint ledger_entries_vendor_check CHECK ((vendor = ANY (ARRAY['stripe'::text, 'shopify'::text, 'paypal'::text, 'woocommerce'::text, 'own'::text])))
);
alter table public.ledger_entries owner to skeldir_owner;
CREATE INDEX ledger_entries_corrects_idx ON public.ledger_entries USING btree (tenant_id, corrects_entry_key) WHERE (corrects_entry_key IS NOT NULL);
CREATE INDEX ledger_entries_order_idx ON public.ledger_entries USING btree (tenant_id, order_key);
CREATE INDEX ledger_entries_recorded_idx ON public.ledger_entries USING btree (tenant_id, recorded_at);
CREATE INDEX ledger_entries_reverses_idx ON public.ledger_entries USING btree (tenant_id, reverses_entry_key) WHERE (reverses_entry_key IS NOT NULL);
CREATE INDEX ledger_entries_time_idx ON public.ledger_entries USING btree (tenant_id, occurred_at);
alter table public.ledger_entries enable row level security;
alter table public.ledger_entries force row level security;
create policy open_to_runtime on public.ledger_entries as permissive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.ledger_entries as restrictive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.ledger_entries FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER attribution_changes AFTER INSERT ON public.ledger_entries REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_orders();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.ledger_entries FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
CREATE TRIGGER view_changes AFTER INSERT ON public.ledger_entries REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_ledger_entries();
grant insert, select (amount_minor, corrects_entry_key, currency, entry_key, kind, occurred_at, order_key, reverses_entry_key, source, tenant_id, vendor) on public.ledger_entries to app_ingest;
grant select on public.ledger_entries to app_retention, app_ro, app_user, app_worker;

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
create policy open_to_runtime on public.member_invitations as permissive for all to app_retention, app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.member_invitations as restrictive for all to app_retention, app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER not_offboarded BEFORE INSERT ON public.member_invitations FOR EACH ROW EXECUTE FUNCTION internal.refuse_offboarded();
grant delete, insert, select on public.member_invitations to app_rw, app_user;
grant delete, select (expires_at, tenant_id, user_id) on public.member_invitations to app_retention;
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
create policy open_to_runtime on public.memberships as permissive for all to app_retention, app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.memberships as restrictive for all to app_retention, app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER not_offboarded BEFORE INSERT ON public.memberships FOR EACH ROW EXECUTE FUNCTION internal.refuse_offboarded();
CREATE TRIGGER revoke_tokens AFTER INSERT OR DELETE OR UPDATE OF role ON public.memberships FOR EACH ROW EXECUTE FUNCTION internal.revoke_by_membership();
grant delete, insert, select, update (role) on public.memberships to app_rw, app_user;
grant delete, select (tenant_id, user_id) on public.memberships to app_retention;
grant select on public.memberships to skeldir_control;

create table public.order_facts (
  tenant_id uuid not null,
  order_key text not null,
  event_id uuid,
  currency text not null,
  ordered_at timestamp with time zone not null,
  identity bytea,
  recorded_at timestamp with time zone not null default now(),
  conversion_id uuid,
  fact_id uuid not null generated always as (COALESCE(event_id, conversion_id)) stored,
  constraint order_facts_pkey PRIMARY KEY (tenant_id, order_key, fact_id),
  constraint order_facts_event_key UNIQUE (tenant_id, order_key, event_id),
  constraint order_facts_tenant_id_conversion_id_fkey FOREIGN KEY (tenant_id, conversion_id) REFERENCES public.conversions(tenant_id, event_id),
  constraint order_facts_tenant_id_event_id_fkey FOREIGN KEY (tenant_id, event_id) REFERENCES public.webhook_events(tenant_id, event_id),
  constraint order_facts_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint order_facts_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint order_facts_identity_check CHECK ((octet_length(identity) = 32)),
  constraint order_facts_order_key_check CHECK ((order_key ~ '^(shopify|stripe|paypal|woocommerce|own):[A-Za-z0-9_-]{1,128}$'::text)),
  constraint order_facts_origin_check CHECK (((event_id IS NULL) OR (conversion_id IS NULL)))
);
alter table public.order_facts owner to skeldir_owner;
CREATE INDEX order_facts_identity_idx ON public.order_facts USING btree (tenant_id, identity, ordered_at);
CREATE INDEX order_facts_recorded_idx ON public.order_facts USING btree (tenant_id, recorded_at);
CREATE INDEX order_facts_time_idx ON public.order_facts USING btree (tenant_id, ordered_at);
alter table public.order_facts enable row level security;
alter table public.order_facts force row level security;
create policy open_to_runtime on public.order_facts as permissive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.order_facts as restrictive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.order_facts FOR EACH ROW EXECUTE FUNCTION internal.refuse_change_but_erasure('identity', 'fact_id');
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.order_facts FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER attribution_changes AFTER INSERT ON public.order_facts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_orders();
CREATE TRIGGER forget_erased_buyer BEFORE INSERT ON public.order_facts FOR EACH ROW WHEN ((new.identity IS NOT NULL)) EXECUTE FUNCTION internal.forget_erased_buyer();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.order_facts FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select (event_id, order_key, tenant_id) on public.order_facts to app_ingest;
grant select on public.order_facts to app_ro, app_user, app_worker;
grant select, update (identity) on public.order_facts to app_retention;

create table public.order_groups (
  tenant_id uuid not null,
  order_key text not null,
  group_key text not null,
  constraint order_groups_pkey PRIMARY KEY (tenant_id, order_key),
  constraint order_groups_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint order_groups_group_key_check CHECK (((length(group_key) >= 1) AND (length(group_key) <= 140))),
  constraint order_groups_order_key_check CHECK (((length(order_key) >= 1) AND (length(order_key) <= 140)))
);
alter table public.order_groups owner to skeldir_owner;
CREATE INDEX order_groups_group_idx ON public.order_groups USING btree (tenant_id, group_key);
alter table public.order_groups enable row level security;
alter table public.order_groups force row level security;
create policy open_to_runtime on public.order_groups as permissive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.order_groups as restrictive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER attribution_changes_delete AFTER DELETE ON public.order_groups REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_grouped_orders();
CREATE TRIGGER attribution_changes_insert AFTER INSERT ON public.order_groups REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_grouped_orders();
CREATE TRIGGER attribution_changes_update AFTER UPDATE ON public.order_groups REFERENCING OLD TABLE AS old_rows NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_grouped_orders();
grant delete, insert, select, update (group_key) on public.order_groups to app_ingest;
grant select on public.order_groups to app_retention, app_ro, app_user, app_worker;

create table public.order_parts (
  tenant_id uuid not null,
  order_key text not null,
  event_id uuid,
  conversion_id uuid,
  fact_id uuid not null generated always as (COALESCE(event_id, conversion_id)) stored,
  covers text not null generated always as (
CASE
    WHEN (event_id IS NULL) THEN 'payment'::text
    ELSE 'order'::text
END) stored,
  version_at timestamp with time zone,
  currency text not null,
  total_minor bigint not null,
  tax_minor bigint not null,
  shipping_minor bigint not null,
  tip_minor bigint not null,
  discount_minor bigint not null,
  recorded_at timestamp with time zone not null default now(),
  constraint order_parts_pkey PRIMARY KEY (tenant_id, order_key, fact_id),
  constraint order_parts_tenant_id_order_key_event_id_key UNIQUE (tenant_id, order_key, event_id),
  constraint order_parts_tenant_id_conversion_id_fkey FOREIGN KEY (tenant_id, conversion_id) REFERENCES public.conversions(tenant_id, event_id),
  constraint order_parts_tenant_id_event_id_fkey FOREIGN KEY (tenant_id, event_id) REFERENCES public.webhook_events(tenant_id, event_id),
  constraint order_parts_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint order_parts_check CHECK ((num_nonnulls(event_id, conversion_id) = 1)),
  constraint order_parts_check1 CHECK ((((tax_minor + shipping_minor) + tip_minor) <= total_minor)),
  constraint order_parts_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint order_parts_discount_minor_check CHECK ((discount_minor >= 0)),
  constraint order_parts_order_key_check CHECK ((order_key ~ '^(shopify|stripe|paypal|woocommerce|own):[A-Za-z0-9_-]{1,128}$'::text)),
  constraint order_parts_shipping_minor_check CHECK ((shipping_minor >= 0)),
  constraint order_parts_tax_minor_check CHECK ((tax_minor >= 0)),
  constraint order_parts_tip_minor_check CHECK ((tip_minor >= 0)),
  constraint order_parts_total_minor_check CHECK ((total_minor > 0))
);
alter table public.order_parts owner to skeldir_owner;
alter table public.order_parts enable row level security;
alter table public.order_parts force row level security;
create policy open_to_runtime on public.order_parts as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.order_parts as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.order_parts FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.order_parts FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER attribution_changes AFTER INSERT ON public.order_parts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_order_parts();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.order_parts FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select on public.order_parts to app_ingest;
grant select on public.order_parts to app_ro, app_user, app_worker;

create table public.poll_credentials (
  tenant_id uuid not null,
  endpoint_id uuid not null,
  key_version integer not null,
  sealed bytea not null,
  updated_at timestamp with time zone not null default now(),
  constraint poll_credentials_pkey PRIMARY KEY (tenant_id, endpoint_id),
  constraint poll_credentials_tenant_id_endpoint_id_fkey FOREIGN KEY (tenant_id, endpoint_id) REFERENCES public.webhook_endpoints(tenant_id, endpoint_id),
  constraint poll_credentials_tenant_id_key_version_fkey FOREIGN KEY (tenant_id, key_version) REFERENCES public.tenant_keys(tenant_id, key_version),
  constraint poll_credentials_sealed_check CHECK (((octet_length(sealed) >= 28) AND (octet_length(sealed) <= 16384)))
);
alter table public.poll_credentials owner to skeldir_owner;
alter table public.poll_credentials enable row level security;
alter table public.poll_credentials force row level security;
create policy lookup_by_control on public.poll_credentials as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.poll_credentials as permissive for all to app_ingest, app_retention
  using (true)
  with check (true);
create policy tenant_only on public.poll_credentials as restrictive for all to app_ingest, app_retention
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select, update (key_version, sealed, updated_at) on public.poll_credentials to app_ingest;
grant delete, select (endpoint_id, tenant_id) on public.poll_credentials to app_retention;
grant select on public.poll_credentials to skeldir_control;

create table public.poll_cursors (
  tenant_id uuid not null,
  endpoint_id uuid not null,
  polled_until timestamp with time zone not null,
  updated_at timestamp with time zone not null default now(),
  constraint poll_cursors_pkey PRIMARY KEY (tenant_id, endpoint_id),
  constraint poll_cursors_tenant_id_endpoint_id_fkey FOREIGN KEY (tenant_id, endpoint_id) REFERENCES public.webhook_endpoints(tenant_id, endpoint_id)
);
alter table public.poll_cursors owner to skeldir_owner;
alter table public.poll_cursors enable row level security;
alter table public.poll_cursors force row level security;
create policy open_to_runtime on public.poll_cursors as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.poll_cursors as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER view_changes AFTER INSERT OR UPDATE ON public.poll_cursors FOR EACH ROW EXECUTE FUNCTION internal.note_poll();
grant insert, select, update (polled_until, updated_at) on public.poll_cursors to app_ingest;
grant select on public.poll_cursors to app_ro, app_user, app_worker;

create table public.poll_findings (
  tenant_id uuid not null,
  run_id uuid not null,
  endpoint_id uuid not null,
  topic text not null,
  listed_since timestamp with time zone not null,
  listed_until timestamp with time zone not null,
  is_whole boolean not null,
  seen integer not null,
  listed integer not null,
  missing integer not null,
  recovered integer not null,
  unreadable integer not null,
  missing_money jsonb not null,
  recorded_at timestamp with time zone not null default now(),
  constraint poll_findings_pkey PRIMARY KEY (tenant_id, run_id, endpoint_id, listed_since, topic),
  constraint poll_findings_tenant_id_endpoint_id_fkey FOREIGN KEY (tenant_id, endpoint_id) REFERENCES public.webhook_endpoints(tenant_id, endpoint_id),
  constraint poll_findings_check CHECK ((listed_until > listed_since)),
  constraint poll_findings_check1 CHECK (((missing >= 0) AND (missing <= listed))),
  constraint poll_findings_check2 CHECK (((recovered >= 0) AND (recovered <= missing))),
  constraint poll_findings_check3 CHECK ((seen = (listed - missing))),
  constraint poll_findings_listed_check CHECK ((listed >= 0)),
  constraint poll_findings_seen_check CHECK ((seen >= 0)),
  constraint poll_findings_topic_check CHECK (((length(topic) >= 1) AND (length(topic) <= 100))),
  constraint poll_findings_unreadable_check CHECK ((unreadable >= 0))
);
alter table public.poll_findings owner to skeldir_owner;
alter table public.poll_findings enable row level security;
alter table public.poll_findings force row level security;
create policy open_to_runtime on public.poll_findings as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.poll_findings as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.poll_findings FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.poll_findings FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.poll_findings FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
CREATE TRIGGER view_changes AFTER INSERT ON public.poll_findings FOR EACH ROW EXECUTE FUNCTION internal.note_poll();
grant insert, select on public.poll_findings to app_ingest;
grant select on public.poll_findings to app_ro, app_user, app_worker;

create table public.published_day_runs (
  tenant_id uuid not null,
  edition_id uuid not null,
  model text not null,
  window_start timestamp with time zone not null,
  run_id uuid not null,
  published_at timestamp with time zone not null default now(),
  constraint published_day_runs_pkey PRIMARY KEY (tenant_id, edition_id, model, window_start)
);
alter table public.published_day_runs owner to skeldir_owner;
alter table public.published_day_runs enable row level security;
alter table public.published_day_runs force row level security;
create policy lookup_by_control on public.published_day_runs as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.published_day_runs as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.published_day_runs as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER view_changes_insert AFTER INSERT ON public.published_day_runs REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_published_runs();
CREATE TRIGGER view_changes_update AFTER UPDATE ON public.published_day_runs REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_published_runs();
grant insert, select, update (published_at, run_id) on public.published_day_runs to app_worker;
grant select on public.published_day_runs to app_ro, app_user, skeldir_control;

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
CREATE TRIGGER view_changes AFTER INSERT OR UPDATE ON public.published_runs FOR EACH ROW EXECUTE FUNCTION internal.note_published_run();
grant insert, select, update on public.published_runs to app_worker;
grant select on public.published_runs to app_ro, app_user;

create table public.published_windows (
  tenant_id uuid not null,
  edition_id uuid not null,
  first_day date not null,
  last_day date not null,
  time_zone text not null,
  currency text not null,
  is_converted boolean not null,
  window_run_id uuid not null,
  publication integer not null,
  checked_at timestamp with time zone not null default now(),
  constraint published_windows_pkey PRIMARY KEY (tenant_id, edition_id, first_day, last_day, time_zone, currency, is_converted),
  constraint published_windows_tenant_id_edition_id_fkey FOREIGN KEY (tenant_id, edition_id) REFERENCES public.attribution_editions(tenant_id, edition_id),
  constraint published_windows_tenant_id_window_run_id_fkey FOREIGN KEY (tenant_id, window_run_id) REFERENCES public.attribution_window_runs(tenant_id, window_run_id),
  constraint published_windows_publication_check CHECK ((publication >= 0))
);
alter table public.published_windows owner to skeldir_owner;
CREATE INDEX published_windows_run_idx ON public.published_windows USING btree (tenant_id, window_run_id);
alter table public.published_windows enable row level security;
alter table public.published_windows force row level security;
create policy open_to_runtime on public.published_windows as permissive for all to app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.published_windows as restrictive for all to app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, select on public.published_windows to app_retention;
grant insert, select, update (checked_at, publication, window_run_id) on public.published_windows to app_worker;
grant select on public.published_windows to app_ro, app_user;

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

create table public.retention_runs (
  tenant_id uuid not null,
  run_id uuid not null,
  item text not null,
  cutoff timestamp with time zone not null,
  looked_at bigint not null,
  removed bigint not null default 0,
  started_at timestamp with time zone not null default clock_timestamp(),
  finished_at timestamp with time zone,
  constraint retention_runs_pkey PRIMARY KEY (tenant_id, run_id, item),
  constraint retention_runs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint retention_runs_check CHECK ((removed <= looked_at)),
  constraint retention_runs_item_check CHECK ((item ~ '^[a-z_]{1,40}$'::text)),
  constraint retention_runs_looked_at_check CHECK ((looked_at >= 0)),
  constraint retention_runs_removed_check CHECK ((removed >= 0))
);
alter table public.retention_runs owner to skeldir_owner;
CREATE INDEX retention_runs_latest_idx ON public.retention_runs USING btree (tenant_id, item, cutoff DESC) WHERE (finished_at IS NOT NULL);
alter table public.retention_runs enable row level security;
alter table public.retention_runs force row level security;
create policy open_to_runtime on public.retention_runs as permissive for all to app_retention, app_ro, app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.retention_runs as restrictive for all to app_retention, app_ro, app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant insert, select, update (finished_at, looked_at, removed) on public.retention_runs to app_retention;
grant select on public.retention_runs to app_ro, app_rw, app_user;

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

create table public.schedule_runs (
  run_id uuid not null,
  schedule text not null,
  started_at timestamp with time zone not null default clock_timestamp(),
  finished_at timestamp with time zone,
  outcome text not null default 'running'::text,
  message text,
  worker_id text not null,
  constraint schedule_runs_pkey PRIMARY KEY (run_id),
  constraint schedule_runs_check CHECK (((finished_at IS NULL) = (outcome = 'running'::text))),
  constraint schedule_runs_message_check CHECK (((length(message) >= 1) AND (length(message) <= 500))),
  constraint schedule_runs_outcome_check CHECK ((outcome = ANY (ARRAY['running'::text, 'succeeded'::text, 'failed'::text]))),
  constraint schedule_runs_schedule_check CHECK ((schedule ~ '^[a-z][a-z0-9_.-]{0,63}$'::text)),
  constraint schedule_runs_worker_id_check CHECK (((length(worker_id) >= 1) AND (length(worker_id) <= 128)))
);
alter table public.schedule_runs owner to skeldir_owner;
CREATE INDEX schedule_runs_started_idx ON public.schedule_runs USING btree (schedule, started_at DESC);
alter table public.schedule_runs enable row level security;
alter table public.schedule_runs force row level security;
create policy run on public.schedule_runs as permissive for all to app_worker
  using (true)
  with check (true);
create policy watch on public.schedule_runs as permissive for select to app_user
  using (true);
grant delete, insert (run_id, schedule, worker_id), select, update (finished_at, message, outcome, started_at, worker_id) on public.schedule_runs to app_worker;
grant select on public.schedule_runs to app_user;

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
create policy open_to_runtime on public.sessions as permissive for all to app_retention, app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.sessions as restrictive for all to app_retention, app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select, update (ended_at, last_used_at) on public.sessions to app_user;
grant delete, select (ended_at, expires_at, session_id, tenant_id) on public.sessions to app_retention;
grant select on public.sessions to skeldir_control;
grant select, update (ended_at) on public.sessions to app_rw;

create table public.spend_versions (
  tenant_id uuid not null,
  day date not null,
  time_zone text not null,
  channel text not null,
  source text not null,
  campaign text not null,
  currency text not null,
  version integer not null,
  amount_minor bigint not null,
  impressions bigint,
  clicks bigint,
  recorded_at timestamp with time zone not null default now(),
  constraint spend_versions_pkey PRIMARY KEY (tenant_id, day, time_zone, channel, source, campaign, currency, version),
  constraint spend_versions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint spend_versions_amount_minor_check CHECK ((amount_minor >= 0)),
  constraint spend_versions_campaign_check CHECK ((length(campaign) <= 255)),
  constraint spend_versions_channel_check CHECK ((channel ~ '^[a-z_]{1,40}$'::text)),
  constraint spend_versions_clicks_check CHECK ((clicks >= 0)),
  constraint spend_versions_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint spend_versions_impressions_check CHECK ((impressions >= 0)),
  constraint spend_versions_source_check CHECK (((length(source) >= 1) AND (length(source) <= 255))),
  constraint spend_versions_time_zone_check CHECK (((length(time_zone) >= 1) AND (length(time_zone) <= 64))),
  constraint spend_versions_version_check CHECK ((version >= 1))
);
alter table public.spend_versions owner to skeldir_owner;
alter table public.spend_versions enable row level security;
alter table public.spend_versions force row level security;
create policy open_to_runtime on public.spend_versions as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.spend_versions as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.spend_versions FOR EACH ROW EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.spend_versions FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.spend_versions FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.spend_versions FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select (amount_minor, campaign, channel, clicks, currency, day, impressions, source, tenant_id, time_zone, version) on public.spend_versions to app_ingest;
grant select on public.spend_versions to app_ro, app_user, app_worker;

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
create policy open_to_runtime on public.tenant_alert_targets as permissive for all to app_ingest, app_retention, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.tenant_alert_targets as restrictive for all to app_ingest, app_retention, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select, update (key_version, sealed, updated_at) on public.tenant_alert_targets to app_user;
grant delete, select (tenant_id) on public.tenant_alert_targets to app_retention;
grant select on public.tenant_alert_targets to app_ingest, app_worker;

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
create policy open_to_runtime on public.tenant_allowed_origins as permissive for all to app_ingest, app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.tenant_allowed_origins as restrictive for all to app_ingest, app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select on public.tenant_allowed_origins to app_rw, app_user;
grant select on public.tenant_allowed_origins to app_ingest, skeldir_control;

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
create policy open_to_runtime on public.tenant_keys as permissive for all to app_ingest, app_retention, app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.tenant_keys as restrictive for all to app_ingest, app_retention, app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER not_offboarded BEFORE INSERT ON public.tenant_keys FOR EACH ROW EXECUTE FUNCTION internal.refuse_offboarded();
grant delete, select (key_version, tenant_id) on public.tenant_keys to app_retention;
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
create policy listing_for_retention on public.tenant_slugs as permissive for select to app_retention
  using (true);
create policy lookup_by_control on public.tenant_slugs as permissive for select to skeldir_control
  using (true);
create policy provisioning on public.tenant_slugs as permissive for all to app_rw
  using (true)
  with check (true);
grant insert, select on public.tenant_slugs to app_rw;
grant select on public.tenant_slugs to app_retention, skeldir_control;

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
  offboarded_at timestamp with time zone,
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
create policy open_to_runtime on public.tenants as permissive for all to app_ingest, app_retention, app_ro, app_rw, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.tenants as restrictive for all to app_ingest, app_retention, app_ro, app_rw, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER first_versions AFTER INSERT ON public.tenants FOR EACH ROW EXECUTE FUNCTION internal.insert_first_versions();
grant insert, select (offboarded_at), update (lookback_days, matched_from, min_completeness, min_conversions, minor_from, reporting_currency, retention_days, settings_version, severe_below, time_zone, updated_at) on public.tenants to app_rw;
grant select (offboarded_at), update (lookback_days, matched_from, min_completeness, min_conversions, minor_from, reporting_currency, retention_days, settings_version, severe_below, time_zone, updated_at) on public.tenants to app_user;
grant select (offboarded_at, retention_days, slug, tenant_id), update (offboarded_at) on public.tenants to app_retention;
grant select on public.tenants to app_ingest, app_ro, app_worker, skeldir_control;

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
create policy lookup_by_control on public.token_cutoffs as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.token_cutoffs as permissive for all to app_retention, app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.token_cutoffs as restrictive for all to app_retention, app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, select (tenant_id) on public.token_cutoffs to app_retention;
grant insert, select, update (not_before, set_at) on public.token_cutoffs to app_rw, app_user;
grant select on public.token_cutoffs to skeldir_control;

create table public.touchpoints (
  tenant_id uuid not null,
  origin text not null,
  external_id text not null,
  identity bytea,
  occurred_at timestamp with time zone not null,
  channel text not null,
  source text,
  medium text,
  campaign text,
  item_sha256 bytea not null,
  received_at timestamp with time zone not null default now(),
  tier text not null default 'visitor_id'::text,
  session bytea,
  order_key text,
  click_kind text,
  click_hash bytea,
  landing_path text,
  referrer_host text,
  channel_rules text,
  constraint touchpoints_pkey PRIMARY KEY (tenant_id, origin, external_id),
  constraint touchpoints_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint touchpoints_campaign_check CHECK (((length(campaign) >= 1) AND (length(campaign) <= 255))),
  constraint touchpoints_channel_check CHECK ((channel ~ '^[a-z_]{1,40}$'::text)),
  constraint touchpoints_channel_rules_check CHECK ((channel_rules ~ '^[a-z0-9.]{1,20}/[0-9]{1,9}$'::text)),
  constraint touchpoints_click_check CHECK (((click_hash IS NULL) OR (click_kind IS NOT NULL))),
  constraint touchpoints_click_hash_check CHECK ((octet_length(click_hash) = 32)),
  constraint touchpoints_click_kind_check CHECK ((click_kind ~ '^[a-z_]{2,20}$'::text)),
  constraint touchpoints_external_id_check CHECK ((external_id ~ '^[A-Za-z0-9._:-]{1,128}$'::text)),
  constraint touchpoints_identity_check CHECK ((octet_length(identity) = 32)),
  constraint touchpoints_item_sha256_check CHECK ((octet_length(item_sha256) = 32)),
  constraint touchpoints_landing_path_check CHECK ((((length(landing_path) >= 1) AND (length(landing_path) <= 1024)) AND (landing_path !~ '[?#]'::text))),
  constraint touchpoints_medium_check CHECK (((length(medium) >= 1) AND (length(medium) <= 255))),
  constraint touchpoints_order_key_check CHECK ((order_key ~ '^(shopify|stripe|paypal|woocommerce|own):[A-Za-z0-9_-]{1,128}$'::text)),
  constraint touchpoints_origin_check CHECK ((origin = ANY (ARRAY['server'::text, 'browser'::text, 'order'::text, 'import'::text]))),
  constraint touchpoints_owner_check CHECK (((identity IS NOT NULL) OR (order_key IS NOT NULL))),
  constraint touchpoints_referrer_host_check CHECK ((referrer_host ~ '^[a-z0-9._:-]{1,253}$'::text)),
  constraint touchpoints_session_check CHECK ((octet_length(session) = 32)),
  constraint touchpoints_source_check CHECK (((length(source) >= 1) AND (length(source) <= 255))),
  constraint touchpoints_tier_check CHECK ((tier = ANY (ARRAY['visitor_id'::text, 'click_id'::text, 'vendor_journey'::text, 'landing_page'::text])))
);
alter table public.touchpoints owner to skeldir_owner;
CREATE INDEX touchpoints_click_idx ON public.touchpoints USING btree (tenant_id, click_hash) WHERE (click_hash IS NOT NULL);
CREATE INDEX touchpoints_journey_idx ON public.touchpoints USING btree (tenant_id, identity, occurred_at, external_id) INCLUDE (channel);
CREATE INDEX touchpoints_occurred_idx ON public.touchpoints USING btree (tenant_id, occurred_at);
CREATE INDEX touchpoints_order_idx ON public.touchpoints USING btree (tenant_id, order_key) WHERE (identity IS NULL);
alter table public.touchpoints enable row level security;
alter table public.touchpoints force row level security;
create policy open_to_runtime on public.touchpoints as permissive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.touchpoints as restrictive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.touchpoints FOR EACH ROW EXECUTE FUNCTION internal.refuse_change_but_erasure('rows');
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.touchpoints FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER attribution_changes AFTER INSERT ON public.touchpoints REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_touches();
CREATE TRIGGER forget_erased_buyer BEFORE INSERT ON public.touchpoints FOR EACH ROW WHEN ((new.order_key IS NOT NULL)) EXECUTE FUNCTION internal.forget_erased_buyer();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.touchpoints FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data();
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.touchpoints FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant delete, select on public.touchpoints to app_retention;
grant insert, select (external_id, item_sha256, origin, tenant_id) on public.touchpoints to app_ingest;
grant select on public.touchpoints to app_ro, app_user, app_worker;

create table public.uncounted_entries (
  tenant_id uuid not null,
  entry_key text not null,
  group_key text not null,
  constraint uncounted_entries_pkey PRIMARY KEY (tenant_id, entry_key),
  constraint uncounted_entries_tenant_id_entry_key_fkey FOREIGN KEY (tenant_id, entry_key) REFERENCES public.ledger_entries(tenant_id, entry_key),
  constraint uncounted_entries_group_key_check CHECK (((length(group_key) >= 1) AND (length(group_key) <= 140)))
);
alter table public.uncounted_entries owner to skeldir_owner;
CREATE INDEX uncounted_entries_group_idx ON public.uncounted_entries USING btree (tenant_id, group_key);
alter table public.uncounted_entries enable row level security;
alter table public.uncounted_entries force row level security;
create policy open_to_runtime on public.uncounted_entries as permissive for all to app_ingest, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.uncounted_entries as restrictive for all to app_ingest, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER attribution_changes_delete AFTER DELETE ON public.uncounted_entries REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_uncounted_orders();
CREATE TRIGGER attribution_changes_insert AFTER INSERT ON public.uncounted_entries REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_uncounted_orders();
CREATE TRIGGER view_changes_delete AFTER DELETE ON public.uncounted_entries REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_uncounted_entries();
CREATE TRIGGER view_changes_insert AFTER INSERT ON public.uncounted_entries REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION internal.note_uncounted_entries();
grant delete, insert, select, update (group_key) on public.uncounted_entries to app_ingest;
grant select on public.uncounted_entries to app_ro, app_user, app_worker;

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
create policy removal_by_control on public.users as permissive for delete to skeldir_control
  using (true);
CREATE TRIGGER end_sessions AFTER UPDATE OF password_hash ON public.users FOR EACH ROW WHEN ((CURRENT_USER <> 'skeldir_control'::name)) EXECUTE FUNCTION internal.end_sessions_with_password();
CREATE TRIGGER revoke_tokens AFTER DELETE OR UPDATE OF status ON public.users FOR EACH ROW EXECUTE FUNCTION internal.revoke_by_account();
grant delete, select, update (password_hash) on public.users to skeldir_control;
grant insert (email, password_hash, user_id) on public.users to app_user;
grant insert, select, update (password_hash, status) on public.users to app_rw;

create table public.view_allocation_summary (
  tenant_id uuid not null,
  day date not null,
  model text not null,
  currency text not null,
  run_id uuid not null,
  model_version text not null,
  orders integer not null,
  attributed_orders integer not null,
  revenue_minor bigint not null,
  allocated_minor bigint not null,
  is_balanced boolean not null generated always as ((allocated_minor = revenue_minor)) stored,
  constraint view_allocation_summary_pkey PRIMARY KEY (tenant_id, day, model, currency),
  constraint view_allocation_summary_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint view_allocation_summary_check CHECK (((attributed_orders >= 0) AND (attributed_orders <= orders))),
  constraint view_allocation_summary_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint view_allocation_summary_orders_check CHECK ((orders >= 0))
);
alter table public.view_allocation_summary owner to skeldir_owner;
alter table public.view_allocation_summary enable row level security;
alter table public.view_allocation_summary force row level security;
create policy open_to_runtime on public.view_allocation_summary as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.view_allocation_summary as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select on public.view_allocation_summary to app_worker;
grant select on public.view_allocation_summary to app_ro, app_user;

create table public.view_changes (
  tenant_id uuid not null,
  view text not null,
  bucket text not null,
  change_id bigint not null generated always as identity,
  changed_at timestamp with time zone not null default clock_timestamp(),
  constraint view_changes_pkey PRIMARY KEY (tenant_id, view, bucket, change_id),
  constraint view_changes_bucket_check CHECK (((length(bucket) >= 1) AND (length(bucket) <= 40))),
  constraint view_changes_view_check CHECK ((view = ANY (ARRAY['allocation_summary'::text, 'channel_performance'::text, 'daily_revenue'::text, 'realtime_revenue'::text, 'reconciliation_status'::text])))
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=5000);
alter table public.view_changes owner to skeldir_owner;
CREATE INDEX view_changes_age_idx ON public.view_changes USING btree (view, changed_at);
alter table public.view_changes enable row level security;
alter table public.view_changes force row level security;
create policy lookup_by_control on public.view_changes as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.view_changes as permissive for all to app_ingest, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.view_changes as restrictive for all to app_ingest, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert (bucket, tenant_id, view), select on public.view_changes to app_worker;
grant insert (bucket, tenant_id, view) on public.view_changes to app_ingest;
grant select on public.view_changes to skeldir_control;

create table public.view_channel_performance (
  tenant_id uuid not null,
  day date not null,
  model text not null,
  channel text not null,
  currency text not null,
  orders integer not null,
  conversion_micro bigint not null,
  revenue_minor bigint not null,
  constraint view_channel_performance_pkey PRIMARY KEY (tenant_id, day, model, channel, currency),
  constraint view_channel_performance_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint view_channel_performance_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint view_channel_performance_orders_check CHECK ((orders >= 0))
);
alter table public.view_channel_performance owner to skeldir_owner;
alter table public.view_channel_performance enable row level security;
alter table public.view_channel_performance force row level security;
create policy open_to_runtime on public.view_channel_performance as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.view_channel_performance as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select on public.view_channel_performance to app_worker;
grant select on public.view_channel_performance to app_ro, app_user;

create table public.view_daily_revenue (
  tenant_id uuid not null,
  day date not null,
  currency text not null,
  kind text not null,
  amount_minor bigint not null,
  entries integer not null,
  constraint view_daily_revenue_pkey PRIMARY KEY (tenant_id, day, currency, kind),
  constraint view_daily_revenue_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint view_daily_revenue_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint view_daily_revenue_entries_check CHECK ((entries >= 0)),
  constraint view_daily_revenue_kind_check CHECK ((kind = ANY (ARRAY['capture'::text, 'refund'::text, 'dispute'::text, 'dispute_reversal'::text])))
);
alter table public.view_daily_revenue owner to skeldir_owner;
alter table public.view_daily_revenue enable row level security;
alter table public.view_daily_revenue force row level security;
create policy open_to_runtime on public.view_daily_revenue as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.view_daily_revenue as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select on public.view_daily_revenue to app_worker;
grant select on public.view_daily_revenue to app_ro, app_user;

create table public.view_realtime_revenue (
  tenant_id uuid not null,
  hour timestamp with time zone not null,
  currency text not null,
  vendor text not null,
  captured_minor bigint not null,
  refunded_minor bigint not null,
  entries integer not null,
  verified integer not null,
  newest_recorded timestamp with time zone not null,
  constraint view_realtime_revenue_pkey PRIMARY KEY (tenant_id, hour, currency, vendor),
  constraint view_realtime_revenue_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint view_realtime_revenue_check CHECK (((verified >= 0) AND (verified <= entries))),
  constraint view_realtime_revenue_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
  constraint view_realtime_revenue_entries_check CHECK ((entries >= 0))
);
alter table public.view_realtime_revenue owner to skeldir_owner;
alter table public.view_realtime_revenue enable row level security;
alter table public.view_realtime_revenue force row level security;
create policy open_to_runtime on public.view_realtime_revenue as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.view_realtime_revenue as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select on public.view_realtime_revenue to app_worker;
grant select on public.view_realtime_revenue to app_ro, app_user;

create table public.view_reconciliation_status (
  tenant_id uuid not null,
  endpoint_id uuid not null,
  polled_until timestamp with time zone,
  run_id uuid,
  found_at timestamp with time zone,
  listed bigint not null,
  missing bigint not null,
  recovered bigint not null,
  unreadable bigint not null,
  is_whole boolean not null,
  constraint view_reconciliation_status_pkey PRIMARY KEY (tenant_id, endpoint_id),
  constraint view_reconciliation_status_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint view_reconciliation_status_check CHECK (((found_at IS NULL) = (run_id IS NULL))),
  constraint view_reconciliation_status_check1 CHECK (((missing >= 0) AND (missing <= listed))),
  constraint view_reconciliation_status_check2 CHECK (((recovered >= 0) AND (recovered <= missing))),
  constraint view_reconciliation_status_listed_check CHECK ((listed >= 0)),
  constraint view_reconciliation_status_unreadable_check CHECK ((unreadable >= 0))
);
alter table public.view_reconciliation_status owner to skeldir_owner;
alter table public.view_reconciliation_status enable row level security;
alter table public.view_reconciliation_status force row level security;
create policy open_to_runtime on public.view_reconciliation_status as permissive for all to app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.view_reconciliation_status as restrictive for all to app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select on public.view_reconciliation_status to app_worker;
grant select on public.view_reconciliation_status to app_ro, app_user;

create table public.view_refreshes (
  view text not null,
  outcome text not null,
  started_at timestamp with time zone not null,
  finished_at timestamp with time zone not null,
  succeeded_at timestamp with time zone,
  tenants integer not null,
  buckets integer not null,
  message text,
  constraint view_refreshes_pkey PRIMARY KEY (view),
  constraint view_refreshes_buckets_check CHECK ((buckets >= 0)),
  constraint view_refreshes_check CHECK ((finished_at >= started_at)),
  constraint view_refreshes_check1 CHECK (((outcome = 'failure'::text) = (message IS NOT NULL))),
  constraint view_refreshes_message_check CHECK (((length(message) >= 1) AND (length(message) <= 500))),
  constraint view_refreshes_outcome_check CHECK ((outcome = ANY (ARRAY['success'::text, 'failure'::text]))),
  constraint view_refreshes_tenants_check CHECK ((tenants >= 0)),
  constraint view_refreshes_view_check CHECK ((view = ANY (ARRAY['allocation_summary'::text, 'channel_performance'::text, 'daily_revenue'::text, 'realtime_revenue'::text, 'reconciliation_status'::text])))
);
alter table public.view_refreshes owner to skeldir_owner;
alter table public.view_refreshes enable row level security;
alter table public.view_refreshes force row level security;
create policy run on public.view_refreshes as permissive for all to app_worker
  using (true)
  with check (true);
create policy watch on public.view_refreshes as permissive for select to app_user
  using (true);
grant insert, select, update (buckets, finished_at, message, outcome, started_at, succeeded_at, tenants) on public.view_refreshes to app_worker;
grant select on public.view_refreshes to app_user;

create table public.webhook_endpoints (
  tenant_id uuid not null,
  endpoint_id uuid not null default gen_random_uuid(),
  vendor text not null,
  name text not null,
  mode text not null default 'live'::text,
  shop_domain text,
  endpoint_key text not null,
  created_at timestamp with time zone not null default now(),
  version integer not null default 1,
  last_delivery_at timestamp with time zone,
  deleted_at timestamp with time zone,
  constraint webhook_endpoints_pkey PRIMARY KEY (tenant_id, endpoint_id),
  constraint webhook_endpoints_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint webhook_endpoints_endpoint_key_check CHECK ((endpoint_key ~ '^[A-Za-z0-9_-]{43}$'::text)),
  constraint webhook_endpoints_mode_check CHECK ((mode = ANY (ARRAY['live'::text, 'test'::text]))),
  constraint webhook_endpoints_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
  constraint webhook_endpoints_shop_domain_check CHECK ((length(shop_domain) <= 255)),
  constraint webhook_endpoints_vendor_check CHECK ((vendor = ANY (ARRAY['stripe'::text, 'shopify'::text, 'paypal'::text, 'woocommerce'::text]))),
  constraint webhook_endpoints_version_check CHECK ((version >= 1))
);
alter table public.webhook_endpoints owner to skeldir_owner;
CREATE INDEX webhook_endpoints_key_idx ON public.webhook_endpoints USING btree (endpoint_key);
CREATE INDEX webhook_endpoints_listed_idx ON public.webhook_endpoints USING btree (tenant_id, created_at DESC, endpoint_id DESC) WHERE (deleted_at IS NULL);
alter table public.webhook_endpoints enable row level security;
alter table public.webhook_endpoints force row level security;
create policy lookup_by_control on public.webhook_endpoints as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.webhook_endpoints as permissive for all to app_ingest, app_retention, app_rw, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.webhook_endpoints as restrictive for all to app_ingest, app_retention, app_rw, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER not_offboarded BEFORE INSERT ON public.webhook_endpoints FOR EACH ROW EXECUTE FUNCTION internal.refuse_offboarded();
grant insert, select on public.webhook_endpoints to app_rw;
grant insert, select, update (deleted_at, last_delivery_at, version) on public.webhook_endpoints to app_user;
grant select (created_at, deleted_at, endpoint_id, last_delivery_at, mode, shop_domain, tenant_id, vendor) on public.webhook_endpoints to app_ingest;
grant select (deleted_at, endpoint_id, shop_domain, tenant_id, vendor, version), update (deleted_at, version) on public.webhook_endpoints to app_retention;
grant select (endpoint_id, mode, shop_domain, tenant_id) on public.webhook_endpoints to app_worker;
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
  kept_sha256 bytea,
  constraint webhook_events_pkey PRIMARY KEY (tenant_id, event_id),
  constraint webhook_events_delivery_key UNIQUE (tenant_id, endpoint_id, external_id),
  constraint webhook_events_tenant_id_endpoint_id_fkey FOREIGN KEY (tenant_id, endpoint_id) REFERENCES public.webhook_endpoints(tenant_id, endpoint_id),
  constraint webhook_events_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint webhook_events_body_sha256_check CHECK ((octet_length(body_sha256) = 32)),
  constraint webhook_events_external_id_check CHECK (((length(external_id) >= 1) AND (length(external_id) <= 255))),
  constraint webhook_events_kept_sha256_check CHECK ((octet_length(kept_sha256) = 32)),
  constraint webhook_events_topic_check CHECK (((length(topic) >= 1) AND (length(topic) <= 100))),
  constraint webhook_events_vendor_check CHECK ((vendor = ANY (ARRAY['stripe'::text, 'shopify'::text, 'paypal'::text, 'woocommerce'::text])))
);
alter table public.webhook_events owner to skeldir_owner;
CREATE INDEX webhook_events_received_idx ON public.webhook_events USING btree (tenant_id, received_at, event_id) WHERE (received_at > '-infinity'::timestamp with time zone);
alter table public.webhook_events enable row level security;
alter table public.webhook_events force row level security;
create policy open_to_runtime on public.webhook_events as permissive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.webhook_events as restrictive for all to app_ingest, app_retention, app_ro, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.webhook_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_change_but_erasure('payload');
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON public.webhook_events FOR EACH STATEMENT EXECUTE FUNCTION internal.refuse_change();
CREATE TRIGGER no_personal_data BEFORE INSERT ON public.webhook_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_personal_data('tenant_id', 'event_id', 'endpoint_id', 'body_sha256', 'kept_sha256', 'is_test', 'is_handled', 'correlation_id', 'received_at');
CREATE TRIGGER not_in_worker_context BEFORE INSERT ON public.webhook_events FOR EACH ROW EXECUTE FUNCTION internal.refuse_worker_context();
grant insert, select (body_sha256, endpoint_id, event_id, external_id, is_handled, is_test, kept_sha256, received_at, tenant_id, topic, vendor) on public.webhook_events to app_ingest;
grant select on public.webhook_events to app_ro, app_user, app_worker;
grant select, update (payload) on public.webhook_events to app_retention;

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
create policy open_to_runtime on public.webhook_secrets as permissive for all to app_retention, app_rw, app_user
  using (true)
  with check (true);
create policy tenant_only on public.webhook_secrets as restrictive for all to app_retention, app_rw, app_user
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, insert, select (created_at, endpoint_id, key_version, not_after, secret_id, tenant_id), update (key_version, not_after, sealed) on public.webhook_secrets to app_user;
grant delete, select (endpoint_id, not_after, secret_id, tenant_id) on public.webhook_secrets to app_retention;
grant insert, select (created_at, endpoint_id, key_version, not_after, sealed, secret_id, tenant_id), update (key_version, sealed) on public.webhook_secrets to app_rw;
grant select on public.webhook_secrets to skeldir_control;

create table public.worker_failed_jobs (
  tenant_id uuid not null,
  job_id uuid not null,
  run_id uuid not null,
  queue text not null,
  task text not null,
  status text not null default 'pending'::text,
  failure_class text not null,
  message text not null,
  traceback text,
  arguments jsonb,
  is_redacted boolean not null,
  user_id uuid,
  session_id uuid,
  correlation_id uuid not null,
  attempts integer not null,
  redrives integer not null default 0,
  enqueued_at timestamp with time zone not null,
  first_failed_at timestamp with time zone not null,
  last_failed_at timestamp with time zone not null,
  resolved_at timestamp with time zone,
  resolved_by uuid,
  note text,
  constraint worker_failed_jobs_pkey PRIMARY KEY (tenant_id, job_id),
  constraint worker_failed_jobs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint worker_failed_jobs_arguments_check CHECK ((length((arguments)::text) <= 16384)),
  constraint worker_failed_jobs_attempts_check CHECK ((attempts >= 1)),
  constraint worker_failed_jobs_check CHECK (((session_id IS NULL) = (user_id IS NULL))),
  constraint worker_failed_jobs_check1 CHECK ((last_failed_at >= first_failed_at)),
  constraint worker_failed_jobs_check2 CHECK (((resolved_at IS NULL) = (status = ANY (ARRAY['pending'::text, 'in_progress'::text])))),
  constraint worker_failed_jobs_check3 CHECK (((resolved_at IS NOT NULL) OR ((resolved_by IS NULL) AND (note IS NULL)))),
  constraint worker_failed_jobs_failure_class_check CHECK ((failure_class = ANY (ARRAY['validation'::text, 'database'::text, 'external'::text, 'timeout'::text, 'worker_lost'::text, 'rejected'::text, 'internal'::text]))),
  constraint worker_failed_jobs_message_check CHECK (((length(message) >= 1) AND (length(message) <= 500))),
  constraint worker_failed_jobs_note_check CHECK (((length(note) >= 1) AND (length(note) <= 500))),
  constraint worker_failed_jobs_queue_check CHECK ((queue ~ '^[a-z][a-z0-9_.-]{0,63}$'::text)),
  constraint worker_failed_jobs_redrives_check CHECK ((redrives >= 0)),
  constraint worker_failed_jobs_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'in_progress'::text, 'resolved'::text, 'abandoned'::text]))),
  constraint worker_failed_jobs_task_check CHECK ((task ~ '^[a-z][a-z0-9_.-]{0,63}$'::text)),
  constraint worker_failed_jobs_traceback_check CHECK (((length(traceback) >= 1) AND (length(traceback) <= 4000)))
);
alter table public.worker_failed_jobs owner to skeldir_owner;
CREATE INDEX worker_failed_jobs_failed_idx ON public.worker_failed_jobs USING btree (tenant_id, last_failed_at DESC, job_id DESC);
CREATE INDEX worker_failed_jobs_pending_idx ON public.worker_failed_jobs USING btree (queue) WHERE (status = 'pending'::text);
alter table public.worker_failed_jobs enable row level security;
alter table public.worker_failed_jobs force row level security;
create policy lookup_by_control on public.worker_failed_jobs as permissive for select to skeldir_control
  using (true);
create policy open_to_runtime on public.worker_failed_jobs as permissive for all to app_retention, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.worker_failed_jobs as restrictive for all to app_retention, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, select (job_id, last_failed_at, status, task, tenant_id) on public.worker_failed_jobs to app_retention;
grant insert, select, update (attempts, failure_class, last_failed_at, message, note, resolved_at, run_id, status, traceback) on public.worker_failed_jobs to app_worker;
grant select on public.worker_failed_jobs to skeldir_control;
grant select, update (note, redrives, resolved_at, resolved_by, status) on public.worker_failed_jobs to app_user;

create table public.worker_heartbeats (
  worker_id text not null,
  active_jobs integer not null,
  started_at timestamp with time zone not null default clock_timestamp(),
  last_seen_at timestamp with time zone not null default clock_timestamp(),
  constraint worker_heartbeats_pkey PRIMARY KEY (worker_id),
  constraint worker_heartbeats_active_jobs_check CHECK (((active_jobs >= 0) AND (active_jobs <= 100000))),
  constraint worker_heartbeats_worker_id_check CHECK (((length(worker_id) >= 1) AND (length(worker_id) <= 128)))
) with (fillfactor=50);
alter table public.worker_heartbeats owner to skeldir_owner;
alter table public.worker_heartbeats enable row level security;
alter table public.worker_heartbeats force row level security;
create policy beat on public.worker_heartbeats as permissive for all to app_worker
  using (true)
  with check (true);
create policy watch on public.worker_heartbeats as permissive for select to app_user
  using (true);
grant delete, insert (active_jobs, worker_id), select, update (active_jobs, last_seen_at) on public.worker_heartbeats to app_worker;
grant select on public.worker_heartbeats to app_user;

create table public.worker_job_failures (
  tenant_id uuid not null,
  job_id uuid not null,
  attempt integer not null,
  failure_class text not null,
  message text not null,
  worker_id text,
  failed_at timestamp with time zone not null default clock_timestamp(),
  constraint worker_job_failures_pkey PRIMARY KEY (tenant_id, job_id, attempt),
  constraint worker_job_failures_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(tenant_id),
  constraint worker_job_failures_attempt_check CHECK ((attempt >= 1)),
  constraint worker_job_failures_failure_class_check CHECK ((failure_class = ANY (ARRAY['validation'::text, 'database'::text, 'external'::text, 'timeout'::text, 'worker_lost'::text, 'rejected'::text, 'internal'::text]))),
  constraint worker_job_failures_message_check CHECK (((length(message) >= 1) AND (length(message) <= 500))),
  constraint worker_job_failures_worker_id_check CHECK (((length(worker_id) >= 1) AND (length(worker_id) <= 128)))
);
alter table public.worker_job_failures owner to skeldir_owner;
CREATE INDEX worker_job_failures_failed_idx ON public.worker_job_failures USING btree (tenant_id, failed_at);
alter table public.worker_job_failures enable row level security;
alter table public.worker_job_failures force row level security;
create policy open_to_runtime on public.worker_job_failures as permissive for all to app_retention, app_user, app_worker
  using (true)
  with check (true);
create policy tenant_only on public.worker_job_failures as restrictive for all to app_retention, app_user, app_worker
  using ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")))
  with check ((tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif")));
grant delete, select (attempt, failed_at, job_id, tenant_id) on public.worker_job_failures to app_retention;
grant insert, select on public.worker_job_failures to app_worker;
grant select on public.worker_job_failures to app_user;

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

CREATE OR REPLACE FUNCTION internal.add_run_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.attribution_run_changes values (new.*);
  return new;
end
$function$;
alter function internal.add_run_change() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.add_touch_credit()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.attribution_touch_credits values (new.*);
  return new;
end
$function$;
alter function internal.add_touch_credit() owner to skeldir_owner;

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

CREATE OR REPLACE PROCEDURE internal.admit_to_tenant_table(IN target regclass, IN newcomer name)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $procedure$
declare
  policy record;
begin
  for policy in
    select p.polname as name, string_agg(quote_ident(r.rolname), ', ' order by r.rolname) as roles
    from pg_catalog.pg_policy as p
    join pg_catalog.pg_roles as r on r.oid = any (p.polroles)
    where p.polrelid = target and p.polname in ('open_to_runtime', 'tenant_only')
    group by p.polname
  loop
    execute format('alter policy %I on %s to %s, %I', policy.name, target, policy.roles, newcomer);
  end loop;
end
$procedure$;
alter procedure internal.admit_to_tenant_table(regclass,name) owner to skeldir_owner;

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

CREATE OR REPLACE FUNCTION internal.decode_percent(content text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case when content !~ '%[0-9A-Fa-f]{2}' then content else (
    select string_agg(case when length(m.part[1]) > 1 and left(m.part[1], 1) = '%'
                           then convert_from(decode(replace(m.part[1], '%', ''), 'hex'), 'UTF8')
                           else m.part[1] end, '' order by m.place)
    from regexp_matches(content, '%(?:0[1-9A-Fa-f]|[1-7][0-9A-Fa-f]|(?:[Cc][2-9A-Fa-f]|[Dd][0-9A-Fa-f])%[89ABab][0-9A-Fa-f]|(?:[Ee]0%[ABab]|[Ee][1-9A-CEFa-cef]%[89ABab]|[Ee][Dd]%[89])[0-9A-Fa-f]%[89ABab][0-9A-Fa-f]|(?:[Ff]0%[9ABab]|[Ff][1-3]%[89ABab]|[Ff]4%8)[0-9A-Fa-f]%[89ABab][0-9A-Fa-f]%[89ABab][0-9A-Fa-f])|%|[^%]+', 'g') with ordinality as m (part, place)
  ) end
$function$;
alter function internal.decode_percent(text) owner to skeldir_owner;
grant execute on function internal.decode_percent(text) to app_ingest, app_retention, app_rw, app_user, app_worker;

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

CREATE OR REPLACE FUNCTION internal.end_shop(for_tenant uuid, at_endpoint uuid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  counts jsonb := '{}';
  gone integer;
begin
  delete from public.dead_event_bodies as b using public.dead_events as d
  where b.tenant_id = for_tenant and d.tenant_id = for_tenant
    and d.dead_event_id = b.dead_event_id and d.endpoint_id = at_endpoint;
  get diagnostics gone = row_count;
  counts := counts || jsonb_build_object('dead_bodies', gone);
  update public.dead_events as d set payload = null
  where d.tenant_id = for_tenant and d.endpoint_id = at_endpoint and d.payload is not null;
  get diagnostics gone = row_count;
  counts := counts || jsonb_build_object('dead_payloads', gone);
  delete from public.webhook_secrets as s where s.tenant_id = for_tenant and s.endpoint_id = at_endpoint;
  get diagnostics gone = row_count;
  counts := counts || jsonb_build_object('secrets', gone);
  delete from public.poll_credentials as p where p.tenant_id = for_tenant and p.endpoint_id = at_endpoint;
  update public.webhook_endpoints as e set version = e.version + 1, deleted_at = clock_timestamp()
  where e.tenant_id = for_tenant and e.endpoint_id = at_endpoint and e.deleted_at is null;
  perform internal.publish_revocation(for_tenant, 'webhook_endpoint', at_endpoint, 'none', null);
  perform internal.record_erasure(for_tenant, 'privacy.shop_ended', 'webhook_endpoint', at_endpoint::text, counts);
end
$function$;
alter function internal.end_shop(uuid,uuid) owner to skeldir_owner;
grant execute on function internal.end_shop(uuid,uuid) to app_retention;

CREATE OR REPLACE FUNCTION internal.enqueue_job(queue_name text, job_data jsonb, delay_seconds integer DEFAULT 0)
 RETURNS uuid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  tenant text := nullif(current_setting('app.current_tenant_id', true), '');
  job_id uuid;
  is_told boolean;
begin
  if (job_data ->> 'tenantId') is distinct from tenant then
    raise exception 'a job for tenant % cannot be added in the transaction of tenant %', job_data ->> 'tenantId', tenant
      using errcode = '42501';
  end if;
  insert into pgboss.job (name, data, priority, start_after, keep_until, retry_limit, retry_delay, retry_backoff, retry_delay_max,
                          expire_seconds, deletion_seconds, policy, dead_letter, heartbeat_seconds, group_id, singleton_key)
  select q.name, job_data - 'priority', coalesce((job_data ->> 'priority')::integer, 0),
         now() + make_interval(secs => delay_seconds),
         now() + make_interval(secs => delay_seconds + q.retention_seconds), q.retry_limit, q.retry_delay,
         q.retry_backoff, q.retry_delay_max, q.expire_seconds, q.deletion_seconds, q.policy, q.dead_letter,
         q.heartbeat_seconds, tenant,
         case when q.policy = 'exclusive' then concat_ws('/', job_data ->> 'job', tenant) end
  from pgboss.queue as q
  where q.name = queue_name
  on conflict do nothing
  returning id into job_id;
  select q.notify into is_told from pgboss.queue as q where q.name = queue_name;
  if not found then
    raise exception 'there is no queue named %', queue_name using errcode = '22023';
  end if;
  -- The channel is that of pg-boss: its name is made of the schema's.
  if is_told and delay_seconds = 0 and job_id is not null then
    perform pg_notify('pgboss_' || left(encode(sha224('pgboss'::bytea), 'hex'), 24), queue_name);
  end if;
  return job_id;   -- null: the queue's policy allows no further job of this kind
end
$function$;
alter function internal.enqueue_job(text,jsonb,integer) owner to skeldir_control;
grant execute on function internal.enqueue_job(text,jsonb,integer) to app_ingest, app_retention, app_user, app_worker;

CREATE OR REPLACE FUNCTION internal.enqueue_jobs(queue_name text, jobs jsonb[])
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  tenant text := nullif(current_setting('app.current_tenant_id', true), '');
  added bigint;
begin
  if tenant is null or exists (select from unnest(jobs) as job where (job ->> 'tenantId') is distinct from tenant) then
    raise exception 'a job for another tenant cannot be added in the transaction of tenant %', tenant using errcode = '42501';
  end if;
  insert into pgboss.job (name, data, start_after, keep_until, retry_limit, retry_delay, retry_backoff, retry_delay_max,
                          expire_seconds, deletion_seconds, policy, dead_letter, heartbeat_seconds, group_id)
  select q.name, job, now(), now() + make_interval(secs => q.retention_seconds), q.retry_limit, q.retry_delay,
         q.retry_backoff, q.retry_delay_max, q.expire_seconds, q.deletion_seconds, q.policy, q.dead_letter,
         q.heartbeat_seconds, tenant
  from unnest(jobs) as job
  cross join pgboss.queue as q
  where q.name = queue_name
  on conflict do nothing;
  get diagnostics added = row_count;
  if added = 0 and not exists (select from pgboss.queue as q where q.name = queue_name) then
    raise exception 'there is no queue named %', queue_name using errcode = '22023';
  end if;
  return added;
end
$function$;
alter function internal.enqueue_jobs(text,jsonb[]) owner to skeldir_control;
grant execute on function internal.enqueue_jobs(text,jsonb[]) to app_ingest;

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

CREATE OR REPLACE FUNCTION internal.erase_orders(for_tenant uuid, keys text[], named uuid[], dead uuid[], act text, kind text, thing text, silent boolean)
 RETURNS TABLE(touchpoints integer, order_facts integer, conversions integer, payloads integer, dead_payloads integer, dead_bodies integer)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
#variable_conflict use_column
declare
  all_keys text[];
  visitors bytea[];
  clicks bytea[];
  events uuid[];
  hashes text[];
begin
  call internal.hold_erasure(for_tenant);
  all_keys := internal.keys_of_orders(for_tenant, keys);
  visitors := array(
    select f.identity from public.order_facts as f
    where f.tenant_id = for_tenant and f.order_key = any (all_keys) and f.identity is not null
    union
    select c.identity from public.conversions as c
    where c.tenant_id = for_tenant and c.order_key = any (all_keys) and c.identity is not null);
  -- A click is one person's, under whatever visitor id it was seen.
  clicks := array(
    select distinct t.click_hash from public.touchpoints as t
    where t.tenant_id = for_tenant and t.click_hash is not null
      and (t.identity = any (visitors) or t.order_key = any (all_keys)));
  visitors := array(
    select unnest(visitors)
    union
    select t.identity from public.touchpoints as t
    where t.tenant_id = for_tenant and t.click_hash = any (clicks) and t.identity is not null);
  events := array(
    select unnest(named)
    union
    select f.event_id from public.order_facts as f
    where f.tenant_id = for_tenant and (f.order_key = any (all_keys) or f.identity = any (visitors))
    union
    select c.event_id from public.canonical_events as c
    where c.tenant_id = for_tenant and c.order_key = any (all_keys)
    union
    select c.event_id from public.canonical_events as c
    where c.tenant_id = for_tenant and c.same_as = any (all_keys)
    union
    -- Other orders by the same click, which have no visitor.
    select c.event_id from public.canonical_events as c
    where c.tenant_id = for_tenant
      and c.order_key in (select t.order_key from public.touchpoints as t
                          where t.tenant_id = for_tenant and t.click_hash = any (clicks) and t.order_key is not null)
    union
    -- Deliveries that could be stored and not be entered.
    select e.event_id from public.dead_events as d
    join public.webhook_events as e
      on e.tenant_id = for_tenant and e.endpoint_id = d.endpoint_id and e.external_id = d.external_id
    where d.tenant_id = for_tenant and d.dead_event_id = any (dead));
  hashes := array(select encode(h, 'hex') from unnest(visitors || clicks) as h);

  insert into public.erased_orders (tenant_id, order_key) select for_tenant, unnest(all_keys) on conflict do nothing;
  delete from public.data_requests as r where r.tenant_id = for_tenant and r.order_keys && all_keys;
  delete from public.touchpoints as t
  where t.tenant_id = for_tenant
    and (t.identity = any (visitors) or t.order_key = any (all_keys) or t.click_hash = any (clicks));
  get diagnostics touchpoints = row_count;
  update public.order_facts as f set identity = null
  where f.tenant_id = for_tenant and f.identity = any (visitors);
  get diagnostics order_facts = row_count;
  update public.conversions as c set identity = null
  where c.tenant_id = for_tenant and c.identity = any (visitors);
  get diagnostics conversions = row_count;
  update public.webhook_events as e set payload = internal.without_identity(e.payload)
  where e.tenant_id = for_tenant and e.event_id = any (events) and internal.has_identity(e.payload);
  get diagnostics payloads = row_count;
  update public.dead_events as d set payload = internal.without_identity(d.payload)
  where d.tenant_id = for_tenant and internal.has_identity(d.payload)
    and (d.dead_event_id = any (dead)
         or exists (select from unnest(hashes) as h where strpos(d.payload::text, h) > 0));
  get diagnostics dead_payloads = row_count;
  delete from public.dead_event_bodies as b where b.tenant_id = for_tenant and b.dead_event_id = any (dead);
  get diagnostics dead_bodies = row_count;

  if silent and touchpoints + order_facts + conversions + payloads + dead_payloads + dead_bodies = 0 then
    return next;
    return;
  end if;
  perform internal.record_erasure(for_tenant, act, kind, thing, jsonb_build_object(
    'orders', cardinality(keys), 'touchpoints', touchpoints, 'order_facts', order_facts, 'conversions', conversions,
    'payloads', payloads, 'dead_payloads', dead_payloads, 'dead_bodies', dead_bodies));
  return next;
end
$function$;
alter function internal.erase_orders(uuid,text[],uuid[],uuid[],text,text,text,boolean) owner to skeldir_owner;
grant execute on function internal.erase_orders(uuid,text[],uuid[],uuid[],text,text,text,boolean) to app_retention;

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
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
declare
  content text := document::text;
begin
  if content !~ ('[\u00a0\u2000-\u200a\u202f\u205f\u3000\u2010-\u2015\u2212０-９＠﹫＋﹢－．﹒。｡（）／％：]'
                 '|@|%[0-9A-Fa-f]{2}|\\["bfnrtu/]|\+[1-9]|\([0-9]{2,5}\)|[0-9]{3}[-. ][0-9]{3}[-. ][0-9]{4}'
                 '|[^0-9A-Za-z_./-]0([0-9]{2,4}[ /-][0-9]|[1-9][ .-][0-9]{2}[ .-])'
                 '|[0-9]\.[0-9]{1,3}\.[0-9]|::|(:[0-9A-Fa-f]{1,4}){3}:|[^A-Za-z0-9_. "-][A-Za-z0-9_. -]*": ')
     and not exists (
       -- Each piece but the last ends with a name; with no escapes in the text, no other quote stands before ": ".
       select from string_to_table(content, '": ') as piece
       where lower(translate(split_part(piece, '"', -1), '_-. ', '') collate "C") = any (array[
          'firstname', 'lastname', 'fullname', 'givenname', 'surname', 'customername', 'cardholdername',
          'creditcardname', 'dateofbirth', 'dob', 'birthdate', 'ssn', 'socialsecuritynumber', 'taxid', 'passport',
          'email', 'emailaddress', 'contactemail', 'customeremail', 'payeremail', 'receiptemail', 'instructionsemail',
          'phone', 'phonenumber', 'customerphone', 'contactphone', 'address', 'address1', 'address2', 'streetaddress',
          'line1', 'line2', 'postalcode', 'zip', 'zipcode', 'latitude', 'longitude',
          'billingaddress', 'shippingaddress', 'customeraddress', 'defaultaddress', 'billingdetails',
          'customerdetails', 'customershipping', 'clientdetails', 'paymentdetails', 'paymentmethoddetails',
          'billing', 'shipping', 'payer', 'payerinfo', 'subscriber', 'paymentsource',
          'noteattributes', 'customernote', 'notetopayer', 'vendorpayload',
          'ip', 'ipaddress', 'browserip', 'customeripaddress', 'useragent', 'customeruseragent', 'sessionhash',
          'devicefingerprint',
          'cardnumber', 'creditcardnumber', 'last4', 'expmonth', 'expyear', 'fingerprint', 'iban',
          'orderstatusurl', 'receipturl', 'paymenturl', 'hostedinvoiceurl', 'carttoken', 'checkouttoken',
          'abandonedcheckouturl', 'clientsecret'])) then
    return null;
  end if;
  return internal.search_personal_data(document);
end
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

CREATE OR REPLACE FUNCTION internal.find_webhook_endpoint_keys(wanted_vendor text, wanted_key text)
 RETURNS TABLE(tenant_id uuid, endpoint_id uuid, version integer, mode text, shop_domain text, secret_ids uuid[], secret_versions integer[], sealed_secrets bytea[], secret_ends timestamp with time zone[], key_versions integer[], wrapping_kids text[], wrapped_keys bytea[])
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select e.tenant_id, e.endpoint_id, e.version, e.mode, e.shop_domain,
         s.secret_ids, s.secret_versions, s.sealed_secrets, s.secret_ends, k.key_versions, k.wrapping_kids, k.wrapped_keys
  from public.webhook_endpoints as e
  cross join lateral (
    select array_agg(live.secret_id   order by live.created_at desc, live.secret_id) as secret_ids,
           array_agg(live.key_version order by live.created_at desc, live.secret_id) as secret_versions,
           array_agg(live.sealed      order by live.created_at desc, live.secret_id) as sealed_secrets,
           array_agg(live.not_after   order by live.created_at desc, live.secret_id) as secret_ends
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
    and e.deleted_at is null
    and s.secret_ids is not null
$function$;
alter function internal.find_webhook_endpoint_keys(text,text) owner to skeldir_control;
grant execute on function internal.find_webhook_endpoint_keys(text,text) to app_user;

CREATE OR REPLACE FUNCTION internal.find_webhook_endpoints(wanted_vendor text, wanted_hash bytea, named_shop text)
 RETURNS TABLE(tenant_id uuid, endpoint_id uuid, version integer, mode text, shop_domain text, secret_ids uuid[], secret_versions integer[], sealed_secrets bytea[], secret_ends timestamp with time zone[], key_versions integer[], wrapping_kids text[], wrapped_keys bytea[])
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select f.tenant_id, f.endpoint_id, f.version, f.mode, f.shop_domain,
         f.secret_ids, f.secret_versions, f.sealed_secrets, f.secret_ends, f.key_versions, f.wrapping_kids, f.wrapped_keys
  from internal.find_api_key(wanted_hash) as k
  cross join lateral (
    select e.endpoint_key,
           row_number() over (order by e.shop_domain is not null and e.shop_domain is distinct from named_shop,
                                       e.shop_domain is null, e.mode = 'test', e.created_at desc, e.endpoint_id desc) as place
    from public.webhook_endpoints as e
    where e.tenant_id = k.tenant_id
      and e.vendor = wanted_vendor
      and e.deleted_at is null
    order by place
    limit 20
  ) as chosen
  cross join lateral internal.find_webhook_endpoint_keys(wanted_vendor, chosen.endpoint_key) as f
  order by chosen.place
$function$;
alter function internal.find_webhook_endpoints(text,bytea,text) owner to skeldir_control;
grant execute on function internal.find_webhook_endpoints(text,bytea,text) to app_user;

CREATE OR REPLACE FUNCTION internal.forget_erased_buyer()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if exists (select from public.erased_orders as e where e.tenant_id = new.tenant_id and e.order_key = new.order_key) then
    if tg_table_name = 'touchpoints' then
      return null;
    end if;
    new.identity := null;
  end if;
  return new;
end
$function$;
alter function internal.forget_erased_buyer() owner to skeldir_owner;

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

CREATE OR REPLACE FUNCTION internal.has_identity(payload jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select payload ? 'attribution' or payload::text ~ '"id1\.[0-9a-f]{64}"'
$function$;
alter function internal.has_identity(jsonb) owner to skeldir_owner;
grant execute on function internal.has_identity(jsonb) to app_retention;

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

CREATE OR REPLACE FUNCTION internal.hash_kept(topic text, is_test boolean, payload jsonb)
 RETURNS bytea
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select sha256(convert_to(jsonb_build_array(topic, is_test, payload)::text, 'UTF8'))
$function$;
alter function internal.hash_kept(text,boolean,jsonb) owner to skeldir_owner;
grant execute on function internal.hash_kept(text,boolean,jsonb) to app_ingest;

CREATE OR REPLACE PROCEDURE internal.hold_erasure(IN for_tenant uuid)
 LANGUAGE sql
 SET search_path TO ''
AS $procedure$
  select pg_advisory_xact_lock(hashtextextended('erasure/' || for_tenant, 0))
$procedure$;
alter procedure internal.hold_erasure(uuid) owner to skeldir_owner;
grant execute on procedure internal.hold_erasure(uuid) to app_retention;

CREATE OR REPLACE FUNCTION internal.ingest_deliveries(batch jsonb)
 RETURNS TABLE(ordinal integer, result text, receipt_id uuid)
 LANGUAGE plpgsql
 SET search_path TO ''
 SET enable_seqscan TO 'off'
AS $function$
declare
  part record;
  delivery record;
  stored_ids uuid[];
  jobs jsonb[];
begin
  -- It leaves no context behind, so inside of a tenant's transaction the rest of that would see nothing.
  if nullif(current_setting('app.current_tenant_id', true), '') is not null then
    raise exception 'ingest_deliveries runs outside of a tenant' using errcode = '25001';
  end if;
  for part in
    select (p.value ->> 'tenant_id')::uuid as tenant_id,
           p.value -> 'events' as events
    from jsonb_array_elements(batch) as p
    order by 1
  loop
    perform set_config('app.current_tenant_id', part.tenant_id::text, true);

    -- What is known already costs a look at the index, and neither triggers nor dead rows.
    with sent as materialized (
      select s.*
      from jsonb_to_recordset(part.events) as s (
        ordinal integer, event_id uuid, vendor text, external_id text, endpoint_id uuid, topic text, body_sha256 text,
        payload jsonb, is_test boolean, is_handled boolean, correlation_id uuid)
    ),
    stored as (
      insert into public.webhook_events (tenant_id, event_id, vendor, external_id, endpoint_id, topic, body_sha256, kept_sha256,
                                         payload, is_test, is_handled, correlation_id)
      select part.tenant_id, s.event_id, s.vendor, s.external_id, s.endpoint_id, s.topic, decode(s.body_sha256, 'hex'),
             internal.hash_kept(s.topic, s.is_test, s.payload), s.payload, s.is_test, s.is_handled, s.correlation_id
      from sent as s
      left join lateral (
        select e.event_id from public.webhook_events as e
        where e.tenant_id = part.tenant_id and e.endpoint_id = s.endpoint_id and e.external_id = s.external_id
        limit 1
      ) as known on true
      where known.event_id is null
      order by s.endpoint_id, s.external_id, s.ordinal
      on conflict (tenant_id, endpoint_id, external_id) do nothing
      returning event_id
    )
    select array_agg(s.event_id),
           array_agg(jsonb_build_object('job', 'webhooks.normalize_event', 'tenantId', part.tenant_id,
                                        'correlationId', s.correlation_id, 'eventId', s.event_id))
             filter (where s.is_handled and not s.is_test)
    into stored_ids, jobs
    from stored join sent as s on s.event_id = stored.event_id;
    if jobs is not null then
      perform internal.enqueue_jobs('webhook', jobs);
    end if;
    return query
      select s.ordinal, case when s.is_handled and not s.is_test then 'accepted' else 'ignored' end, s.event_id
      from jsonb_to_recordset(part.events) as s (ordinal integer, event_id uuid, is_test boolean, is_handled boolean)
      where s.event_id = any (stored_ids);

    -- A statement of its own sees what others have committed meanwhile.
    if coalesce(cardinality(stored_ids), 0) < jsonb_array_length(part.events) then
      for delivery in
        select s.*,
               known.event_id as known_id,
               known.body_sha256 = decode(s.body_sha256, 'hex')
                 or known.kept_sha256 = internal.hash_kept(s.topic, s.is_test, s.payload) as is_same
        from jsonb_to_recordset(part.events) as s (
          ordinal integer, event_id uuid, vendor text, external_id text, endpoint_id uuid, topic text, body_sha256 text,
          payload jsonb, is_test boolean, correlation_id uuid)
        cross join lateral (
          select e.event_id, e.body_sha256, e.kept_sha256 from public.webhook_events as e
          where e.tenant_id = part.tenant_id and e.endpoint_id = s.endpoint_id and e.external_id = s.external_id
          limit 1
        ) as known
        where s.event_id <> all (coalesce(stored_ids, '{}'))
        order by s.body_sha256, s.ordinal
      loop
        ordinal := delivery.ordinal;
        if delivery.is_same then
          result := 'duplicate';
          receipt_id := delivery.known_id;
        else
          result := 'dead';
          receipt_id := internal.record_dead_event(part.tenant_id, delivery.vendor, delivery.external_id,
            delivery.endpoint_id, delivery.topic, 'conflict', 'same_id_other_body',
            'This id was delivered before with another body.', decode(delivery.body_sha256, 'hex'), delivery.payload,
            delivery.correlation_id);
        end if;
        return next;
      end loop;
    end if;
  end loop;
  perform set_config('app.current_tenant_id', '', true);
end
$function$;
alter function internal.ingest_deliveries(jsonb) owner to skeldir_owner;
grant execute on function internal.ingest_deliveries(jsonb) to app_ingest;

CREATE OR REPLACE FUNCTION internal.ingest_webhook_event(for_tenant uuid, from_vendor text, delivery_id text, at_endpoint uuid, about_topic text, body_hash bytea, event_payload jsonb, test boolean, handled boolean, correlation uuid)
 RETURNS TABLE(result text, receipt_id uuid)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  new_id uuid;
  known record;
begin
  insert into public.webhook_events (tenant_id, vendor, external_id, endpoint_id, topic, body_sha256, kept_sha256, payload,
                                     is_test, is_handled, correlation_id)
  values (for_tenant, from_vendor, delivery_id, at_endpoint, about_topic, body_hash,
          internal.hash_kept(about_topic, test, event_payload), event_payload, test, handled, correlation)
  on conflict (tenant_id, endpoint_id, external_id) do nothing
  returning event_id into new_id;

  if new_id is not null then
    if handled and not test then
      perform internal.enqueue_job('webhook', jsonb_build_object('job', 'webhooks.normalize_event', 'tenantId', for_tenant,
                                   'correlationId', correlation, 'eventId', new_id));
    end if;
    return query select case when handled and not test then 'accepted' else 'ignored' end, new_id;
    return;
  end if;

  select e.event_id,
         e.body_sha256 = body_hash or e.kept_sha256 = internal.hash_kept(about_topic, test, event_payload) as is_same
  into strict known
  from public.webhook_events as e
  where e.tenant_id = for_tenant and e.endpoint_id = at_endpoint and e.external_id = delivery_id;
  if known.is_same then
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
  insert into public.attribution_setting_versions (tenant_id, version) values (new.tenant_id, 1);
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

CREATE OR REPLACE FUNCTION internal.is_authority_live(for_tenant uuid, of_user uuid, of_session uuid)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  if for_tenant is distinct from nullif(current_setting('app.current_tenant_id', true), '')::uuid then
    raise exception 'tenant % is asked about in the transaction of another', for_tenant using errcode = '42501';
  end if;
  return exists (
    select from public.sessions as s
    join public.memberships as m on m.tenant_id = s.tenant_id and m.user_id = s.user_id
    join public.users as u on u.user_id = s.user_id
    left join public.token_cutoffs as t on t.tenant_id = s.tenant_id and t.user_id = s.user_id
    left join internal.account_cutoffs as a on a.user_id = s.user_id
    where s.tenant_id = for_tenant and s.session_id = of_session and s.user_id = of_user
      and s.ended_at is null and s.expires_at > now() and u.status = 'active'
      and (t.not_before is null or s.created_at > t.not_before)
      and (a.not_before is null or s.created_at > a.not_before or a.kept_session = s.session_id)
  );
end
$function$;
alter function internal.is_authority_live(uuid,uuid,uuid) owner to skeldir_control;
grant execute on function internal.is_authority_live(uuid,uuid,uuid) to app_worker;

CREATE OR REPLACE FUNCTION internal.is_erased(for_tenant uuid, keys text[])
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('erasure/' || for_tenant, 0));
  -- Nearly no tenant has erased anything.
  return exists (select from public.erased_orders as e where e.tenant_id = for_tenant)
     and exists (select from public.erased_orders as e
                 where e.tenant_id = for_tenant and e.order_key = any (internal.keys_of_orders(for_tenant, keys)));
end
$function$;
alter function internal.is_erased(uuid,text[]) owner to skeldir_owner;
grant execute on function internal.is_erased(uuid,text[]) to app_ingest;

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

CREATE OR REPLACE FUNCTION internal.keys_of_orders(for_tenant uuid, keys text[])
 RETURNS text[]
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(array_agg(distinct k.order_key), '{}')
  from unnest(keys) as asked (order_key)
  cross join lateral (
    select array(
      with recursive linked (order_key) as (
        select asked.order_key
        union
        select other.order_key
        from linked as l
        cross join lateral (
          select c.same_as as order_key from public.canonical_events as c
          where c.tenant_id = for_tenant and c.order_key = l.order_key and c.same_as is not null
          union all
          select c.order_key from public.canonical_events as c
          where c.tenant_id = for_tenant and c.same_as = l.order_key
        ) as other
      )
      select l.order_key from linked as l limit 101
    ) as keys
  ) as joined
  cross join lateral unnest(case when cardinality(joined.keys) > 100 then array[asked.order_key] else joined.keys end)
    as k (order_key)
$function$;
alter function internal.keys_of_orders(uuid,text[]) owner to skeldir_owner;
grant execute on function internal.keys_of_orders(uuid,text[]) to app_ingest, app_retention;

CREATE OR REPLACE FUNCTION internal.learn_delivery_gap(for_tenant uuid, at_endpoint uuid, at timestamp with time zone)
 RETURNS TABLE(gaps integer, p99_seconds double precision, longest_seconds double precision)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select count(d.seconds)::integer,
         percentile_disc(0.99) within group (order by d.seconds),
         max(d.seconds)
  from (
    select extract(epoch from m.minute - lag(m.minute) over (order by m.minute))::double precision as seconds
    from (
      select distinct date_trunc('minute', e.received_at) as minute
      from public.webhook_events as e
      where e.tenant_id = for_tenant and e.endpoint_id = at_endpoint
        and e.received_at > at - interval '28 days' and e.received_at <= at
        and e.external_id not like 'poll:%'
    ) as m
  ) as d
$function$;
alter function internal.learn_delivery_gap(uuid,uuid,timestamp with time zone) owner to skeldir_owner;
grant execute on function internal.learn_delivery_gap(uuid,uuid,timestamp with time zone) to app_ingest;

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

CREATE OR REPLACE FUNCTION internal.list_changed_tenants(of_view text)
 RETURNS TABLE(tenant_id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  with recursive changed as (
    (select c.tenant_id from public.view_changes as c order by c.tenant_id limit 1)
    union all
    select (select c.tenant_id from public.view_changes as c where c.tenant_id > p.tenant_id order by c.tenant_id limit 1)
    from changed as p
    where p.tenant_id is not null
  )
  select p.tenant_id
  from changed as p
  cross join lateral (
    select min(f.changed_at) as since
    from (select c.changed_at from public.view_changes as c where c.tenant_id = p.tenant_id and c.view = of_view limit 1000) as f
  ) as w
  where w.since is not null
  order by w.since, p.tenant_id
$function$;
alter function internal.list_changed_tenants(text) owner to skeldir_control;
grant execute on function internal.list_changed_tenants(text) to app_worker;

CREATE OR REPLACE FUNCTION internal.list_endpoint_orders(for_tenant uuid, at_endpoint uuid, after uuid, max_events integer)
 RETURNS TABLE(keys text[], last_event uuid)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with page as (
    select e.event_id from public.webhook_events as e
    where e.tenant_id = for_tenant and e.endpoint_id = at_endpoint and (after is null or e.event_id > after)
    order by e.event_id limit max_events
  )
  select coalesce((select array_agg(distinct f.order_key)
                   from public.order_facts as f join page as p on p.event_id = f.event_id
                   where f.tenant_id = for_tenant), '{}'),
         (select p.event_id from page as p order by p.event_id desc limit 1)
$function$;
alter function internal.list_endpoint_orders(uuid,uuid,uuid,integer) owner to skeldir_owner;
grant execute on function internal.list_endpoint_orders(uuid,uuid,uuid,integer) to app_retention;

CREATE OR REPLACE FUNCTION internal.list_exchanged_spans(days date[])
 RETURNS TABLE(tenant_id uuid, from_at timestamp with time zone, until_at timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  with spans as (
    select lower(m.span) as from_at, upper(m.span) as until_at
    from (
      select unnest(range_agg(tstzrange(d.day::timestamp at time zone 'UTC', (d.day + 8)::timestamp at time zone 'UTC'))) as span
      from unnest(days) as d (day)
    ) as m
  )
  select distinct e.tenant_id, s.from_at, s.until_at
  from public.attribution_editions as e
  cross join spans as s
  where e.status in ('building', 'published')
    and exists (
      select
      from public.published_day_runs as p
      cross join lateral (
        select from public.attribution_day_run_totals as t
        where t.tenant_id = p.tenant_id and t.run_id = p.run_id and t.currency <> e.config ->> 'reportingCurrency'
        offset 0
      ) as t
      where p.tenant_id = e.tenant_id and p.edition_id = e.edition_id and p.model = e.models[1]
        and p.window_start >= s.from_at and p.window_start < s.until_at
      offset 0
    )
  order by 1, 2
$function$;
alter function internal.list_exchanged_spans(date[]) owner to skeldir_control;
grant execute on function internal.list_exchanged_spans(date[]) to app_rw;

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

CREATE OR REPLACE FUNCTION internal.list_polled_tenants()
 RETURNS TABLE(tenant_id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select distinct e.tenant_id
  from public.webhook_endpoints as e
  join public.poll_credentials as c on c.tenant_id = e.tenant_id and c.endpoint_id = e.endpoint_id
  where e.deleted_at is null and e.mode = 'live'
  order by e.tenant_id
$function$;
alter function internal.list_polled_tenants() owner to skeldir_control;
grant execute on function internal.list_polled_tenants() to app_worker;

CREATE OR REPLACE FUNCTION internal.list_quiet_tenants(quiet_since timestamp with time zone)
 RETURNS TABLE(tenant_id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select distinct e.tenant_id
  from public.webhook_endpoints as e
  where e.deleted_at is null and e.mode = 'live' and e.last_delivery_at < quiet_since
  order by e.tenant_id
$function$;
alter function internal.list_quiet_tenants(timestamp with time zone) owner to skeldir_control;
grant execute on function internal.list_quiet_tenants(timestamp with time zone) to app_worker;

CREATE OR REPLACE FUNCTION internal.list_unpublished_tenants(waiting_seconds integer)
 RETURNS TABLE(tenant_id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  with recursive changed as (
    (select c.tenant_id from public.attribution_changes as c order by c.tenant_id limit 1)
    union all
    select (select c.tenant_id from public.attribution_changes as c where c.tenant_id > p.tenant_id order by c.tenant_id limit 1)
    from changed as p
    where p.tenant_id is not null
  )
  select p.tenant_id
  from changed as p
  cross join lateral (
    select f.recorded_at from public.attribution_changes as f where f.tenant_id = p.tenant_id order by f.change_id limit 1
  ) as w
  where w.recorded_at < clock_timestamp() - make_interval(secs => waiting_seconds)
  order by p.tenant_id
$function$;
alter function internal.list_unpublished_tenants(integer) owner to skeldir_control;
grant execute on function internal.list_unpublished_tenants(integer) to app_worker;

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

CREATE OR REPLACE PROCEDURE internal.make_erasable(IN target regclass, IN erasable text)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $procedure$
begin
  execute format('drop trigger append_only on %s', target);
  -- Before the row is written, generated columns are not there yet.
  execute format('create trigger append_only before update or delete on %s for each row execute function internal.refuse_change_but_erasure(%L%s)',
                 target, erasable,
                 (select string_agg(format(', %L', a.attname), '') from pg_catalog.pg_attribute as a
                  where a.attrelid = target and a.attgenerated <> '' and not a.attisdropped));
end
$procedure$;
alter procedure internal.make_erasable(regclass,text) owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.measure_queues()
 RETURNS TABLE(name text, ready bigint, active bigint, failed bigint, oldest_ready_age_seconds double precision)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select q.name, waiting.ready,
         (select count(*) from pgboss.job as j
          where j.name = q.name and j.state = 'active' and j.group_id is not null),
         (select count(*) from pgboss.job as j
          where j.name = q.dead_letter and j.state < 'active' and not j.blocked)
           + (select count(*) from public.worker_failed_jobs as f where f.queue = q.name and f.status = 'pending'),
         extract(epoch from now() - waiting.since)::double precision   -- since is not later than now
  from pgboss.queue as q
  cross join lateral (
    -- Those that are taken next: a million would take a second, just when somebody has to know that there are so many.
    select count(*) as ready, min(due.start_after) as since
    from (
      select j.start_after from pgboss.job as j
      where j.name = q.name and j.state < 'active' and not j.blocked and j.start_after <= now()
      order by j.priority desc, j.created_on
      limit 100000
    ) as due
  ) as waiting
  where q.name <> 'probe' and q.name not like '\_\_%'
    and not exists (select from pgboss.queue as o where o.dead_letter = q.name)
  order by q.name collate "C"
$function$;
alter function internal.measure_queues() owner to skeldir_control;
grant execute on function internal.measure_queues() to app_user, app_worker;

CREATE OR REPLACE FUNCTION internal.measure_views(names text[])
 RETURNS TABLE(view text, buckets bigint, behind_seconds double precision)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select n.name, count(distinct (c.tenant_id, c.bucket)) filter (where c.bucket is not null),
         greatest(0, coalesce(extract(epoch from clock_timestamp() - min(c.changed_at)), 0))::double precision
  from unnest(names) as n (name)
  left join lateral (
    select o.tenant_id, o.bucket, o.changed_at
    from public.view_changes as o
    where o.view = n.name
    order by o.changed_at
    limit 10000
  ) as c on true
  group by n.name
$function$;
alter function internal.measure_views(text[]) owner to skeldir_control;
grant execute on function internal.measure_views(text[]) to app_user, app_worker;

CREATE OR REPLACE FUNCTION internal.note_fx_rates()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  former text := coalesce(current_setting('app.current_tenant_id', true), '');
  noted  record;
begin
  if not exists (select from new_rows) then
    return null;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('fx_rates/published', 0));
  for noted in
    select s.tenant_id, s.from_at, s.until_at
    from internal.list_exchanged_spans(array(select distinct n.as_of from new_rows as n)) as s
  loop
    perform set_config('app.current_tenant_id', noted.tenant_id::text, true);
    insert into public.attribution_changes (tenant_id, from_at, until_at)
    values (noted.tenant_id, noted.from_at, noted.until_at);
  end loop;
  perform set_config('app.current_tenant_id', former, true);
  return null;
end
$function$;
alter function internal.note_fx_rates() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.note_grouped_orders()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if tg_op = 'UPDATE' then
    insert into public.attribution_changes (tenant_id, order_key)
    select o.tenant_id, o.order_key from old_rows as o union select o.tenant_id, o.group_key from old_rows as o
    union select n.tenant_id, n.group_key from changed_rows as n;
  else
    insert into public.attribution_changes (tenant_id, order_key)
    select n.tenant_id, n.order_key from changed_rows as n union select n.tenant_id, n.group_key from changed_rows as n;
  end if;
  return null;
end
$function$;
alter function internal.note_grouped_orders() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.note_ledger_entries()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.view_changes (tenant_id, view, bucket)
  select distinct n.tenant_id, v.view, to_char(coalesce(l.occurred_at, n.occurred_at) at time zone 'UTC', v.pattern)
  from new_rows as n
  left join public.ledger_entries as l on l.tenant_id = n.tenant_id and l.entry_key = n.corrects_entry_key
  cross join (values ('realtime_revenue', 'YYYY-MM-DD"T"HH24'), ('daily_revenue', 'YYYY-MM-DD')) as v (view, pattern);
  return null;
end
$function$;
alter function internal.note_ledger_entries() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.note_order_parts()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.attribution_changes (tenant_id, order_key)
  select distinct n.tenant_id, n.order_key from new_rows as n where n.event_id is not null;
  return null;
end
$function$;
alter function internal.note_order_parts() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.note_orders()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.attribution_changes (tenant_id, order_key) select distinct n.tenant_id, n.order_key from new_rows as n;
  return null;
end
$function$;
alter function internal.note_orders() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.note_poll()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.view_changes (tenant_id, view, bucket) values (new.tenant_id, 'reconciliation_status', new.endpoint_id::text);
  return null;
end
$function$;
alter function internal.note_poll() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.note_published_edition()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.view_changes (tenant_id, view, bucket)
  select new.tenant_id, v.view, '*' from (values ('allocation_summary'), ('channel_performance')) as v (view);
  return null;
end
$function$;
alter function internal.note_published_edition() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.note_published_run()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.view_changes (tenant_id, view, bucket)
  select new.tenant_id, v.view, to_char(new.window_start at time zone 'UTC', 'YYYY-MM-DD')
  from (values ('allocation_summary'), ('channel_performance')) as v (view);
  return null;
end
$function$;
alter function internal.note_published_run() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.note_published_runs()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.view_changes (tenant_id, view, bucket)
  select distinct n.tenant_id, v.view, to_char(n.window_start at time zone 'UTC', 'YYYY-MM-DD')
  from new_rows as n
  join public.attribution_editions as e on e.tenant_id = n.tenant_id and e.edition_id = n.edition_id and e.status = 'published'
  cross join (values ('allocation_summary'), ('channel_performance')) as v (view);
  return null;
end
$function$;
alter function internal.note_published_runs() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.note_statements()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.attribution_changes (tenant_id, order_key)
  select n.tenant_id, n.order_key from new_rows as n where n.entry_key is not null
  union
  select n.tenant_id, l.order_key
  from new_rows as n
  join public.ledger_entries as l on l.tenant_id = n.tenant_id and l.entry_key = n.entry_key;
  return null;
end
$function$;
alter function internal.note_statements() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.note_touches()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.attribution_changes (tenant_id, identity, order_key, from_at, until_at)
  select n.tenant_id, n.identity, case when n.identity is null then n.order_key end,
         case when n.identity is not null then min(n.occurred_at) end, case when n.identity is not null then max(n.occurred_at) end
  from new_rows as n
  group by n.tenant_id, n.identity, case when n.identity is null then n.order_key end;
  return null;
end
$function$;
alter function internal.note_touches() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.note_uncounted_entries()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.view_changes (tenant_id, view, bucket)
  select distinct l.tenant_id, v.view, to_char(l.occurred_at at time zone 'UTC', v.pattern)
  from changed_rows as n
  join public.ledger_entries as l on l.tenant_id = n.tenant_id and l.entry_key = n.entry_key
  cross join (values ('realtime_revenue', 'YYYY-MM-DD"T"HH24'), ('daily_revenue', 'YYYY-MM-DD')) as v (view, pattern);
  return null;
end
$function$;
alter function internal.note_uncounted_entries() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.note_uncounted_orders()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.attribution_changes (tenant_id, order_key) select distinct n.tenant_id, n.group_key from changed_rows as n;
  return null;
end
$function$;
alter function internal.note_uncounted_orders() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.offboard_tenant(for_tenant uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  counts jsonb := '{}';
  gone integer;
  target text;
  one record;
  people uuid[] := array(select m.user_id from public.memberships as m where m.tenant_id = for_tenant);
begin
  update public.tenants as t set offboarded_at = coalesce(t.offboarded_at, clock_timestamp()) where t.tenant_id = for_tenant;
  for one in
    update public.webhook_endpoints as e set version = e.version + 1, deleted_at = clock_timestamp()
    where e.tenant_id = for_tenant and e.deleted_at is null
    returning e.endpoint_id as id
  loop
    perform internal.publish_revocation(for_tenant, 'webhook_endpoint', one.id, 'none', null);
  end loop;
  for one in
    update public.api_keys as k set revoked_at = clock_timestamp()
    where k.tenant_id = for_tenant and k.revoked_at is null
    returning k.key_id as id
  loop
    perform internal.publish_revocation(for_tenant, 'key', one.id, 'none', null);
  end loop;
  -- Those that refer to the keys come before them.
  foreach target in array array[
    'dead_event_bodies', 'webhook_secrets', 'poll_credentials', 'idempotency_keys', 'tenant_alert_targets', 'data_requests',
    'sessions', 'member_invitations', 'memberships', 'token_cutoffs', 'tenant_keys'
  ] loop
    execute format('delete from public.%I as t where t.tenant_id = $1', target) using for_tenant;
    get diagnostics gone = row_count;
    counts := counts || jsonb_build_object(target, gone);
  end loop;
  counts := counts || jsonb_build_object('accounts', internal.remove_accounts_of_offboarded(people));
  perform internal.record_erasure(for_tenant, 'tenant.offboarded', 'tenant', for_tenant::text, counts);
  return counts;
end
$function$;
alter function internal.offboard_tenant(uuid) owner to skeldir_owner;
grant execute on function internal.offboard_tenant(uuid) to app_retention;

CREATE OR REPLACE FUNCTION internal.plain_text(content text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select translate(internal.decode_percent(internal.decode_percent(content)),
    U&'\00a0\2000\2001\2002\2003\2004\2005\2006\2007\2008\2009\200a\202f\205f\3000\2010\2011\2012\2013\2014\2015\2212０１２３４５６７８９＠﹫＋﹢－．﹒。｡（）／％：',
    '               -------0123456789@@++-....()/%:')
$function$;
alter function internal.plain_text(text) owner to skeldir_owner;
grant execute on function internal.plain_text(text) to app_ingest, app_retention, app_rw, app_user, app_worker;

CREATE OR REPLACE FUNCTION internal.publish_revocation(for_tenant uuid, kind text, thing uuid, new_standing text, cutoff timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  -- A null would make the subject of anybody, since concat_ws skips it: only the trigger on users ends accounts.
  if thing is null
     or (pg_trigger_depth() = 0 and (for_tenant is null or kind not in ('session', 'member', 'key', 'webhook_endpoint'))) then
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
grant execute on function internal.publish_revocation(uuid,text,uuid,text,timestamp with time zone) to app_retention, app_rw, app_user;

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

CREATE OR REPLACE FUNCTION internal.read_watermark(for_tenant uuid, asked_since timestamp with time zone, asked_at timestamp with time zone, sealed_since timestamp with time zone, sealed_before timestamp with time zone)
 RETURNS TABLE(since timestamp with time zone, time_zone text, reporting_currency text, counted bigint, sealable bigint, is_sealed boolean, seal_before timestamp with time zone)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
  today timestamp;
  counts_from timestamptz;
begin
  select n.time_zone, n.reporting_currency into time_zone, reporting_currency from public.tenants as n where n.tenant_id = for_tenant;
  if not found then
    return;
  end if;
  since := asked_since;
  if since is null then
    -- The first of two midnights where clocks go back over it, as startOfDay says it.
    today := date_trunc('day', asked_at at time zone time_zone);
    since := (today at time zone time_zone)
      - greatest(interval '0', ((today at time zone time_zone) - interval '1 microsecond') at time zone time_zone + interval '1 microsecond' - today);
  end if;
  is_sealed := coalesce(since = sealed_since, false);
  counts_from := case when is_sealed then sealed_before else since end;
  seal_before := greatest(since, date_trunc('milliseconds', statement_timestamp()) - interval '10 minutes');
  select count(*), count(*) filter (where r.recorded_at < seal_before) into counted, sealable
  from (
    select l.recorded_at from public.ledger_entries as l
    where l.tenant_id = for_tenant and l.recorded_at >= counts_from and l.recorded_at <= 'infinity'
    union all
    select f.recorded_at from public.order_facts as f
    where f.tenant_id = for_tenant and f.recorded_at >= counts_from and f.recorded_at <= 'infinity'
    union all
    select c.recorded_at from public.canonical_events as c
    where c.tenant_id = for_tenant and c.recorded_at >= counts_from and c.recorded_at <= 'infinity'
  ) as r;
  return next;
end
$function$;
alter function internal.read_watermark(uuid,timestamp with time zone,timestamp with time zone,timestamp with time zone,timestamp with time zone) owner to skeldir_owner;
grant execute on function internal.read_watermark(uuid,timestamp with time zone,timestamp with time zone,timestamp with time zone,timestamp with time zone) to app_user;

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

CREATE OR REPLACE FUNCTION internal.record_dead_event(for_tenant uuid, from_vendor text, delivery_id text, at_endpoint uuid, about_topic text, fault_class text, fault_code text, fault_detail text, body_hash bytea, event_payload jsonb, correlation uuid, body_key_version integer DEFAULT NULL::integer, body_sealed bytea DEFAULT NULL::bytea)
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
  elsif body_sealed is not null then
    insert into public.dead_event_bodies (tenant_id, dead_event_id, key_version, sealed_body)
    values (for_tenant, receipt, body_key_version, body_sealed);
  end if;
  insert into public.dead_event_sightings as s (tenant_id, dead_event_id, last_correlation_id)
  values (for_tenant, receipt, correlation)
  on conflict (tenant_id, dead_event_id) do update
    set seen = s.seen + 1, last_seen_at = greatest(s.last_seen_at, excluded.last_seen_at), last_correlation_id = excluded.last_correlation_id;
  return receipt;
end
$function$;
alter function internal.record_dead_event(uuid,text,text,uuid,text,text,text,text,bytea,jsonb,uuid,integer,bytea) owner to skeldir_owner;
grant execute on function internal.record_dead_event(uuid,text,text,uuid,text,text,text,text,bytea,jsonb,uuid,integer,bytea) to app_ingest;

CREATE OR REPLACE FUNCTION internal.record_erasure(for_tenant uuid, act text, kind text, thing text, counts jsonb)
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  insert into public.audit_log (tenant_id, actor_kind, action, target_kind, target_id, correlation_id, changes)
  values (for_tenant, case when current_setting('app.actor', true) = 'operator' then 'operator' else 'system' end, act, kind,
          thing, current_setting('app.correlation_id')::uuid,
          (select coalesce(jsonb_agg(jsonb_build_object('pointer', '/' || c.key, 'before', null, 'after', c.value::text)
                                     order by c.key), '[]')
           from jsonb_each(counts) as c))
$function$;
alter function internal.record_erasure(uuid,text,text,text,jsonb) owner to skeldir_owner;
grant execute on function internal.record_erasure(uuid,text,text,text,jsonb) to app_retention;

CREATE OR REPLACE FUNCTION internal.record_webhook_deliveries(of_tenants uuid[], of_endpoints uuid[], delivered_at timestamp with time zone[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  note record;
begin
  -- It leaves no context behind, so inside of a tenant's transaction the rest of that would see nothing.
  if nullif(current_setting('app.current_tenant_id', true), '') is not null then
    raise exception 'record_webhook_deliveries runs outside of a tenant' using errcode = '25001';
  end if;
  for note in
    select n.tenant_id, n.endpoint_id, n.at
    from unnest(of_tenants, of_endpoints, delivered_at) as n (tenant_id, endpoint_id, at)
    order by n.tenant_id, n.endpoint_id
  loop
    perform set_config('app.current_tenant_id', note.tenant_id::text, true);
    update public.webhook_endpoints as e
    set last_delivery_at = note.at
    where e.tenant_id = note.tenant_id
      and e.endpoint_id = note.endpoint_id
      and (e.last_delivery_at is null or e.last_delivery_at < note.at);
  end loop;
  perform set_config('app.current_tenant_id', '', true);
end
$function$;
alter function internal.record_webhook_deliveries(uuid[],uuid[],timestamp with time zone[]) owner to skeldir_owner;
grant execute on function internal.record_webhook_deliveries(uuid[],uuid[],timestamp with time zone[]) to app_user;

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

CREATE OR REPLACE FUNCTION internal.refuse_change_but_erasure()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  is_less boolean;
begin
  if current_user = 'app_retention' then
    if tg_op = 'DELETE' and 'rows' = any (tg_argv) then
      return old;
    end if;
    -- Fields are named inside of a branch of their own: a row of another table does not have them.
    if tg_op = 'UPDATE' and to_jsonb(new) - tg_argv = to_jsonb(old) - tg_argv then
      is_less := tg_table_name <> 'webhook_events' and (to_jsonb(new) -> tg_argv[0]) = 'null';
      if tg_argv[0] = 'payload' then
        is_less := is_less or new.payload = internal.without_identity(old.payload);
      end if;
      if is_less or (to_jsonb(new) -> tg_argv[0]) = (to_jsonb(old) -> tg_argv[0]) then
        return new;
      end if;
    end if;
  end if;
  raise exception 'rows of % are never changed or deleted', tg_table_name
    using errcode = '42501', hint = 'Write a new row that corrects the old one.';
end
$function$;
alter function internal.refuse_change_but_erasure() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.refuse_offboarded()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if exists (select from public.tenants as t where t.tenant_id = new.tenant_id and t.offboarded_at is not null) then
    raise exception 'the tenant was offboarded: it takes no new %', tg_table_name using errcode = '23514';
  end if;
  return new;
end
$function$;
alter function internal.refuse_offboarded() owner to skeldir_owner;

CREATE OR REPLACE FUNCTION internal.refuse_personal_data()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  -- Without arguments tg_argv is null, and so would be whatever is taken from.
  finding text := internal.find_personal_data(case when tg_nargs > 0 then to_jsonb(new) - tg_argv else to_jsonb(new) end);
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

CREATE OR REPLACE FUNCTION internal.remove_accounts_of_offboarded(people uuid[])
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  gone integer;
begin
  if not exists (
    select from public.tenants as t
    where t.tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid and t.offboarded_at is not null
  ) then
    raise exception 'accounts go with the end of their tenant' using errcode = '42501';
  end if;
  delete from public.users as u
  where u.user_id = any (people)
    and not exists (select from public.memberships as m where m.user_id = u.user_id)
    and not exists (select from public.sessions as s where s.user_id = u.user_id)
    and not exists (select from public.member_invitations as i where i.email = u.email);
  get diagnostics gone = row_count;
  return gone;
end
$function$;
alter function internal.remove_accounts_of_offboarded(uuid[]) owner to skeldir_control;
grant execute on function internal.remove_accounts_of_offboarded(uuid[]) to app_retention;

CREATE OR REPLACE FUNCTION internal.remove_expired(for_tenant uuid, run uuid, of_item text, cutoff timestamp with time zone, max_rows integer, after_at timestamp with time zone, after_id uuid)
 RETURNS TABLE(seen integer, gone integer, last_at timestamp with time zone, last_id uuid)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  case of_item
    when 'touchpoints' then
      delete from public.touchpoints as t using (
        select d.origin, d.external_id from public.touchpoints as d
        where d.tenant_id = for_tenant and d.occurred_at < cutoff
        order by d.occurred_at limit max_rows
      ) as due
      where t.tenant_id = for_tenant and t.origin = due.origin and t.external_id = due.external_id;
    when 'order_facts' then
      update public.order_facts as f set identity = null from (
        select d.order_key, d.fact_id from public.order_facts as d
        where d.tenant_id = for_tenant and d.identity is not null and d.ordered_at < cutoff
        order by d.ordered_at limit max_rows for update skip locked
      ) as due
      where f.tenant_id = for_tenant and f.order_key = due.order_key and f.fact_id = due.fact_id;
    when 'conversions' then
      update public.conversions as c set identity = null from (
        select d.event_id from public.conversions as d
        where d.tenant_id = for_tenant and d.identity is not null and d.occurred_at < cutoff
        order by d.occurred_at limit max_rows for update skip locked
      ) as due
      where c.tenant_id = for_tenant and c.event_id = due.event_id;
    when 'webhook_events' then
      with page as (
        select d.event_id, d.received_at from public.webhook_events as d
        where d.tenant_id = for_tenant and d.received_at < cutoff and d.received_at > '-infinity'
          and (d.received_at, d.event_id) > (coalesce(after_at, (select max(r.cutoff) from public.retention_runs as r
                                                                 where r.tenant_id = for_tenant and r.item = 'webhook_events'
                                                                   and r.finished_at is not null and r.run_id <> run), '-infinity'),
                                             coalesce(after_id, '00000000-0000-0000-0000-000000000000'))
        order by d.received_at, d.event_id limit max_rows
      ),
      redacted as (
        update public.webhook_events as e set payload = internal.without_identity(e.payload)
        from page as p
        where e.tenant_id = for_tenant and e.event_id = p.event_id and internal.has_identity(e.payload)
        returning e.event_id
      )
      select (select count(*) from page), (select count(*) from redacted), p.received_at, p.event_id
      into seen, gone, last_at, last_id
      from (select) as one
      left join (select received_at, event_id from page order by received_at desc, event_id desc limit 1) as p on true;
    when 'dead_events' then
      update public.dead_events as e set payload = null from (
        select d.dead_event_id from public.dead_events as d
        where d.tenant_id = for_tenant and d.payload is not null and d.received_at < cutoff
        order by d.received_at limit max_rows for update skip locked
      ) as due
      where e.tenant_id = for_tenant and e.dead_event_id = due.dead_event_id;
    when 'dead_event_bodies' then
      delete from public.dead_event_bodies as b using (
        select d.dead_event_id from public.dead_event_bodies as d
        where d.tenant_id = for_tenant and d.created_at < cutoff order by d.created_at limit max_rows
      ) as due
      where b.tenant_id = for_tenant and b.dead_event_id = due.dead_event_id;
    when 'idempotency_keys' then
      delete from public.idempotency_keys as k using (
        select d.key_hash from public.idempotency_keys as d
        where d.tenant_id = for_tenant and d.expires_at < cutoff order by d.expires_at limit max_rows
      ) as due
      where k.tenant_id = for_tenant and k.key_hash = due.key_hash;
    when 'sessions' then
      delete from public.sessions as s using (
        select d.session_id from public.sessions as d
        where d.tenant_id = for_tenant and least(d.ended_at, d.expires_at) < cutoff limit max_rows
      ) as due
      where s.tenant_id = for_tenant and s.session_id = due.session_id;
    when 'member_invitations' then
      delete from public.member_invitations as i using (
        select d.user_id from public.member_invitations as d
        where d.tenant_id = for_tenant and d.expires_at < cutoff limit max_rows
      ) as due
      where i.tenant_id = for_tenant and i.user_id = due.user_id;
    when 'webhook_secrets' then
      delete from public.webhook_secrets as s using (
        select d.endpoint_id, d.secret_id from public.webhook_secrets as d
        where d.tenant_id = for_tenant and d.not_after < cutoff limit max_rows
      ) as due
      where s.tenant_id = for_tenant and s.endpoint_id = due.endpoint_id and s.secret_id = due.secret_id;
    when 'data_requests' then
      delete from public.data_requests as r using (
        select d.request_id from public.data_requests as d
        where d.tenant_id = for_tenant and d.expires_at < cutoff limit max_rows
      ) as due
      where r.tenant_id = for_tenant and r.request_id = due.request_id;
    when 'browser_errors' then
      delete from public.browser_errors as e using (
        select d.error_id from public.browser_errors as d
        where d.tenant_id = for_tenant and d.last_seen_at < cutoff order by d.last_seen_at limit max_rows
      ) as due
      where e.tenant_id = for_tenant and e.error_id = due.error_id;
    when 'worker_failed_jobs' then
      -- What somebody should have seen to and nobody did is told of when it goes.
      with gone_jobs as (
        delete from public.worker_failed_jobs as j using (
          select d.job_id from public.worker_failed_jobs as d
          where d.tenant_id = for_tenant and d.last_failed_at < cutoff and d.status <> 'in_progress'
          order by d.last_failed_at limit max_rows
        ) as due
        where j.tenant_id = for_tenant and j.job_id = due.job_id
        returning j.job_id, j.task, j.status
      ),
      told as (
        insert into public.audit_log (tenant_id, actor_kind, action, target_kind, target_id, correlation_id, changes)
        select for_tenant, case when current_setting('app.actor', true) = 'operator' then 'operator' else 'system' end,
               'failed_job.closed', 'failed_job', g.job_id::text, current_setting('app.correlation_id')::uuid,
               jsonb_build_array(
                 jsonb_build_object('pointer', '/status', 'before', '"pending"', 'after', '"abandoned"'),
                 jsonb_build_object('pointer', '/task', 'before', null, 'after', to_jsonb(g.task)::text))
        from gone_jobs as g
        where g.status = 'pending'
      )
      select count(*) from gone_jobs into gone;
    when 'worker_job_failures' then
      delete from public.worker_job_failures as f using (
        select d.job_id, d.attempt from public.worker_job_failures as d
        where d.tenant_id = for_tenant and d.failed_at < cutoff
          and not exists (select from public.worker_failed_jobs as j where j.tenant_id = for_tenant and j.job_id = d.job_id)
        order by d.failed_at limit max_rows
      ) as due
      where f.tenant_id = for_tenant and f.job_id = due.job_id and f.attempt = due.attempt;
    when 'job_effects' then
      delete from public.job_effects as e using (
        select d.job_id, d.effect from public.job_effects as d
        where d.tenant_id = for_tenant and d.entered_at < cutoff
          and not exists (select from public.worker_failed_jobs as j where j.tenant_id = for_tenant and j.job_id = d.job_id)
        order by d.entered_at limit max_rows
      ) as due
      where e.tenant_id = for_tenant and e.job_id = due.job_id and e.effect = due.effect;
    else
      raise exception 'nothing is known of %', of_item using errcode = '22023';
  end case;
  if of_item = 'worker_failed_jobs' then
    seen := gone;
  elsif of_item <> 'webhook_events' then
    get diagnostics gone = row_count;
    seen := gone;
  end if;
  update public.retention_runs as r
  set removed = r.removed + gone,
      looked_at = greatest(r.looked_at, r.removed + gone),
      finished_at = case when seen < max_rows then clock_timestamp() end
  where r.tenant_id = for_tenant and r.run_id = run and r.item = of_item;
  if not found then
    raise exception 'there is no run % of %', run, of_item using errcode = '22023';
  end if;
  return next;
end
$function$;
alter function internal.remove_expired(uuid,uuid,text,timestamp with time zone,integer,timestamp with time zone,uuid) owner to skeldir_owner;
grant execute on function internal.remove_expired(uuid,uuid,text,timestamp with time zone,integer,timestamp with time zone,uuid) to app_retention;

CREATE OR REPLACE FUNCTION internal.remove_expired_everywhere(at timestamp with time zone, is_dry boolean)
 RETURNS TABLE(item text, looked_at bigint, removed bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  return query select 'login_attempts', count(*), count(*) filter (where a.failed_at < at - interval '1 day')
               from internal.login_attempts as a;
  return query select 'address_limits', count(*), count(*) filter (where a.full_at < at) from internal.address_limits as a;
  return query select 'token_revocations', count(*), count(*) filter (where r.recorded_at < at - interval '1 hour')
               from internal.token_revocations as r;
  if not is_dry then
    delete from internal.login_attempts as a where a.failed_at < at - interval '1 day';
    delete from internal.address_limits as a where a.full_at < at;
    delete from internal.token_revocations as r where r.recorded_at < at - interval '1 hour';
  end if;
end
$function$;
alter function internal.remove_expired_everywhere(timestamp with time zone,boolean) owner to skeldir_control;
grant execute on function internal.remove_expired_everywhere(timestamp with time zone,boolean) to app_retention;

CREATE OR REPLACE FUNCTION internal.remove_superseded(for_tenant uuid, run uuid, of_item text, cutoff timestamp with time zone, max_rows integer)
 RETURNS TABLE(seen integer, gone integer)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  most integer := case when of_item = 'attribution_window_runs' then greatest(max_rows / 100, 1) else max_rows end;
begin
  case of_item
    when 'attribution_orders' then
      with due as materialized (
        select o.edition_id, o.order_key, o.revision, e.published_at
        from public.attribution_editions as e
        join public.attribution_orders as o on o.tenant_id = for_tenant and o.edition_id = e.edition_id
        where e.tenant_id = for_tenant and e.superseded_at < cutoff and o.ordered_at > '-infinity'
        order by o.edition_id, o.ordered_at limit most
      ),
      kept as (  -- by model, then together
        insert into public.attribution_edition_sums (tenant_id, edition_id, day, channel, currency, revenue_minor, conversion_micro)
        select for_tenant, m.edition_id, m.day, m.channel, m.currency, array_agg(m.revenue order by m.place), array_agg(m.conversion order by m.place)
        from (
          select c.edition_id, (c.ordered_at at time zone 'UTC')::date as day, c.channel, c.currency, u.place,
                 sum(u.revenue)::bigint as revenue, sum(u.conversion)::bigint as conversion
          from due as d
          join public.attribution_order_credits as c
            on c.tenant_id = for_tenant and c.edition_id = d.edition_id and c.order_key = d.order_key and c.revision = d.revision
          cross join lateral unnest(c.revenue_minor, c.conversion_micro) with ordinality as u (revenue, conversion, place)
          where d.published_at is not null
          group by 1, 2, 3, 4, 5
        ) as m
        group by 1, 2, 3, 4, 5
      ),
      credits as (
        delete from public.attribution_entry_credits as c using due as d
        where c.tenant_id = for_tenant and c.edition_id = d.edition_id and c.order_key = d.order_key
      ),
      touches as (
        delete from public.attribution_touch_credits as c using due as d
        where c.tenant_id = for_tenant and c.edition_id = d.edition_id and c.order_key = d.order_key
      )
      delete from public.attribution_orders as o using due as d
      where o.tenant_id = for_tenant and o.edition_id = d.edition_id and o.order_key = d.order_key;
    when 'attribution_entry_credits' then
      delete from public.attribution_entry_credits as c using (
        select d.edition_id, d.order_key, d.revision, d.entry_key, d.position
        from public.attribution_editions as e
        join public.attribution_entry_credits as d on d.tenant_id = for_tenant and d.edition_id = e.edition_id
        where e.tenant_id = for_tenant and e.superseded_at < cutoff
          and not exists (select from public.attribution_orders as o
                          where o.tenant_id = for_tenant and o.edition_id = e.edition_id and o.order_key = d.order_key)
        limit most
      ) as due
      where c.tenant_id = for_tenant and c.edition_id = due.edition_id and c.order_key = due.order_key and c.revision = due.revision
        and c.entry_key = due.entry_key and c.position = due.position;
    when 'attribution_touch_credits' then
      delete from public.attribution_touch_credits as c using (
        select d.edition_id, d.order_key, d.revision, d.entry_key, d.position
        from public.attribution_editions as e
        join public.attribution_touch_credits as d on d.tenant_id = for_tenant and d.edition_id = e.edition_id
        where e.tenant_id = for_tenant and e.superseded_at < cutoff
          and not exists (select from public.attribution_orders as o
                          where o.tenant_id = for_tenant and o.edition_id = e.edition_id and o.order_key = d.order_key)
        limit most
      ) as due
      where c.tenant_id = for_tenant and c.edition_id = due.edition_id and c.order_key = due.order_key and c.revision = due.revision
        and c.entry_key = due.entry_key and c.position = due.position;
    when 'published_windows' then
      delete from public.published_windows as p
      where p.tenant_id = for_tenant
        and p.ctid = any (array(
          select d.ctid
          from public.attribution_editions as e
          join public.published_windows as d on d.tenant_id = for_tenant and d.edition_id = e.edition_id
          where e.tenant_id = for_tenant and e.superseded_at < cutoff
          limit most));
    when 'attribution_window_runs' then
      with due as materialized (
        select r.window_run_id
        from public.attribution_window_runs as r
        where r.tenant_id = for_tenant and r.created_at < cutoff
          and not exists (select from public.published_windows as p
                          where p.tenant_id = for_tenant and p.window_run_id = r.window_run_id)
        order by r.created_at limit most
      ),
      channels as (
        delete from public.attribution_window_channels as c using due as d
        where c.tenant_id = for_tenant and c.window_run_id = d.window_run_id
      )
      delete from public.attribution_window_runs as r using due as d
      where r.tenant_id = for_tenant and r.window_run_id = d.window_run_id;
    else
      raise exception 'nothing is known of %', of_item using errcode = '22023';
  end case;
  get diagnostics gone = row_count;
  seen := case when gone < most then 0 else max_rows end;
  update public.retention_runs as t
  set removed = t.removed + gone,
      looked_at = greatest(t.looked_at, t.removed + gone),
      finished_at = case when seen < max_rows then clock_timestamp() end
  where t.tenant_id = for_tenant and t.run_id = run and t.item = of_item;
  if not found then
    raise exception 'there is no run % of %', run, of_item using errcode = '22023';
  end if;
  return next;
end
$function$;
alter function internal.remove_superseded(uuid,uuid,text,timestamp with time zone,integer) owner to skeldir_owner;
grant execute on function internal.remove_superseded(uuid,uuid,text,timestamp with time zone,integer) to app_retention;

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

CREATE OR REPLACE FUNCTION internal.search_personal_data(document jsonb)
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
  texts as (
    select lower(regexp_replace(n.key, '[^A-Za-z0-9]', '', 'g') collate "C") as folded,
           case when t.sent ~ '[%\u00a0\u2000-\u200a\u202f\u205f\u3000\u2010-\u2015\u2212０-９＠﹫＋﹢－．﹒。｡（）／％：]'
                then internal.plain_text(t.sent) else t.sent end collate "C" as content
    from nodes as n
    -- A line feed is part of nothing that is looked for: name and text are two texts.
    cross join lateral (
      select concat_ws(chr(10), n.key, case when jsonb_typeof(n.value) = 'string' then n.value #>> '{}' end) as sent
    ) as t
  ),
  findings as (
    select folded,
           case
             when content ~ '@|%40' and content ~ '[^\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000@<>"](@|%40)[^\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000@<>"]{1,255}\.(?!(png|jpe?g|gif|webp|svg|avif)(?![0-9A-Za-z]))[^\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000@<>".]{2}' then 'an e-mail address'
             when content ~ '(?<![0-9A-Za-z])(\+|%2[Bb])(1[ ()./-]{0,2}[2-9]([ ()./-]{0,2}[0-9]){9}|[2-9]([ ()./-]{0,2}[0-9]){8,14})(?![0-9])' then 'a telephone number'
             when content ~ '(?<![0-9A-Za-z_./-])(\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-. ])[0-9]{3}[-. ][0-9]{4}(?![0-9A-Za-z_-])' then 'a telephone number'
             when content ~ '(?<![0-9A-Za-z_./-])(\(0[0-9]{1,4}\) ?|0[0-9]{2,4}[ /-])[0-9]([ /-]?[0-9]){5,8}(?![0-9A-Za-z_-])' then 'a telephone number'
             when content ~ '(?<![0-9A-Za-z_./-])0[1-9]([ .-][0-9]{2}){4}(?![0-9A-Za-z_-])' then 'a telephone number'
             when content ~ '(?<![0-9A-Za-z.])((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?![0-9]|\.[0-9])' then 'an IP address'
             when content ~ '(?<![0-9A-Za-z_:])([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){7}|([0-9A-Fa-f]{1,4}:){1,7}:([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,6})?)(?![0-9A-Za-z_:])' then 'an IP address'
           end as looks_like
    from texts
  )
  select case when looks_like is not null then 'a text that looks like ' || looks_like else 'member ' || folded end
  from findings
  where looks_like is not null
     or folded = any (array[
          'firstname', 'lastname', 'fullname', 'givenname', 'surname', 'customername', 'cardholdername',
          'creditcardname', 'dateofbirth', 'dob', 'birthdate', 'ssn', 'socialsecuritynumber', 'taxid', 'passport',
          'email', 'emailaddress', 'contactemail', 'customeremail', 'payeremail', 'receiptemail', 'instructionsemail',
          'phone', 'phonenumber', 'customerphone', 'contactphone', 'address', 'address1', 'address2', 'streetaddress',
          'line1', 'line2', 'postalcode', 'zip', 'zipcode', 'latitude', 'longitude',
          'billingaddress', 'shippingaddress', 'customeraddress', 'defaultaddress', 'billingdetails',
          'customerdetails', 'customershipping', 'clientdetails', 'paymentdetails', 'paymentmethoddetails',
          'billing', 'shipping', 'payer', 'payerinfo', 'subscriber', 'paymentsource',
          'noteattributes', 'customernote', 'notetopayer', 'vendorpayload',
          'ip', 'ipaddress', 'browserip', 'customeripaddress', 'useragent', 'customeruseragent', 'sessionhash',
          'devicefingerprint',
          'cardnumber', 'creditcardnumber', 'last4', 'expmonth', 'expyear', 'fingerprint', 'iban',
          'orderstatusurl', 'receipturl', 'paymenturl', 'hostedinvoiceurl', 'carttoken', 'checkouttoken',
          'abandonedcheckouturl', 'clientsecret'])
  limit 1
$function$;
alter function internal.search_personal_data(jsonb) owner to skeldir_owner;
grant execute on function internal.search_personal_data(jsonb) to app_ingest, app_retention, app_rw, app_user, app_worker;

CREATE OR REPLACE FUNCTION internal.stamp_edition()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if new.status = 'published' then
    new.first_publications := new.publications;
  elsif new.status = 'superseded' then
    new.superseded_at := now();
  end if;
  return new;
end
$function$;
alter function internal.stamp_edition() owner to skeldir_owner;

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

CREATE OR REPLACE FUNCTION internal.without_identity(payload jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select regexp_replace((payload - 'attribution')::text, '"id1\.[0-9a-f]{64}"', '"id0"', 'g')::jsonb
$function$;
alter function internal.without_identity(jsonb) owner to skeldir_owner;
grant execute on function internal.without_identity(jsonb) to app_ingest, app_retention;

-- default privileges of skeldir_control on functions: execute to skeldir_control
-- default privileges of skeldir_owner on functions: execute to skeldir_owner
