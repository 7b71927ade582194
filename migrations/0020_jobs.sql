-- Jobs that fail: what is kept of each failure, which jobs wait for somebody, which effects were had, and when the
-- schedules ran. Jobs carry for whom they are done; one whose member may not ask for it any more is not begun.
-- The migrator joins skeldir_control for this transaction only.
grant skeldir_control to current_user;
set local role skeldir_owner;

-- Jobs whose attempts are used up. One row each, however often it was run again by hand and failed again.
create table worker_failed_jobs (
  tenant_id       uuid        not null references tenants (tenant_id),
  job_id          uuid        not null,   -- of the job that was queued first: running it again keeps its name
  run_id          uuid        not null,   -- the queue's own id of the job that failed last
  queue           text        not null check (queue ~ '^[a-z][a-z0-9_.-]{0,63}$'),
  task            text        not null check (task ~ '^[a-z][a-z0-9_.-]{0,63}$'),
  status          text        not null default 'pending' check (status in ('pending', 'in_progress', 'resolved', 'abandoned')),
  failure_class   text        not null
                  check (failure_class in ('validation', 'database', 'external', 'timeout', 'worker_lost', 'rejected', 'internal')),
  message         text        not null check (length(message) between 1 and 500),
  traceback       text        check (length(traceback) between 1 and 4000),
  arguments       jsonb       check (length(arguments::text) <= 16384),   -- redacted
  is_redacted     boolean     not null,   -- something is missing in the arguments, so it cannot be run again
  user_id         uuid,       -- whose request queued it; null: the system's own
  session_id      uuid        check ((session_id is null) = (user_id is null)),
  correlation_id  uuid        not null,
  attempts        integer     not null check (attempts >= 1),
  redrives        integer     not null default 0 check (redrives >= 0),
  enqueued_at     timestamptz not null,
  first_failed_at timestamptz not null,
  last_failed_at  timestamptz not null check (last_failed_at >= first_failed_at),
  resolved_at     timestamptz,
  resolved_by     uuid,
  note            text        check (length(note) between 1 and 500),
  primary key (tenant_id, job_id),
  check ((resolved_at is null) = (status in ('pending', 'in_progress'))),
  check (resolved_at is not null or (resolved_by is null and note is null))
);
create index worker_failed_jobs_failed_idx on worker_failed_jobs (tenant_id, last_failed_at desc, job_id desc);   -- the list, the retention
create index worker_failed_jobs_pending_idx on worker_failed_jobs (queue) where status = 'pending';   -- the figures of the queues
call internal.isolate_by_tenant('worker_failed_jobs', array['app_user', 'app_worker', 'app_retention']);
call internal.allow_lookup('worker_failed_jobs');   -- measure_queues
grant select, update (status, redrives, resolved_at, resolved_by, note) on worker_failed_jobs to app_user;
grant select, insert, update (status, run_id, failure_class, message, traceback, attempts, last_failed_at, resolved_at, note) on worker_failed_jobs
  to app_worker;
grant select (tenant_id, job_id, task, status, last_failed_at), delete on worker_failed_jobs to app_retention;

-- One row for each attempt that failed, of jobs that went well in the end too.
create table worker_job_failures (
  tenant_id     uuid        not null references tenants (tenant_id),
  job_id        uuid        not null,
  attempt       integer     not null check (attempt >= 1),   -- goes on counting when the job is run again
  failure_class text        not null
                check (failure_class in ('validation', 'database', 'external', 'timeout', 'worker_lost', 'rejected', 'internal')),
  message       text        not null check (length(message) between 1 and 500),
  worker_id     text        check (length(worker_id) between 1 and 128),
  failed_at     timestamptz not null default clock_timestamp(),
  primary key (tenant_id, job_id, attempt)
);
create index worker_job_failures_failed_idx on worker_job_failures (tenant_id, failed_at);   -- the retention
call internal.isolate_by_tenant('worker_job_failures', array['app_user', 'app_worker', 'app_retention']);
grant select on worker_job_failures to app_user;
grant select, insert on worker_job_failures to app_worker;
grant select (tenant_id, job_id, attempt, failed_at), delete on worker_job_failures to app_retention;

-- What jobs did, entered in the transaction that did it: whoever comes second, after a crash or by hand, finds it done.
create table job_effects (
  tenant_id  uuid        not null references tenants (tenant_id),
  job_id     uuid        not null,
  effect     text        not null check (effect ~ '^[a-z][a-z0-9_.-]{0,63}$'),
  attempt    integer     not null check (attempt >= 1),   -- that had it
  entered_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, job_id, effect)
);
create index job_effects_entered_idx on job_effects (tenant_id, entered_at);   -- the retention
call internal.isolate_by_tenant('job_effects', array['app_worker', 'app_ingest', 'app_retention']);
grant select, insert on job_effects to app_worker, app_ingest;
grant select (tenant_id, job_id, effect, entered_at), insert (tenant_id, job_id, effect, attempt), delete on job_effects to app_retention;

-- Which run of the queue works on a recompute: what one that was given up says later does not count.
alter table attribution_recompute_jobs
  add column run_id      uuid,   -- the job's; null: asked for anew, and not begun
  add column run_attempt integer check ((run_attempt is null) = (run_id is null));

-- When each schedule ran. Nothing of any tenant.
create table schedule_runs (
  run_id      uuid        not null primary key,   -- the queue's own id of the job
  schedule    text        not null check (schedule ~ '^[a-z][a-z0-9_.-]{0,63}$'),
  started_at  timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  outcome     text        not null default 'running' check (outcome in ('running', 'succeeded', 'failed')),
  message     text        check (length(message) between 1 and 500),
  worker_id   text        not null check (length(worker_id) between 1 and 128),
  check ((finished_at is null) = (outcome = 'running'))
);
create index schedule_runs_started_idx on schedule_runs (schedule, started_at desc);   -- the last run of each
alter table schedule_runs enable row level security;
alter table schedule_runs force row level security;
create policy run on schedule_runs for all to app_worker using (true) with check (true);
create policy watch on schedule_runs for select to app_user using (true);
grant select, insert (run_id, schedule, worker_id), update (finished_at, outcome, message, started_at, worker_id), delete on schedule_runs
  to app_worker;
grant select on schedule_runs to app_user;

-- One batch of one kind of rows that are older than the cutoff, at most max_rows of them: how many were looked at, and how
-- many are gone. Called again until fewer than max_rows were looked at. What is removed is not there to be looked at again;
-- of `webhook_events`, which stay, each batch begins after the last event of the one before: it is called with what that gave
-- as `last_at` and `last_id`, and first with null, for what came since the last run that was finished.
-- SECURITY INVOKER: app_retention's own grants and the tenant policy decide.
create or replace function internal.remove_expired(for_tenant uuid, run uuid, of_item text, cutoff timestamptz, max_rows integer,
                                        after_at timestamptz, after_id uuid)
returns table (seen integer, gone integer, last_at timestamptz, last_id uuid)
language plpgsql
set search_path = ''
as $$
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
$$;

call internal.allow_lookup('token_cutoffs');   -- is_authority_live

set local role skeldir_control;

-- Whether a member may still ask for what a job does that their session queued: the session runs, no cutoff ended it, and
-- they are a member. SECURITY DEFINER: app_worker reads neither sessions nor accounts. Of the tenant of the transaction only.
create function internal.is_authority_live(for_tenant uuid, of_user uuid, of_session uuid)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
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
$$;
revoke execute on function internal.is_authority_live(uuid, uuid, uuid) from public;
grant execute on function internal.is_authority_live(uuid, uuid, uuid) to app_worker;

-- As in 0019, with the priority that the job asks for (0: ordinary), and a word to the workers that listen.
create or replace function internal.enqueue_job(queue_name text, job_data jsonb, delay_seconds integer default 0)
returns uuid
language plpgsql
security definer
set search_path = ''
as $$
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
$$;

reset role;
revoke skeldir_control from current_user;
