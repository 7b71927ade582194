import { sqlState } from '../../../src/db/errors.ts'

export interface Privilege {
  /** What no worker may do, in SQL; in a transaction of the worker's own tenant, so that nothing but the privilege is missing. */
  statement: string
  /** What a superuser would have to do for the worker to be let through: then the probe must not say `denied`. */
  plant: string
}

const tenant = `current_setting('app.current_tenant_id')::uuid`

export const PRIVILEGES: Readonly<Record<string, Privilege>> = {
  'create table': {
    statement: 'create table public.mine (id integer)',
    plant: 'grant create on schema public to app_worker',
  },
  'create schema': {
    statement: 'create schema mine',
    plant: `do $$ begin execute format('grant create on database %I to app_worker', current_database()); end $$`,
  },
  'disable row security': {
    statement: 'alter table public.ledger_entries disable row level security',
    plant: 'alter table public.ledger_entries owner to app_worker',
  },
  'no force': {
    statement: 'alter table public.ledger_entries no force row level security',
    plant: 'alter table public.ledger_entries owner to app_worker',
  },
  'drop policy': {
    statement: 'drop policy tenant_only on public.ledger_entries',
    plant: 'alter table public.ledger_entries owner to app_worker',
  },
  'row_security off': {
    statement: 'do $$ begin set local row_security = off; perform count(*) from public.worker_failed_jobs; end $$',
    plant: 'alter table public.worker_failed_jobs disable row level security',
  },
  'create role': { statement: 'create role mine login', plant: 'alter role app_worker createrole' },
  'read all data': {
    statement: 'grant pg_read_all_data to app_worker',
    plant: 'alter role app_worker superuser',
  },
  'bypass row security': {
    statement: 'alter role app_worker bypassrls',
    plant: 'alter role app_worker superuser',
  },
  'become owner': { statement: 'set local role skeldir_owner', plant: 'grant skeldir_owner to app_worker' },
  'become control': { statement: 'set local role skeldir_control', plant: 'grant skeldir_control to app_worker' },
  'change the ledger': {
    statement: 'update public.ledger_entries set amount_minor = 1',
    plant: 'grant update on public.ledger_entries to app_worker',
  },
  'read secrets': {
    statement: 'select count(*) from public.webhook_secrets',
    plant: 'grant select on public.webhook_secrets to app_worker',
  },
  'read passwords': {
    statement: 'select password_hash from public.users',
    plant: 'grant select on public.users to app_worker',
  },
  'write events': {
    statement: `
      insert into public.webhook_events (tenant_id, vendor, external_id, endpoint_id, topic, body_sha256, payload, is_test, is_handled,
                                         correlation_id)
      values (${tenant}, 'stripe', 'mine', gen_random_uuid(), 'mine', sha256('mine'), '{}', false, false, gen_random_uuid())`,
    plant: 'grant insert on public.webhook_events to app_worker',
  },
  'read a file': {
    statement: `select pg_read_file('/etc/hostname')`,
    plant: 'grant execute on function pg_read_file(text) to app_worker',
  },
  'run a program': {
    statement: `copy (select 1) to program 'true'`,
    plant: 'grant pg_execute_server_program to app_worker with inherit true',
  },
}

const INSUFFICIENT_PRIVILEGE = '42501'
/** That of a policy has the same code, and says that the privilege itself is there. */
const REFUSAL = /^(?:permission denied|must be owner|query would be affected by row-level security policy)/

/** `denied` for what is refused for want of the privilege; otherwise what happened. */
export async function tryPrivilege(ask: (statement: string) => Promise<unknown>, statement: string): Promise<string> {
  try {
    await ask(statement)
    return 'allowed'
  } catch (error) {
    const { message } = error as Error
    const code = sqlState(error)
    return code === INSUFFICIENT_PRIVILEGE && REFUSAL.test(message) ? 'denied' : `${code}: ${message}`
  }
}
