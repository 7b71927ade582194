-- Sessions, refresh tokens and cutoffs; the feed by which every process learns what is revoked; and the counters that
-- slow down whoever guesses passwords.
--
-- What belongs to no single tenant stands in the schema `internal`, and only functions of skeldir_control reach it: the
-- feed and the counters hold hashes and nothing else, so that whoever reads them learns of no tenant and no person.
grant skeldir_control to current_user;
set local role skeldir_owner;

-- One log-in of a member, with all tokens that came from it. Times are those of the API's clock.
create table sessions (
  tenant_id    uuid        not null references tenants (tenant_id),
  session_id   uuid        not null,
  user_id      uuid        not null references users (user_id),
  client       text        check (length(client) between 1 and 100),  -- browser and system in general terms
  created_at   timestamptz not null,
  last_used_at timestamptz not null,  -- when its tokens were last renewed
  expires_at   timestamptz not null,  -- refreshing does not move it
  ended_at     timestamptz,
  primary key (tenant_id, session_id)
);
create index sessions_user_idx on sessions (tenant_id, user_id, last_used_at desc);  -- the list of a member
create index sessions_account_idx on sessions (user_id);  -- a new password ends those of all tenants
call internal.isolate_by_tenant('sessions', array['app_rw', 'app_user']);
call internal.allow_lookup('sessions');
grant select, insert, delete, update (last_used_at, ended_at) on sessions to app_user;
grant select, update (ended_at) on sessions to app_rw;  -- an operator removes a member

-- A token is 256 bits that nobody can guess, so a plain SHA-256 keeps it. Those that were exchanged stay until their
-- session goes: whoever shows one of them is not the only one who has it.
create table refresh_tokens (
  tenant_id      uuid        not null,
  token_hash     bytea       not null check (octet_length(token_hash) = 32),
  session_id     uuid        not null,
  issued_at      timestamptz not null,
  rotated_at     timestamptz,
  successor_hash bytea       check (octet_length(successor_hash) = 32),
  key_version    integer,    -- data key of the tenant that the successor was derived by
  primary key (tenant_id, token_hash),
  foreign key (tenant_id, session_id) references sessions (tenant_id, session_id) on delete cascade,
  check ((rotated_at is null) = (successor_hash is null) and (rotated_at is null) = (key_version is null))
);
create index refresh_tokens_hash_idx on refresh_tokens (token_hash);  -- before the tenant is known
create unique index refresh_tokens_current_key on refresh_tokens (tenant_id, session_id) where rotated_at is null;
create index refresh_tokens_session_idx on refresh_tokens (tenant_id, session_id);  -- the cascade
call internal.isolate_by_tenant('refresh_tokens', array['app_user']);
call internal.allow_lookup('refresh_tokens');
grant select, insert, delete, update (rotated_at, successor_hash, key_version) on refresh_tokens to app_user;

-- Every session that a member opened in this tenant until then is over. Never moves back.
create table token_cutoffs (
  tenant_id  uuid        not null references tenants (tenant_id),
  user_id    uuid        not null references users (user_id),
  not_before timestamptz not null,
  set_at     timestamptz not null,
  primary key (tenant_id, user_id)
);
call internal.isolate_by_tenant('token_cutoffs', array['app_rw', 'app_user']);
grant select, insert, update (not_before, set_at) on token_cutoffs to app_rw, app_user;

-- The same for a person in all tenants, set with a new password; one session may go on.
create table internal.account_cutoffs (
  user_id      uuid        not null references users (user_id) on delete cascade primary key,
  not_before   timestamptz not null,
  kept_session uuid
);

-- What access tokens and keys that are valid by themselves are refused for. Each subject is a SHA-256 of
-- `session/<tenant>/<session>`, `member/<tenant>/<user>`, `account/<user>` or `key/<tenant>/<key>`.
create table internal.token_revocations (
  revocation_id uuid        not null default gen_random_uuid() primary key,
  subject       bytea       not null check (octet_length(subject) = 32),
  standing      text        check (length(standing) between 1 and 20),  -- the only one that a token may still claim
  not_before    timestamptz,  -- tokens issued until then are refused
  kept          bytea       check (octet_length(kept) = 32),  -- but those of this session
  -- Readers go on from the oldest transaction that was open when they read last: a sequence would be read past rows that
  -- have a lower number and commit later.
  xact          xid8        not null default pg_current_xact_id(),
  recorded_at   timestamptz not null default clock_timestamp(),  -- orders the rows of a subject: they lock one another
  check (standing is not null or not_before is not null)
);
create index token_revocations_xact_idx on internal.token_revocations (xact);
create index token_revocations_subject_idx on internal.token_revocations (subject);
create index token_revocations_recorded_idx on internal.token_revocations (recorded_at);

-- How often a password was wrong, by account and by address. The subject is an HMAC under a key of the API.
create table internal.login_attempts (
  subject       bytea       not null check (octet_length(subject) = 32) primary key,
  failures      integer     not null check (failures >= 1),
  started_at    timestamptz not null,  -- of the first of these failures
  failed_at     timestamptz not null,  -- of the last
  blocked_until timestamptz
);
create index login_attempts_failed_idx on internal.login_attempts (failed_at);  -- removal of old ones

do $$
declare
  name text;
begin
  foreach name in array array['account_cutoffs', 'token_revocations', 'login_attempts'] loop
    execute format('alter table internal.%I enable row level security', name);
    execute format('alter table internal.%I force row level security', name);
    execute format('create policy by_control on internal.%I to skeldir_control using (true) with check (true)', name);
    execute format('grant select, insert, update, delete on internal.%I to skeldir_control', name);
  end loop;
end
$$;

create policy password_by_control on users for update to skeldir_control using (true) with check (true);
grant update (password_hash) on users to skeldir_control;

-- Wakes the listeners when the transaction commits; they read the table themselves, so the message says nothing.
create function internal.announce_revocation() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  perform pg_notify('skeldir_revocations', '');
  return null;
end
$$;
create trigger announce after insert on internal.token_revocations
  for each statement execute function internal.announce_revocation();

set local role skeldir_control;

-- Within the transaction of the tenant, or from a trigger on a row that the caller could change.
create function internal.publish_revocation(
  for_tenant uuid, kind text, thing uuid, new_standing text, cutoff timestamptz
)
returns void
language plpgsql
security definer
set search_path = ''
as $$
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
$$;
grant execute on function internal.publish_revocation(uuid, text, uuid, text, timestamptz) to app_user, app_rw;

-- From a trigger on memberships only: who was removed a while ago and is a member again is refused no longer.
create function internal.restore_member(for_tenant uuid, who uuid, member_role text)
returns void
language plpgsql
security definer
set search_path = ''
as $$
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
$$;
grant execute on function internal.restore_member(uuid, uuid, text) to app_user, app_rw;

-- From a trigger on users only: a password that an operator sets ends every session, and so does disabling the account.
create function internal.end_account_sessions(of_user uuid)
returns void
language plpgsql
security definer
set search_path = ''
as $$
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
$$;
grant execute on function internal.end_account_sessions(uuid) to app_rw;

-- Everything that became visible since the reader's last horizon, and the new one; at least one row. Rows come again
-- while an older transaction is open, which is harmless.
create function internal.read_revocations(since xid8)
returns table (horizon xid8, subject bytea, standing text, not_before timestamptz, kept bytea, recorded_at timestamptz)
language sql
stable
security definer
set search_path = ''
as $$
  select pg_snapshot_xmin(pg_current_snapshot()), r.subject, r.standing, r.not_before, r.kept, r.recorded_at
  from (select) as one
  left join internal.token_revocations as r
    on r.xact >= since and r.recorded_at > clock_timestamp() - interval '20 minutes'
  order by r.recorded_at
$$;
grant execute on function internal.read_revocations(xid8) to app_user;

create function internal.find_refresh_token(wanted_hash bytea)
returns table (tenant_id uuid, session_id uuid)
language sql
stable
security definer
set search_path = ''
as $$
  select t.tenant_id, t.session_id from public.refresh_tokens as t where t.token_hash = wanted_hash
$$;
grant execute on function internal.find_refresh_token(bytea) to app_user;

-- A member of the transaction's tenant: what a token says of them, and since when their tokens hold.
create function internal.find_member(wanted_user uuid)
returns table (
  user_id uuid, email text, status text, role text, slug text, tenant_name text,
  account_not_before timestamptz, kept_session uuid
)
language sql
stable
security definer
set search_path = ''
as $$
  select m.user_id, u.email, u.status, m.role, t.slug, t.name, c.not_before, c.kept_session
  from public.memberships as m
  join public.users as u on u.user_id = m.user_id
  join public.tenants as t on t.tenant_id = m.tenant_id
  left join internal.account_cutoffs as c on c.user_id = m.user_id
  where m.user_id = wanted_user
    and m.tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid
$$;
grant execute on function internal.find_member(uuid) to app_rw, app_user;

-- The hash that a member of the transaction's tenant proves the old password against.
create function internal.find_password(wanted_user uuid)
returns table (password_hash text)
language sql
stable
security definer
set search_path = ''
as $$
  select u.password_hash
  from public.memberships as m
  join public.users as u on u.user_id = m.user_id
  where m.user_id = wanted_user
    and u.status = 'active'
    and m.tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid
$$;
grant execute on function internal.find_password(uuid) to app_user;

-- Whether a password that was just proven is still theirs. The row is locked until the transaction ends: whoever changes
-- the password sees the session that is about to be opened by the old one.
create function internal.confirm_password(wanted_user uuid, proven_hash text)
returns boolean
language plpgsql
security definer
set search_path = ''
as $$
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
$$;
grant execute on function internal.confirm_password(uuid, text) to app_user;

-- Replaces the password of a member of the transaction's tenant and ends all their sessions but one, in every tenant.
-- Answers how many that were, `used_since` saying which still ran; null when the old hash is not theirs any more.
create function internal.change_password(
  of_user uuid, old_hash text, new_hash text, changed_at timestamptz, used_since timestamptz, except_session uuid
)
returns integer
language plpgsql
security definer
set search_path = ''
as $$
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
$$;
grant execute on function internal.change_password(uuid, text, text, timestamptz, timestamptz, uuid) to app_user;

-- Counts an attempt of an address as failed until it is forgiven, and answers 0; or, when there were `allowed` failures
-- within the window, counts nothing and answers the seconds until it ends.
create function internal.admit_address(who bytea, at timestamptz, allowed integer, window_seconds integer)
returns integer
language plpgsql
security definer
set search_path = ''
as $$
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
$$;
grant execute on function internal.admit_address(bytea, timestamptz, integer, integer) to app_user;

-- The same for an account: from the failure number `allowed` in a row on, each blocks it for twice as long as the one
-- before, from one second to `max_seconds`. Such an attempt is answered by these seconds, negative. An hour without a
-- failure forgets them.
create function internal.admit_account(who bytea, at timestamptz, allowed integer, max_seconds integer)
returns integer
language plpgsql
security definer
set search_path = ''
as $$
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
$$;
grant execute on function internal.admit_account(bytea, timestamptz, integer, integer) to app_user;

-- The attempt was none: the account starts afresh, and the address has one failure less.
create function internal.forgive_attempt(address bytea, account bytea)
returns void
language sql
security definer
set search_path = ''
as $$
  delete from internal.login_attempts as a where a.subject = address and a.failures = 1;
  update internal.login_attempts as a set failures = a.failures - 1 where a.subject = address and a.failures > 1;
  delete from internal.login_attempts as a where a.subject = account;
$$;
grant execute on function internal.forgive_attempt(bytea, bytea) to app_user;

-- An attempt that could not be made, for a reason of ours, is taken back: this one failure of an address and an account,
-- and nothing else. A series that began after the attempt does not hold it, and a block that another failure set stays;
-- `blocked` is when the block ends that the attempt itself set, or null. In the order in which attempts lock their rows.
create function internal.withdraw_attempt(address bytea, account bytea, attempted_at timestamptz, blocked timestamptz)
returns void
language plpgsql
security definer
set search_path = ''
as $$
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
$$;
grant execute on function internal.withdraw_attempt(bytea, bytea, timestamptz, timestamptz) to app_user;

set local role skeldir_owner;

-- Whatever changes a role, removes a member or disables a person, and by whichever way, the tokens that say otherwise are
-- refused from then on.
create function internal.revoke_by_membership() returns trigger
language plpgsql
set search_path = ''
as $$
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
$$;
create trigger revoke_tokens after insert or delete or update of role on memberships
  for each row execute function internal.revoke_by_membership();

create function internal.revoke_by_account() returns trigger
language plpgsql
set search_path = ''
as $$
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
$$;
create trigger revoke_tokens after delete or update of status on users
  for each row execute function internal.revoke_by_account();

-- change_password, which runs as skeldir_control, does this itself and lets one session go on.
create function internal.end_sessions_with_password() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  perform internal.end_account_sessions(new.user_id);
  return null;
end
$$;
create trigger end_sessions after update of password_hash on users
  for each row when (current_user <> 'skeldir_control') execute function internal.end_sessions_with_password();

reset role;
revoke skeldir_control from current_user;
