import type pg from 'pg'

const HEADER = `-- Printed from the catalogue of a migrated database by \`npm run generate\`. Do not edit.
-- For reading and comparing: migrations/ is what runs. Left out are the queue's own schema (pgboss), the privileges
-- that an owner has anyway, and MAINTAIN, which PostgreSQL 15 and 16 do not know.
`
/** Belong to a library that migrates itself; its version is pinned in package.json. */
const LEFT_OUT_SCHEMAS = ['pgboss', 'information_schema']

/** One statement or comment about an object, printed in the order of `rank` and `text`. */
interface Line {
  oid: string
  rank: number
  text: string
}

interface Relation {
  oid: string
  name: string
  kind: 'r' | 'p' | 'v' | 'm' | 'S' | 'f'
  owner: string
  options: string[] | null
  partitionKey: string | null
  partitionOf: string | null
  bound: string | null
  view: string | null
  sequence: string | null
}

/**
 * The schema of a database as SQL: schemas, types, tables with everything that hangs on them, views, functions, owners,
 * grants and comments. Sorted by name, so that equal schemas give equal text on PostgreSQL 15 to 18. `client` must not
 * be in a transaction; any role will do, since catalogues are readable by all.
 */
export async function printSchema(client: pg.Client | pg.PoolClient): Promise<string> {
  await client.query('begin transaction isolation level repeatable read, read only')
  try {
    // With an empty path the server writes every name with its schema.
    await client.query(`set local search_path = ''; set local quote_all_identifiers = off`)
    const schemas = await readSchemas(client)
    const names = schemas.map(({ name }) => name)
    const parts = [
      HEADER,
      ...schemas.map(({ lines }) => lines.join('\n')),
      ...(await printTypes(client, names)),
      ...(await printRelations(client, names)),
      ...(await printFunctions(client, names)),
      ...(await printDefaultPrivileges(client)),
    ]
    return `${parts.map((part) => part.trimEnd()).join('\n\n')}\n`
  } finally {
    await client.query('rollback')
  }
}

async function readSchemas(client: pg.Client | pg.PoolClient): Promise<{ name: string; lines: string[] }[]> {
  const { rows } = await client.query<{
    name: string
    ident: string
    oid: string
    owner: string
    comment: string | null
  }>(
    `select n.nspname as name, quote_ident(n.nspname) as ident, n.oid::text as oid, quote_ident(pg_get_userbyid(n.nspowner)) as owner,
            quote_literal(obj_description(n.oid, 'pg_namespace')) as comment
     from pg_catalog.pg_namespace as n
     where n.nspname <> all ($1) and n.nspname !~ '^pg_'
     order by n.nspname collate "C"`,
    [LEFT_OUT_SCHEMAS],
  )
  const grants = await readGrants(
    client,
    `select n.oid, n.nspowner as owner, 'schema ' || quote_ident(n.nspname) as target, n.nspacl as acl, null::text as columns
     from pg_catalog.pg_namespace as n where n.nspname = any ($1)`,
    rows.map(({ name }) => name),
  )
  return rows.map(({ name, ident, oid, owner, comment }) => ({
    name,
    lines: [
      `create schema ${ident};`,
      `alter schema ${ident} owner to ${owner};`,
      ...(comment === null || name === 'public' ? [] : [`comment on schema ${ident} is ${comment};`]),
      ...textOf(grants, oid),
    ],
  }))
}

async function printTypes(client: pg.Client | pg.PoolClient, schemas: string[]): Promise<string[]> {
  const { rows } = await client.query<{ text: string }>(
    `select case t.typtype
              when 'e' then format('create type %I.%I as enum (%s);', n.nspname, t.typname,
                (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
                 from pg_catalog.pg_enum as e where e.enumtypid = t.oid))
              else format('create domain %I.%I as %s%s%s;', n.nspname, t.typname, format_type(t.typbasetype, t.typtypmod),
                case when t.typnotnull then ' not null' else '' end,
                (select coalesce(string_agg(format(' constraint %I %s', c.conname, pg_get_constraintdef(c.oid)), '' order by c.conname collate "C"), '')
                 from pg_catalog.pg_constraint as c where c.contypid = t.oid and c.contype = 'c'))
            end || format(E'\\nalter type %I.%I owner to %I;', n.nspname, t.typname, pg_get_userbyid(t.typowner)) as text
     from pg_catalog.pg_type as t
     join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
     where n.nspname = any ($1) and t.typtype in ('e', 'd') and ${notOfExtension('pg_type', 't.oid')}
     order by n.nspname collate "C", t.typname collate "C"`,
    [schemas],
  )
  return rows.map(({ text }) => text)
}

async function printRelations(client: pg.Client | pg.PoolClient, schemas: string[]): Promise<string[]> {
  const { rows: relations } = await client.query<Relation>(
    `select c.oid::text as oid, format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind,
            quote_ident(pg_get_userbyid(c.relowner)) as owner, c.reloptions as options,
            case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end as "partitionKey",
            case when c.relispartition then i.inhparent::regclass::text end as "partitionOf",
            pg_get_expr(c.relpartbound, c.oid) as bound,
            case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end as view,
            case when s.seqrelid is not null then
              format('as %s increment %s minvalue %s maxvalue %s start %s cache %s%s', format_type(s.seqtypid, null), s.seqincrement,
                     s.seqmin, s.seqmax, s.seqstart, s.seqcache, case when s.seqcycle then ' cycle' else '' end) end as sequence
     from pg_catalog.pg_class as c
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     left join pg_catalog.pg_inherits as i on i.inhrelid = c.oid and c.relispartition
     left join pg_catalog.pg_sequence as s on s.seqrelid = c.oid
     where n.nspname = any ($1) and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and ${notOfExtension('pg_class', 'c.oid')}
       -- The sequence of an identity column is part of the column.
       and not exists (select from pg_catalog.pg_depend as d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid
                       and d.deptype = 'i' and c.relkind = 'S')
     order by n.nspname collate "C", c.relname collate "C"`,
    [schemas],
  )
  const columns = await readColumns(client, schemas)
  const constraints = await readConstraints(client, schemas)
  const hanging = [
    ...(await readRelationExtras(client, schemas)),
    ...(await readGrants(client, RELATION_ACLS, schemas)),
    ...(await readRelationComments(client, schemas)),
  ]
  return relations.map((relation) =>
    [
      printRelation(relation, textOf(columns, relation.oid), textOf(constraints, relation.oid)),
      `alter ${kindOf(relation)} ${relation.name} owner to ${relation.owner};`,
      ...textOf(hanging, relation.oid),
    ].join('\n'),
  )
}

function printRelation(relation: Relation, columns: string[], constraints: string[]): string {
  const { name, options, partitionOf, bound, partitionKey, view, sequence } = relation
  const kind = kindOf(relation)
  const settings = options === null ? '' : ` with (${[...options].sort().join(', ')})`
  if (view !== null) return `create ${kind} ${name}${settings} as\n${view}`
  if (sequence !== null) return `create sequence ${name} ${sequence};`
  const body = [...columns, ...constraints].map((line) => `  ${line}`).join(',\n')
  const partition = partitionKey === null ? '' : ` partition by ${partitionKey}`
  if (partitionOf !== null) return `create table ${name} partition of ${partitionOf} ${bound}${partition}${settings};`
  return `create ${kind} ${name} (\n${body}\n)${partition}${settings};`
}

function kindOf({ kind }: Relation): string {
  return { r: 'table', p: 'table', v: 'view', m: 'materialized view', S: 'sequence', f: 'foreign table' }[kind]
}

function readColumns(client: pg.Client | pg.PoolClient, schemas: string[]): Promise<Line[]> {
  return readLines(
    client,
    `select a.attrelid as oid, a.attnum as rank,
            format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
            || case when a.attcollation <> t.typcollation then ' collate ' || a.attcollation::regcollation::text else '' end
            || case when a.attnotnull then ' not null' else '' end
            || case a.attidentity when 'a' then ' generated always as identity' when 'd' then ' generated by default as identity' else '' end
            || case a.attgenerated
                 when '' then coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
                 when 's' then ' generated always as (' || pg_get_expr(d.adbin, d.adrelid) || ') stored'
                 else ' generated always as (' || pg_get_expr(d.adbin, d.adrelid) || ')'
               end as text
     from pg_catalog.pg_attribute as a
     join pg_catalog.pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'f')
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     join pg_catalog.pg_type as t on t.oid = a.atttypid
     left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where n.nspname = any ($1) and a.attnum > 0 and not a.attisdropped`,
    schemas,
  )
}

/** NOT NULL stands with the column; PostgreSQL 18 lists it among the constraints as well (`n`). */
function readConstraints(client: pg.Client | pg.PoolClient, schemas: string[]): Promise<Line[]> {
  return readLines(
    client,
    `select k.conrelid as oid, array_position(array['p', 'u', 'x', 'f', 'c'], k.contype::text) as rank,
            format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid)) as text
     from pg_catalog.pg_constraint as k
     join pg_catalog.pg_class as c on c.oid = k.conrelid
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = any ($1) and k.contype in ('p', 'u', 'x', 'f', 'c') and k.conislocal and k.conparentid = 0`,
    schemas,
  )
}

async function readRelationExtras(client: pg.Client | pg.PoolClient, schemas: string[]): Promise<Line[]> {
  const indexes = await readLines(
    client,
    `select i.indrelid as oid, 10 as rank, pg_get_indexdef(i.indexrelid) || ';' as text
     from pg_catalog.pg_index as i
     join pg_catalog.pg_class as c on c.oid = i.indrelid
     join pg_catalog.pg_class as x on x.oid = i.indexrelid
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = any ($1) and not x.relispartition
       and not exists (select from pg_catalog.pg_constraint as k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))`,
    schemas,
  )
  const security = await readLines(
    client,
    `select c.oid, 20 + f.rank as rank, format('alter table %I.%I %s row level security;', n.nspname, c.relname, f.verb) as text
     from pg_catalog.pg_class as c
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     cross join lateral (values (0, 'enable', c.relrowsecurity), (1, 'force', c.relforcerowsecurity)) as f (rank, verb, is_set)
     where n.nspname = any ($1) and f.is_set`,
    schemas,
  )
  const policies = await readLines(
    client,
    `select c.oid, 30 as rank,
            format('create policy %I on %I.%I as %s for %s to %s', p.policyname, p.schemaname, p.tablename, lower(p.permissive), lower(p.cmd),
                   (select string_agg(case when r = 'public' then r::text else quote_ident(r) end, ', ' order by r::text collate "C")
                    from unnest(p.roles) as r))
            || coalesce(E'\\n  using (' || p.qual || ')', '') || coalesce(E'\\n  with check (' || p.with_check || ')', '') || ';' as text
     from pg_catalog.pg_policies as p
     join pg_catalog.pg_namespace as n on n.nspname = p.schemaname
     join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = p.tablename
     where p.schemaname = any ($1)`,
    schemas,
  )
  const triggers = await readLines(
    client,
    `select g.tgrelid as oid, 40 as rank,
            pg_get_triggerdef(g.oid) || ';'
            || case when g.tgenabled = 'O' then '' else format(E'\\nalter table %I.%I %s trigger %I;', n.nspname, c.relname,
                 case g.tgenabled when 'D' then 'disable' when 'R' then 'enable replica' else 'enable always' end, g.tgname) end as text
     from pg_catalog.pg_trigger as g
     join pg_catalog.pg_class as c on c.oid = g.tgrelid
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = any ($1) and not g.tgisinternal and g.tgparentid = 0`,
    schemas,
  )
  return [...indexes, ...security, ...policies, ...triggers]
}

const RELATION_ACLS = `
  select c.oid, c.relowner as owner,
         case when c.relkind = 'S' then 'sequence ' else '' end || format('%I.%I', n.nspname, c.relname) as target,
         c.relacl as acl, null::text as columns
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = any ($1) and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
  union all
  select c.oid, c.relowner, format('%I.%I', n.nspname, c.relname), a.attacl, quote_ident(a.attname)
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attacl is not null
  where n.nspname = any ($1)`

/**
 * `source` gives one row per access list: oid, owner, target, acl, columns. Of the owner's own rights only the missing
 * ones are told. Roles with the same rights share a line.
 */
async function readGrants(client: pg.Client | pg.PoolClient, source: string, schemas: string[]): Promise<Line[]> {
  const grants = await readLines(
    client,
    `with granted as (
       select s.oid, s.target, a.grantee, a.is_grantable, s.columns, lower(a.privilege_type) as privilege
       from (${source}) as s cross join lateral aclexplode(s.acl) as a
       where a.grantee <> s.owner
     ),
     -- One privilege on several columns is one grant: select (a, b).
     by_columns as (
       select oid, target, grantee, is_grantable,
              privilege || coalesce(' (' || string_agg(columns, ', ' order by columns collate "C") || ')', '') as privilege
       from granted
       where privilege <> 'maintain'
       group by oid, target, grantee, is_grantable, privilege
     ),
     by_role as (
       select oid, target, is_grantable, case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as role,
              string_agg(privilege, ', ' order by privilege collate "C") as privileges
       from by_columns
       group by oid, target, grantee, is_grantable
     )
     select oid, 50 as rank,
            format('grant %s on %s to %s%s;', privileges, target, string_agg(role, ', ' order by role collate "C"),
                   case when is_grantable then ' with grant option' else '' end) as text
     from by_role
     group by oid, target, is_grantable, privileges`,
    schemas,
  )
  const withheld = await readLines(
    client,
    `select s.oid, 51 as rank,
            format('revoke %s on %s from %I;', string_agg(lower(o.privilege_type), ', ' order by o.privilege_type collate "C"),
                   s.target, pg_get_userbyid(s.owner)) as text
     from (${source}) as s
     join pg_catalog.pg_class as c on c.oid = s.oid
     cross join lateral aclexplode(acldefault(case when c.relkind = 'S' then 's' else 'r' end::"char", s.owner)) as o
     where s.acl is not null and s.columns is null and o.privilege_type <> 'MAINTAIN'
       and not exists (select from aclexplode(s.acl) as a where a.grantee = s.owner and a.privilege_type = o.privilege_type)
     group by s.oid, s.target, s.owner`,
    schemas,
  )
  return [...grants, ...withheld]
}

function readRelationComments(client: pg.Client | pg.PoolClient, schemas: string[]): Promise<Line[]> {
  return readLines(
    client,
    `select coalesce(k.conrelid, p.polrelid, g.tgrelid, x.indrelid, c.oid) as oid, 60 + d.objsubid as rank,
            format('comment on %s %s is %L;', regexp_replace(i.type, '^table (column|constraint)$', '\\1'), i.identity, d.description) as text
     from pg_catalog.pg_description as d
     cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) as i
     left join pg_catalog.pg_class as c on d.classoid = 'pg_catalog.pg_class'::regclass and c.oid = d.objoid
     left join pg_catalog.pg_index as x on d.classoid = 'pg_catalog.pg_class'::regclass and x.indexrelid = d.objoid
     left join pg_catalog.pg_constraint as k on d.classoid = 'pg_catalog.pg_constraint'::regclass and k.oid = d.objoid
     left join pg_catalog.pg_policy as p on d.classoid = 'pg_catalog.pg_policy'::regclass and p.oid = d.objoid
     left join pg_catalog.pg_trigger as g on d.classoid = 'pg_catalog.pg_trigger'::regclass and g.oid = d.objoid
     join pg_catalog.pg_class as r on r.oid = coalesce(k.conrelid, p.polrelid, g.tgrelid, x.indrelid, c.oid)
     join pg_catalog.pg_namespace as n on n.oid = r.relnamespace
     where n.nspname = any ($1)`,
    schemas,
  )
}

async function printFunctions(client: pg.Client | pg.PoolClient, schemas: string[]): Promise<string[]> {
  const { rows } = await client.query<{ oid: string; text: string }>(
    `select f.oid::text as oid,
            rtrim(pg_get_functiondef(f.oid), E'\\n') || ';' || E'\\n'
            || format('alter %s %s owner to %I;', case f.prokind when 'p' then 'procedure' else 'function' end, f.oid::regprocedure, pg_get_userbyid(f.proowner))
            || coalesce(format(E'\\ncomment on %s %s is ', case f.prokind when 'p' then 'procedure' else 'function' end, f.oid::regprocedure)
                        || quote_literal(obj_description(f.oid, 'pg_proc')) || ';', '') as text
     from pg_catalog.pg_proc as f
     join pg_catalog.pg_namespace as n on n.oid = f.pronamespace
     where n.nspname = any ($1) and f.prokind in ('f', 'p', 'w') and ${notOfExtension('pg_proc', 'f.oid')}
     order by n.nspname collate "C", f.proname collate "C", pg_get_function_identity_arguments(f.oid) collate "C"`,
    [schemas],
  )
  const grants = await readGrants(
    client,
    `select f.oid, f.proowner as owner, case f.prokind when 'p' then 'procedure ' else 'function ' end || f.oid::regprocedure::text as target,
            coalesce(f.proacl, acldefault('f', f.proowner)) as acl, null::text as columns
     from pg_catalog.pg_proc as f
     join pg_catalog.pg_namespace as n on n.oid = f.pronamespace
     where n.nspname = any ($1)`,
    schemas,
  )
  return rows.map(({ oid, text }) => [text, ...textOf(grants, oid)].join('\n'))
}

/** What objects made later are granted without being asked. */
async function printDefaultPrivileges(client: pg.Client | pg.PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ text: string }>(
    `select format('-- default privileges of %I on %s%s: %s', pg_get_userbyid(d.defaclrole),
              case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end,
              coalesce(' in ' || quote_ident(n.nspname), ''),
              coalesce((select string_agg(format('%s to %s', lower(a.privilege_type), case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end), ', '
                                          order by pg_get_userbyid(a.grantee)::text collate "C", a.privilege_type collate "C")
                        from aclexplode(d.defaclacl) as a where a.privilege_type <> 'MAINTAIN'), 'none')) as text
     from pg_catalog.pg_default_acl as d
     left join pg_catalog.pg_namespace as n on n.oid = d.defaclnamespace
     where n.nspname is null or n.nspname <> all ($1)`,
    [LEFT_OUT_SCHEMAS],
  )
  const lines = rows.map(({ text }) => text).sort()
  return lines.length === 0 ? [] : [lines.join('\n')]
}

function notOfExtension(catalogue: string, oid: string): string {
  return `not exists (select from pg_catalog.pg_depend as e where e.classid = 'pg_catalog.${catalogue}'::regclass and e.objid = ${oid} and e.deptype = 'e')`
}

async function readLines(client: pg.Client | pg.PoolClient, query: string, schemas: string[]): Promise<Line[]> {
  const { rows } = await client.query<Line>(
    `select oid::text as oid, rank::int4 as rank, text from (${query}) as lines order by oid, rank, text collate "C"`,
    [schemas],
  )
  return rows
}

function textOf(lines: Line[], oid: string): string[] {
  return lines
    .filter((line) => line.oid === oid)
    .sort((a, b) => a.rank - b.rank)
    .map(({ text }) => text)
}
