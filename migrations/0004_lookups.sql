-- requires: queue
-- The narrow doors: look-ups before the tenant is known, and the two ways into the queue. They are owned by
-- skeldir_control, which cannot log in; the migrator joins it for this transaction only.
grant skeldir_control to current_user;

set local role skeldir_owner;
grant usage on schema pgboss to skeldir_control, app_worker;
grant select on pgboss.queue to skeldir_control;
grant insert on pgboss.job to skeldir_control;
grant select (id) on pgboss.job to skeldir_control;
grant select, insert, update, delete on all tables in schema pgboss to app_worker;
grant execute on all functions in schema pgboss to skeldir_control, app_worker;
-- What a newer pg-boss adds to its schema is granted as it is made.
alter default privileges in schema pgboss grant select, insert, update, delete on tables to app_worker;
alter default privileges in schema pgboss grant execute on functions to skeldir_control, app_worker;

-- A question that only a living worker answers. No tenant data.
create table worker_probes (
  probe_id     uuid        not null default gen_random_uuid() primary key,
  requested_at timestamptz not null default now(),
  answered_at  timestamptz,
  worker_id    text        check (length(worker_id) <= 100)
);
alter table worker_probes enable row level security;
alter table worker_probes force row level security;
create policy ask on worker_probes for all to app_user using (true) with check (true);
create policy answer on worker_probes for all to app_worker using (true) with check (true);
grant select on worker_probes to app_user, app_worker;
grant insert (probe_id) on worker_probes to app_user;
grant update (answered_at, worker_id), delete on worker_probes to app_worker;

set local role skeldir_control;

-- As in 0001: these functions read across tenants, so who may call them is written down one by one.
alter default privileges revoke execute on functions from public;

-- The endpoint behind an opaque key, with everything that a signature check needs.
create function internal.find_webhook_endpoint(wanted_vendor text, wanted_key text)
returns table (
  tenant_id uuid, endpoint_id uuid, mode text, shop_domain text,
  key_version integer, wrapping_kid text, wrapped_key bytea, sealed_secrets bytea[]
)
language sql
stable
security definer
set search_path = ''
as $$
  select e.tenant_id, e.endpoint_id, e.mode, e.shop_domain, k.key_version, k.wrapping_kid, k.wrapped_key,
         array_agg(s.sealed order by s.created_at desc, s.secret_id)
  from public.webhook_endpoints as e
  join public.webhook_secrets as s
    on s.tenant_id = e.tenant_id and s.endpoint_id = e.endpoint_id and (s.not_after is null or s.not_after > now())
  join public.tenant_keys as k on k.tenant_id = s.tenant_id and k.key_version = s.key_version
  where e.endpoint_key = wanted_key and e.vendor = wanted_vendor
  group by e.tenant_id, e.endpoint_id, e.mode, e.shop_domain, k.key_version, k.wrapping_kid, k.wrapped_key
$$;
grant execute on function internal.find_webhook_endpoint(text, text) to app_user;

create function internal.find_api_key(wanted_hash bytea)
returns table (tenant_id uuid, key_id uuid, scopes text[])
language sql
stable
security definer
set search_path = ''
as $$
  select k.tenant_id, k.key_id, k.scopes
  from public.api_keys as k
  where k.secret_hash = wanted_hash
    and k.revoked_at is null
    and (k.expires_at is null or k.expires_at > now())
$$;
grant execute on function internal.find_api_key(bytea) to app_user;

-- Who this is and where they belong; an inactive user is found too, so that the answer takes as long.
create function internal.find_login(wanted_email text)
returns table (user_id uuid, password_hash text, status text, tenant_id uuid, slug text, tenant_name text, role text)
language sql
stable
security definer
set search_path = ''
as $$
  select u.user_id, u.password_hash, u.status, t.tenant_id, t.slug, t.name, m.role
  from public.users as u
  left join public.memberships as m on m.user_id = u.user_id
  left join public.tenants as t on t.tenant_id = m.tenant_id
  where u.email = lower(wanted_email)
  order by t.slug
$$;
grant execute on function internal.find_login(text) to app_user;

-- Adds a job in the caller's transaction: it exists if and only if that transaction commits. A job for a tenant can be
-- added only inside that tenant's transaction, so no role can make work run for a tenant it is not acting for.
-- Retries, expiry and the dead letter queue come from the queue's row, as pg-boss itself would copy them.
create function internal.enqueue_job(queue_name text, job_data jsonb, delay_seconds integer default 0)
returns uuid
language plpgsql
security definer
set search_path = ''
as $$
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
$$;
grant execute on function internal.enqueue_job(text, jsonb, integer) to app_user, app_worker, app_ingest;

set local role skeldir_owner;

-- Stores a signed delivery and its job in one statement; the request waits for nothing else.
-- 'duplicate': the same delivery was stored before. 'dead': the same id came with another body.
-- SECURITY INVOKER: app_ingest's own grants and the tenant policy decide.
create function internal.ingest_webhook_event(
  for_tenant uuid, from_vendor text, delivery_id text, at_endpoint uuid, about_topic text, body_hash bytea,
  event_payload jsonb, test boolean, handled boolean, correlation uuid
)
returns table (result text, receipt_id uuid)
language plpgsql
set search_path = ''
as $$
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
$$;

create function internal.record_dead_event(
  for_tenant uuid, from_vendor text, delivery_id text, at_endpoint uuid, about_topic text, fault_class text,
  fault_code text, fault_detail text, body_hash bytea, event_payload jsonb, correlation uuid
)
returns uuid
language plpgsql
set search_path = ''
as $$
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
$$;
grant execute on function
  internal.ingest_webhook_event(uuid, text, text, uuid, text, bytea, jsonb, boolean, boolean, uuid),
  internal.record_dead_event(uuid, text, text, uuid, text, text, text, text, bytea, jsonb, uuid)
  to app_ingest;
grant execute on function internal.find_personal_data(jsonb) to app_ingest;

reset role;
revoke skeldir_control from current_user;
