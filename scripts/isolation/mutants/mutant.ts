import { describePolicy, type Policy, type Relation } from '../model.ts'
import { quoteName, quoteRelation } from '../rows/row.ts'

/** One fault that is planted, to see whether it is noticed. */
export interface Mutant {
  /** Unique: `public.touchpoints tenant_only: dropped`. */
  id: string
  /** The relation that is changed; null: something of the whole database. */
  relation: string | null
  operator: string
  /** What plants it, as the superuser. */
  sql: readonly string[]
  /** Why no statement of any role can tell the difference; null where one can. */
  equivalent: string | null
  /** Changes a role, which all databases of the cluster share. */
  isClusterWide: boolean
}

export function policyMutant(
  table: Relation,
  policy: Policy,
  operator: string,
  sql: readonly string[],
  equivalent: string | null = null,
): Mutant {
  const id = `${table.name} ${policy.name}: ${operator}`
  return { id, relation: table.name, operator, sql, equivalent, isClusterWide: false }
}

export function tableMutant(
  table: Relation,
  operator: string,
  sql: readonly string[],
  equivalent: string | null = null,
): Mutant {
  return { id: `${table.name}: ${operator}`, relation: table.name, operator, sql, equivalent, isClusterWide: false }
}

/** The policy anew, with some of it changed. */
export function replacePolicy(table: Relation, policy: Policy, change: Partial<Policy>): string[] {
  const on = `${quoteName(policy.name)} on ${quoteRelation(table.name)}`
  const definition = describePolicy({ ...policy, ...change }).slice(`${policy.name}: `.length)
  return [`drop policy ${on}`, `create policy ${on} as ${definition}`]
}
