/** What the catalogue says about isolation, in the shape that the checks read. Names of relations are `schema.name`. */
export interface Model {
  /** `180004`. */
  version: number
  relations: Relation[]
  routines: Routine[]
  roles: Role[]
  schemas: Schema[]
  defaultPrivileges: DefaultPrivilege[]
}

export interface Relation {
  name: string
  oid: number
  /** pg_class.relkind: r table, p partitioned table, v view, m materialized view, f foreign table, S sequence. */
  kind: 'r' | 'p' | 'v' | 'm' | 'f' | 'S'
  owner: string
  /** Row level security is enabled, and holds for the owner too. */
  isEnabled: boolean
  isForced: boolean
  /** The partitioned table or parent, and the topmost one. */
  parent: string | null
  root: string
  /** reloptions, such as `security_barrier=true`. */
  options: string[]
  columns: Column[]
  policies: Policy[]
  keys: Key[]
  exclusions: Exclusion[]
  foreignKeys: ForeignKey[]
  checks: Check[]
  triggers: Trigger[]
  /** Rewrite rules other than a view's own. */
  rules: string[]
  /** By role, what it may do; a role that may do nothing is absent. */
  access: Record<string, Access>
  /** Privileges of PUBLIC on the relation or one of its columns. */
  publicPrivileges: string[]
}

export interface Column {
  name: string
  /** format_type: `character varying(10)`. */
  type: string
  /** The type below a domain. */
  baseType: string
  /** pg_type.typcategory: S string, N number, A array, E enum, ... */
  category: string
  labels: string[]
  isRequired: boolean
  hasDefault: boolean
  /** Computed, or an identity that takes no value. */
  isGenerated: boolean
  isIdentity: boolean
}

export interface Policy {
  name: string
  isPermissive: boolean
  /** pg_policy.polcmd: * all, r select, a insert, w update, d delete. */
  command: '*' | 'r' | 'a' | 'w' | 'd'
  /** `public` for everybody. */
  roles: string[]
  using: string | null
  check: string | null
}

export interface Key {
  name: string
  columns: string[]
  isPrimary: boolean
  /** Of a partial index: the condition of the rows that are in it. */
  predicate: string | null
}

export interface Exclusion {
  name: string
  columns: string[]
  operators: string[]
}

export interface ForeignKey {
  name: string
  columns: string[]
  target: string
  targetColumns: string[]
}

export interface Check {
  name: string
  columns: string[]
  expression: string
}

export interface Trigger {
  name: string
  routine: string
}

export type TablePrivilege =
  | 'SELECT'
  | 'INSERT'
  | 'UPDATE'
  | 'DELETE'
  | 'TRUNCATE'
  | 'REFERENCES'
  | 'TRIGGER'
  | 'USAGE'
  | 'EXECUTE'

/** Privileges as has_table_privilege and has_column_privilege answer: memberships and PUBLIC are in it. */
export interface Access {
  table: TablePrivilege[]
  select: string[]
  insert: string[]
  update: string[]
}

export interface Routine {
  /** `internal.find_login(text)`. */
  signature: string
  schema: string
  name: string
  kind: 'f' | 'p' | 'a' | 'w'
  owner: string
  isDefiner: boolean
  isTrigger: boolean
  config: string[]
  language: string
  body: string
  argumentNames: string[]
  argumentTypes: string[]
  returnsSet: boolean
  /** Roles with EXECUTE; `public` for everybody. */
  executors: string[]
}

export interface Role {
  name: string
  isSuperuser: boolean
  bypassesPolicies: boolean
  createsRoles: boolean
  createsDatabases: boolean
  replicates: boolean
  canLogin: boolean
  inherits: boolean
  memberships: Membership[]
  /** `setting=value`, for all databases or this one. */
  settings: string[]
  /** May make schemas, or temporary tables, in this database. */
  mayCreateSchemas: boolean
  mayMakeTemporary: boolean
}

export interface Membership {
  of: string
  isAdmin: boolean
  inherits: boolean
  maySet: boolean
}

export interface Schema {
  name: string
  owner: string
  /** By role (`public` for everybody): USAGE, CREATE. */
  access: Record<string, string[]>
}

export interface DefaultPrivilege {
  of: string
  /** Empty: every schema. */
  schema: string
  /** pg_default_acl.defaclobjtype: r relations, f functions, S sequences, n schemas, T types. */
  objects: string
  grantee: string
  privileges: string[]
}

export const TENANT_COLUMN = 'tenant_id'

/** A relation that holds rows, as opposed to a view or a sequence. */
export function isTable({ kind }: Relation): boolean {
  return kind === 'r' || kind === 'p' || kind === 'f'
}

export function hasTenant(relation: Relation): boolean {
  return relation.columns.some(({ name }) => name === TENANT_COLUMN)
}

/** `SELECT`, `INSERT(probe_id)`: what a role may do, in a form that a person can review. */
export function describeAccess(access: Access): string[] {
  const columns = (['SELECT', 'INSERT', 'UPDATE'] as const).flatMap((privilege) => {
    if (access.table.includes(privilege)) return []
    const list = access[privilege.toLowerCase() as 'select' | 'insert' | 'update']
    return list.length === 0 ? [] : [`${privilege}(${list.join(', ')})`]
  })
  return [...access.table, ...columns].sort()
}

const COMMANDS: Record<Policy['command'], string> = { '*': 'all', r: 'select', a: 'insert', w: 'update', d: 'delete' }

/** `provisioning: permissive for all to app_rw using (true) with check (true)`: its definition, for a person to review. */
export function describePolicy({ name, isPermissive, command, roles, using, check }: Policy): string {
  const conditions = `${using === null ? '' : ` using (${using})`}${check === null ? '' : ` with check (${check})`}`
  const kind = isPermissive ? 'permissive' : 'restrictive'
  return `${name}: ${kind} for ${COMMANDS[command]} to ${roles.join(', ')}${conditions}`.replace(/\s+/g, ' ')
}

export const NO_ACCESS: Access = { table: [], select: [], insert: [], update: [] }

export function accessOf(relation: Relation, role: string): Access {
  return relation.access[role] ?? NO_ACCESS
}
