import type pg from 'pg'
import type { Model, Relation } from './model.ts'

/** Every schema that is not PostgreSQL's own: ours, the queue's, and whatever a later migration makes. */
const OUR_SCHEMAS = "n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'"

const columnNames = (relation: string, numbers: string) =>
  `array(select a.attname::text from unnest(${numbers}) with ordinality as k(num, at)
         join pg_attribute as a on a.attrelid = ${relation} and a.attnum = k.num order by k.at)`

const RELATIONS = `
  with recursive roots as (
    select c.oid, c.oid as root from pg_class as c where not exists (select from pg_inherits as i where i.inhrelid = c.oid)
    union all
    select i.inhrelid, r.root from roots as r join pg_inherits as i on i.inhparent = r.oid
  )
  select c.oid::integer as oid, n.nspname || '.' || c.relname as name, c.relkind as kind, c.relowner::regrole::text as owner,
         c.relrowsecurity as "isEnabled", c.relforcerowsecurity as "isForced", coalesce(c.reloptions, '{}') as options,
         (select pn.nspname || '.' || p.relname from pg_inherits as i join pg_class as p on p.oid = i.inhparent
          join pg_namespace as pn on pn.oid = p.relnamespace where i.inhrelid = c.oid limit 1) as parent,
         rn.nspname || '.' || rc.relname as root,
         array(select r.rulename::text from pg_rewrite as r where r.ev_class = c.oid and r.rulename <> '_RETURN') as rules
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  join roots as r on r.oid = c.oid
  join pg_class as rc on rc.oid = r.root
  join pg_namespace as rn on rn.oid = rc.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and ${OUR_SCHEMAS}
    and ($1::text[] is null or n.nspname || '.' || c.relname = any ($1))
  order by name`

/** Each gives rows with the relation's oid and one part of it; $1 holds the oids. */
const PARTS: Record<'columns' | 'policies' | 'keys' | 'exclusions' | 'foreignKeys' | 'checks' | 'triggers', string> = {
  columns: `
    select a.attrelid::integer as relation, a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
           format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null) as "baseType", t.typcategory as category,
           array(select e.enumlabel::text from pg_enum as e where e.enumtypid = t.oid order by e.enumsortorder) as labels,
           a.attnotnull as "isRequired", a.atthasdef or a.attidentity <> '' as "hasDefault",
           a.attgenerated <> '' or a.attidentity = 'a' as "isGenerated", a.attidentity <> '' as "isIdentity"
    from pg_attribute as a
    join pg_type as t on t.oid = a.atttypid
    where a.attrelid = any ($1) and a.attnum > 0 and not a.attisdropped
    order by a.attrelid, a.attnum`,
  policies: `
    select p.polrelid::integer as relation, p.polname as name, p.polpermissive as "isPermissive", p.polcmd as command,
           array(select case r when 0 then 'public' else r::regrole::text end from unnest(p.polroles) as r order by 1) as roles,
           pg_get_expr(p.polqual, p.polrelid) as using, pg_get_expr(p.polwithcheck, p.polrelid) as check
    from pg_policy as p where p.polrelid = any ($1) order by p.polname`,
  keys: `
    select i.indrelid::integer as relation, i.indexrelid::regclass::text as name, i.indisprimary as "isPrimary",
           array(select coalesce(a.attname::text, '(expression)') from unnest(i.indkey::int2[]) with ordinality as k(num, at)
                 left join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.num
                 where k.at <= i.indnkeyatts order by k.at) as columns,
           pg_get_expr(i.indpred, i.indrelid) as predicate
    from pg_index as i where i.indrelid = any ($1) and i.indisunique order by name`,
  exclusions: `
    select c.conrelid::integer as relation, c.conname as name, ${columnNames('c.conrelid', 'c.conkey')} as columns,
           array(select o.oprname::text from unnest(c.conexclop) with ordinality as k(op, at)
                 join pg_operator as o on o.oid = k.op order by k.at) as operators
    from pg_constraint as c where c.conrelid = any ($1) and c.contype = 'x' order by name`,
  foreignKeys: `
    select c.conrelid::integer as relation, c.conname as name, ${columnNames('c.conrelid', 'c.conkey')} as columns,
           n.nspname || '.' || t.relname as target, ${columnNames('c.confrelid', 'c.confkey')} as "targetColumns"
    from pg_constraint as c
    join pg_class as t on t.oid = c.confrelid
    join pg_namespace as n on n.oid = t.relnamespace
    where c.conrelid = any ($1) and c.contype = 'f' order by name`,
  checks: `
    select c.conrelid::integer as relation, c.conname as name, ${columnNames('c.conrelid', 'c.conkey')} as columns,
           pg_get_expr(c.conbin, c.conrelid) as expression
    from pg_constraint as c where c.conrelid = any ($1) and c.contype = 'c'
    union all
    select p.oid::integer, 'the bound of the partition',
           array(select a.attname::text from pg_attribute as a
                 where a.attrelid = p.oid and a.attnum > 0 and pg_get_partition_constraintdef(p.oid) ~ ('\\m' || a.attname || '\\M')),
           pg_get_partition_constraintdef(p.oid)
    from pg_class as p where p.oid = any ($1) and p.relispartition and pg_get_partition_constraintdef(p.oid) is not null
    order by name`,
  triggers: `
    select t.tgrelid::integer as relation, t.tgname as name, t.tgfoid::regprocedure::text as routine
    from pg_trigger as t where t.tgrelid = any ($1) and not t.tgisinternal order by name`,
}

const ACCESS = `
  select c.oid::integer as relation, r.role,
         array(select p from unnest(case c.relkind when 'S' then array['SELECT', 'UPDATE', 'USAGE']
                 else array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'] end) as p
               where case c.relkind when 'S' then has_sequence_privilege(r.role, c.oid, p)
                                    else has_table_privilege(r.role, c.oid, p) end order by p) as table,
         may.select, may.insert, may.update
  from pg_class as c
  cross join unnest($2::text[]) as r(role)
  cross join lateral (
    select coalesce(array_agg(a.attname::text order by a.attnum) filter (where has_column_privilege(r.role, c.oid, a.attnum, 'SELECT')), '{}') as select,
           coalesce(array_agg(a.attname::text order by a.attnum) filter (where has_column_privilege(r.role, c.oid, a.attnum, 'INSERT')), '{}') as insert,
           coalesce(array_agg(a.attname::text order by a.attnum) filter (where has_column_privilege(r.role, c.oid, a.attnum, 'UPDATE')), '{}') as update
    from pg_attribute as a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and c.relkind <> 'S'
  ) as may
  where c.oid = any ($1)`

const PUBLIC = `
  select c.oid::integer as relation, a.privilege_type as privilege from pg_class as c, aclexplode(c.relacl) as a
  where a.grantee = 0 and c.oid = any ($1)
  union
  select a.attrelid::integer, l.privilege_type || '(' || a.attname || ')' from pg_attribute as a, aclexplode(a.attacl) as l
  where l.grantee = 0 and a.attrelid = any ($1)`

const ROUTINES = `
  select p.oid::regprocedure::text as signature, n.nspname as schema, p.proname as name, p.prokind as kind,
         p.proowner::regrole::text as owner, p.prosecdef as "isDefiner", coalesce(p.proconfig, '{}') as config,
         p.prorettype in ('trigger'::regtype, 'event_trigger'::regtype) as "isTrigger", l.lanname as language, p.prosrc as body,
         coalesce((p.proargnames)[1:p.pronargs], '{}') as "argumentNames", p.proretset as "returnsSet",
         array(select format_type(t, null) from unnest(p.proargtypes::oid[]) with ordinality as a(t, at) order by a.at) as "argumentTypes",
         array(select distinct case a.grantee when 0 then 'public' else a.grantee::regrole::text end
               from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
               where a.grantee <> p.proowner order by 1) as executors
  from pg_proc as p
  join pg_namespace as n on n.oid = p.pronamespace
  join pg_language as l on l.oid = p.prolang
  where ${OUR_SCHEMAS} and not exists (select from pg_depend as d where d.objid = p.oid and d.deptype = 'e')
  order by signature`

/** Before PostgreSQL 16 a membership had no options of its own: the role's INHERIT decided, and SET ROLE was allowed. */
const roles = (version: number) => `
  select r.rolname as name, r.rolsuper as "isSuperuser", r.rolbypassrls as "bypassesPolicies", r.rolcreaterole as "createsRoles",
         r.rolcreatedb as "createsDatabases", r.rolreplication as replicates, r.rolcanlogin as "canLogin", r.rolinherit as inherits,
         has_database_privilege(r.rolname, current_database(), 'CREATE') as "mayCreateSchemas",
         has_database_privilege(r.rolname, current_database(), 'TEMPORARY') as "mayMakeTemporary",
         coalesce((select json_agg(json_build_object('of', m.roleid::regrole::text, 'isAdmin', m.admin_option,
                     'inherits', ${version >= 160_000 ? 'm.inherit_option' : 'r.rolinherit'},
                     'maySet', ${version >= 160_000 ? 'm.set_option' : 'true'}) order by m.roleid::regrole::text)
                   from pg_auth_members as m where m.member = r.oid), '[]') as memberships,
         coalesce((select array_agg(c order by c) from pg_db_role_setting as s, unnest(s.setconfig) as c
                   where s.setrole in (r.oid, 0) and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))), '{}') as settings
  from pg_roles as r
  where r.rolname !~ '^pg_' and r.oid <> 10
  order by name`

const SCHEMAS = `
  select n.nspname as name, n.nspowner::regrole::text as owner,
         coalesce((select json_object_agg(g.grantee, g.list) from (
           select case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee,
                  json_agg(a.privilege_type order by a.privilege_type) as list
           from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a where a.grantee <> n.nspowner group by 1) as g), '{}') as access
  from pg_namespace as n where ${OUR_SCHEMAS} order by name`

const DEFAULT_PRIVILEGES = `
  select d.defaclrole::regrole::text as of, coalesce(n.nspname, '') as schema, d.defaclobjtype as objects,
         case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee,
         array_agg(a.privilege_type order by a.privilege_type) as privileges
  from pg_default_acl as d left join pg_namespace as n on n.oid = d.defaclnamespace, aclexplode(d.defaclacl) as a
  group by 1, 2, 3, 4 order by 1, 2, 3, 4`

/** Reads everything that isolation rests on. `client` sees all of the catalogue in any role. */
export async function readModel(client: pg.Client): Promise<Model> {
  const [{ version }] = await list<{ version: number }>(
    client,
    "select current_setting('server_version_num')::integer as version",
  ).then((rows) => rows as [{ version: number }])
  return {
    version,
    relations: await readRelations(client),
    routines: await list(client, ROUTINES),
    roles: await list(client, roles(version)),
    schemas: await list(client, SCHEMAS),
    defaultPrivileges: await list(client, DEFAULT_PRIVILEGES),
  }
}

/** All relations, or those with the given names (`schema.name`), with what every role may do with them. */
export async function readRelations(client: pg.Client, names: readonly string[] | null = null): Promise<Relation[]> {
  const relations = await list<Relation>(client, RELATIONS, [names])
  const oids = relations.map(({ oid }) => oid)
  const byOid = new Map(relations.map((relation) => [relation.oid, relation]))
  for (const relation of relations) Object.assign(relation, { access: {}, publicPrivileges: [] })
  for (const [part, statement] of Object.entries(PARTS)) {
    const rows = await list<{ relation: number }>(client, statement, [oids])
    for (const relation of relations) {
      const own = rows.filter((row) => row.relation === relation.oid)
      Object.assign(relation, { [part]: own.map(({ relation: _, ...row }) => row) })
    }
  }
  for (const { relation, privilege } of await list<{ relation: number; privilege: string }>(client, PUBLIC, [oids]))
    byOid.get(relation)?.publicPrivileges.push(privilege)
  const actors = await list<{ name: string }>(
    client,
    "select rolname as name from pg_roles where rolname !~ '^pg_' and not rolsuper",
  )
  type Row = { relation: number; role: string } & Relation['access'][string]
  for (const { relation, role, ...access } of await list<Row>(client, ACCESS, [oids, actors.map(({ name }) => name)])) {
    const isAny = Object.values(access).some((names) => names.length > 0)
    if (isAny) Object.assign((byOid.get(relation) as Relation).access, { [role]: access })
  }
  return relations
}

async function list<Row extends object>(client: pg.Client, statement: string, values: unknown[] = []): Promise<Row[]> {
  return (await client.query<Row & pg.QueryResultRow>(statement, values)).rows
}
