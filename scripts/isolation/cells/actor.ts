import { RUNTIME_ROLES } from '../../../src/db/bootstrap.ts'
import { type Access, accessOf, type Relation } from '../model.ts'
import type { Row } from '../rows/row.ts'
import { rolesWithGrants } from '../structure/tenant-table.ts'

/** The roles that cannot log in are taken by SET ROLE; the others log in. */
export const LOGINS = [...RUNTIME_ROLES, 'skeldir_migrator'] as const
export const ROLES = [...LOGINS, 'skeldir_owner', 'skeldir_control'] as const

/** What a role can reach of a table by design: its tenant's rows, every tenant's, or none, whatever its privileges. */
export type Reach = 'tenant' | 'all' | 'nothing'

/** A table as one role meets it. Made before anything is changed: it is what a mutated table is held against. */
export interface Actor {
  role: string
  reach: Reach
  access: Access
}

export function actorsOn(table: Relation, lookups: Readonly<Record<string, string>>): Actor[] {
  const listed = rolesWithGrants(table)
  const reachOf = (role: string): Reach => {
    if (role === 'skeldir_control' && lookups[table.name] !== undefined) return 'all'
    return listed.includes(role) ? 'tenant' : 'nothing'
  }
  return ROLES.map((role) => ({ role, reach: reachOf(role), access: accessOf(table, role) }))
}

/** What the statements about one table need. */
export interface Target {
  table: Relation
  own: readonly Row[]
  other: readonly Row[]
  freshOwn: Row
  freshOther: Row
  ownTenant: string
  otherTenant: string
  /** Rows in the table, of all tenants. */
  total: number
  /** Texts that stand where a tenant id should. */
  garbage: string
}
