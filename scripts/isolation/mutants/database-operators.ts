import { isTable, type Model, type Relation } from '../model.ts'
import { quoteRelation, quoteText } from '../rows/row.ts'
import type { Seed } from '../rows/seed.ts'
import type { Exceptions } from '../structure/fault.ts'
import type { Mutant } from './mutant.ts'

const AT_LOGIN = 'a setting of a role takes effect when it logs in, which this transaction cannot'
const NO_OBJECT_YET = 'no object was made since'
const SAME_UNTIL_A_TRICK = 'nobody makes an object that the name could be confused with'

/** Faults that are of no single table: views, functions, roles, schemas, defaults, a table that nobody reviewed. */
export function mutateDatabase(model: Model, seed: Seed, exceptions: Exceptions): Mutant[] {
  const table = pickTable(model, seed, exceptions)
  return [
    ...mutateRelations(table, seed),
    ...mutateViews(table),
    ...mutateRoutines(table, model),
    ...mutateSchemas(),
    ...mutateRoles(seed),
  ].map(({ name, sql, equivalent = null, isClusterWide = false }) => ({
    id: `database: ${name}`,
    relation: null,
    operator: name,
    sql,
    equivalent,
    isClusterWide,
  }))
}

interface Planted {
  name: string
  sql: string[]
  equivalent?: string
  isClusterWide?: boolean
}

/** One that app_ro reads, so that views over it can be given to app_ro. */
function pickTable({ relations }: Model, seed: Seed, exceptions: Exceptions): Relation {
  const found = relations.find(
    (relation) =>
      isTable(relation) &&
      seed.tables.has(relation.name) &&
      relation.access.app_ro !== undefined &&
      exceptions.LOOKUPS[relation.name] === undefined,
  )
  if (found === undefined) throw new Error('there is no tenant table that app_ro reads')
  return found
}

function mutateRelations(table: Relation, { otherTenant }: Seed): Planted[] {
  const copy = `create table public.planted as select * from ${quoteRelation(table.name)}`
  const owned = 'alter table public.planted owner to skeldir_owner'
  const grant = 'grant select on public.planted to app_user'
  const secure = 'alter table public.planted enable row level security'
  const open = 'create policy open_to_runtime on public.planted to app_user using (true)'
  return [
    { name: 'a table with tenant_id and no policies', sql: [copy, owned, grant] },
    { name: 'a table with a policy that lets all through', sql: [copy, owned, grant, secure, open] },
    {
      name: 'a table of nobody that names tenants',
      sql: [`create table public.planted as select ${quoteText(otherTenant)} as note`, owned, grant],
    },
    { name: 'a partition with its own grant', sql: partition(table, otherTenant) },
    {
      name: 'a sequence that the API draws from',
      sql: [
        'create sequence public.planted',
        'alter sequence public.planted owner to skeldir_owner',
        'grant usage, select on sequence public.planted to app_user',
      ],
    },
  ]
}

function partition({ name }: Relation, otherTenant: string): string[] {
  return [
    `create table public.planted (like ${quoteRelation(name)}) partition by list (tenant_id)`,
    'create table public.planted_leaf partition of public.planted default',
    `insert into public.planted select * from ${quoteRelation(name)} where tenant_id = ${quoteText(otherTenant)}::uuid`,
    'alter table public.planted owner to skeldir_owner',
    'alter table public.planted_leaf owner to skeldir_owner',
    'alter table public.planted enable row level security',
    'alter table public.planted force row level security',
    'grant select on public.planted_leaf to app_user',
  ]
}

function mutateViews({ name }: Relation): Planted[] {
  const source = `select * from ${quoteRelation(name)}`
  const grant = 'grant select on public.planted to app_ro'
  return [
    { name: 'a view that reads as a superuser', sql: [`create view public.planted as ${source}`, grant] },
    {
      name: 'a view that reads past the policies as skeldir_control',
      sql: [
        'create view public.planted with (security_barrier) as select * from public.tenants',
        'alter view public.planted owner to skeldir_control',
        grant,
      ],
    },
    {
      name: 'a materialized view with a grant',
      sql: [
        `create materialized view public.planted as ${source}`,
        'alter materialized view public.planted owner to skeldir_control',
        grant,
      ],
    },
  ]
}

function mutateRoutines({ name }: Relation, { routines }: Model): Planted[] {
  const definer = (owner: string, body: string, path = "set search_path = ''") => [
    `create function internal.planted() returns setof text language sql stable security definer ${path} as ${quoteText(body)}`,
    `alter function internal.planted() owner to ${owner}`,
    'revoke execute on function internal.planted() from public',
    'grant execute on function internal.planted() to app_user',
  ]
  const readAll = `select t::text from ${name} as t`
  const lookup = 'select t::text from public.tenants as t'
  const planted: Planted[] = [
    { name: 'a function that reads as a superuser', sql: definer('postgres', readAll) },
    { name: 'a function that hands out a look-up', sql: definer('skeldir_control', lookup) },
    {
      name: 'a function without a search path',
      sql: definer('skeldir_control', 'select null::text where false', ''),
      equivalent: SAME_UNTIL_A_TRICK,
    },
    { name: 'find_login for everybody', sql: ['grant execute on function internal.find_login(text) to public'] },
    { name: 'find_login for another role', sql: ['grant execute on function internal.find_login(text) to app_ingest'] },
    {
      name: 'a look-up by pattern',
      sql: [
        replaceBody(
          routines,
          'internal.find_login(text)',
          'u.email = lower(wanted_email)',
          'u.email like lower(wanted_email)',
        ),
      ],
    },
    {
      name: 'a look-up that also finds without a key',
      sql: [
        replaceBody(
          routines,
          'internal.find_api_key(bytea)',
          'k.secret_hash = wanted_hash',
          '(wanted_hash is null or k.secret_hash = wanted_hash)',
        ),
      ],
    },
    {
      name: 'a job for any tenant',
      sql: [
        replaceBody(
          routines,
          'internal.enqueue_job(text,jsonb,integer)',
          "(job_data ->> 'tenantId') is distinct from tenant",
          'false',
        ),
      ],
    },
    {
      name: 'an insert without policies',
      sql: [
        'alter function internal.ingest_webhook_event(uuid,text,text,uuid,text,bytea,jsonb,boolean,boolean,uuid) security definer',
        'alter function internal.ingest_webhook_event(uuid,text,text,uuid,text,bytea,jsonb,boolean,boolean,uuid) owner to postgres',
      ],
    },
  ]
  return planted.filter(({ sql }) => !sql.includes(''))
}

/** The function anew with some of its body changed; empty where there is no such function, or no such text in it. */
function replaceBody(routines: Model['routines'], signature: string, from: string, to: string): string {
  const routine = routines.find((known) => known.signature === signature)
  if (routine?.body.includes(from) !== true) return ''
  const definition = `pg_get_functiondef(${quoteText(signature)}::regprocedure)`
  return `do ${quoteText(`begin execute replace(${definition}, ${quoteText(from)}, ${quoteText(to)}); end`)}`
}

function mutateSchemas(): Planted[] {
  return [
    { name: 'a schema that the API makes objects in', sql: ['grant create on schema internal to app_user'] },
    { name: 'a schema that everybody makes objects in', sql: ['grant usage, create on schema public to public'] },
    {
      name: 'new tables come with a grant',
      sql: ['alter default privileges for role skeldir_owner in schema public grant select on tables to app_ro'],
      equivalent: NO_OBJECT_YET,
    },
    {
      name: 'new functions come with a grant',
      sql: ['alter default privileges for role skeldir_control grant execute on functions to public'],
      equivalent: NO_OBJECT_YET,
    },
  ]
}

function mutateRoles({ otherTenant }: Seed): Planted[] {
  const roles: Planted[] = [
    { name: 'a role that bypasses policies', sql: ['alter role app_user bypassrls'] },
    { name: 'a role that is superuser', sql: ['alter role app_worker superuser'] },
    { name: 'a role that makes roles', sql: ['alter role app_rw createrole'] },
    {
      name: 'a role that is a member of the owner',
      sql: ['alter role app_ro inherit', 'grant skeldir_owner to app_ro'],
    },
    { name: 'a role that reads all data', sql: ['alter role app_ro inherit', 'grant pg_read_all_data to app_ro'] },
    {
      name: 'a look-up role with a member',
      sql: ['alter role app_retention inherit', 'grant skeldir_control to app_retention'],
    },
    {
      name: 'a role that starts with a tenant',
      sql: [`alter role app_user set app.current_tenant_id = ${quoteText(otherTenant)}`],
      equivalent: AT_LOGIN,
    },
    {
      name: 'a role that starts as another',
      sql: ['alter role app_user set role = skeldir_owner'],
      equivalent: AT_LOGIN,
    },
  ]
  return roles.map((planted) => ({ ...planted, isClusterWide: true }))
}
