-- Ingestion under load: many deliveries of any tenants are stored by one statement, which is one transaction and one
-- flush of the log; and what looks for personal data asks first whether there can be any.
-- Functions only: what the older code calls stays as it is.
-- The migrator joins skeldir_control for this transaction only.
grant skeldir_control to current_user;
set local role skeldir_owner;

-- The search of 0012 takes half a millisecond for a delivery, four fifths of what all of its insert does, and nearly
-- always finds nothing. So it runs only where it might find something: the guard's pattern is wider than each of the
-- search's, and held against the whole text at once; names of members are compared folded, and a name with anything but
-- letters, digits and the four usual separators is left to the search, as is a text with an escape in it.
alter function internal.find_personal_data(jsonb) rename to search_personal_data;
create function internal.find_personal_data(document jsonb) returns text
language plpgsql
immutable
set search_path = ''
as $$
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
$$;
revoke execute on function internal.find_personal_data(jsonb) from public;
grant execute on function internal.find_personal_data(jsonb) to app_ingest, app_rw, app_user, app_worker, app_retention;

-- Its arguments are columns of the table that hold ids, hashes, times and flags, and so no words of anybody.
create or replace function internal.refuse_personal_data() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  -- Without arguments tg_argv is null, and so would be whatever is taken from.
  finding text := internal.find_personal_data(case when tg_nargs > 0 then to_jsonb(new) - tg_argv else to_jsonb(new) end);
begin
  if finding is not null then
    raise exception 'personal data refused in %: %', tg_table_name, finding using errcode = '23514';
  end if;
  return new;
end
$$;
create or replace trigger no_personal_data before insert on webhook_events for each row
  execute function internal.refuse_personal_data(
    'tenant_id', 'event_id', 'endpoint_id', 'body_sha256', 'kept_sha256', 'is_test', 'is_handled', 'correlation_id', 'received_at');
-- A tenant's own numbers of orders look like telephone numbers often enough, and their alphabet has no @ and no +.
create or replace trigger no_personal_data before insert on conversions for each row
  execute function internal.refuse_personal_data('conversion_id', 'order_key');

set local role skeldir_control;

-- As enqueue_job (0004), many at once, without a delay, and always of a tenant. How many were added.
create function internal.enqueue_jobs(queue_name text, jobs jsonb[])
returns bigint
language plpgsql
security definer
set search_path = ''
as $$
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
$$;
revoke execute on function internal.enqueue_jobs(text, jsonb[]) from public;
grant execute on function internal.enqueue_jobs(text, jsonb[]) to app_ingest;

set local role skeldir_owner;

-- Stores deliveries of any tenants with their jobs, all or none, as each tenant in turn: no policy is opened for it.
-- `batch` is a list of {tenant_id, events: […]}; the members of an event are read below. Tenants and events are sorted, so
-- that two statements that hold the same deliveries do not wait for each other in a circle.
-- 'accepted' and 'ignored' (nothing to enter): stored now. 'duplicate': stored before, by its bytes or by all that is kept of
-- them. 'dead': the same id was stored before and said something
-- else. SECURITY INVOKER: app_ingest's own grants and the tenant policy decide.
create function internal.ingest_deliveries(batch jsonb)
returns table (ordinal integer, result text, receipt_id uuid)
language plpgsql
set search_path = ''
-- Plans live as long as a connection. One that was made while the table was nearly empty must not read all of it once it is
-- not, so known deliveries are looked for one by one (lateral, limit 1), and by index.
set enable_seqscan = off
as $$
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
$$;
revoke execute on function internal.ingest_deliveries(jsonb) from public;
grant execute on function internal.ingest_deliveries(jsonb), internal.without_identity(jsonb) to app_ingest;

reset role;
revoke skeldir_control from current_user;
