import { RUNTIME_ROLES } from '../../../src/db/bootstrap.ts'
import { accessOf, NO_ACCESS, type Policy, type Relation, TENANT_COLUMN } from '../model.ts'
import { quoteName, quoteRelation } from '../rows/row.ts'
import { type Mutant, policyMutant, replacePolicy } from './mutant.ts'

const USING_IS_CHECKED = 'without WITH CHECK, USING is checked instead'
const NOBODY_WRITES = 'no role of the policy may write the table'
const NO_PRIVILEGE = 'the added role has no privilege on the table'
const OPENS_NOTHING = 'a restrictive policy alone lets nothing through'
const OTHERS_DECIDE = 'the role reaches no more by it: its other policies decide'
const OWN_CONDITION = 'only a row that meets the condition of the policy itself could tell'

const SETTING = "current_setting('app.current_tenant_id', true)"

/** Every way that one policy of a table can be wrong. */
export function mutatePolicy(table: Relation, policy: Policy): Mutant[] {
  const drop = policyMutant(table, policy, 'dropped', [
    `drop policy ${quoteName(policy.name)} on ${quoteRelation(table.name)}`,
  ])
  const mutants = [
    drop,
    ...mutateConditions(table, policy),
    ...mutateShape(table, policy),
    ...mutateRoles(table, policy),
  ]
  // A policy for INSERT with a condition lets no row through that the statements of the matrix try; open, it would.
  const hasCondition = policy.command === 'a' && policy.check !== 'true'
  return hasCondition
    ? mutants.map((mutant) =>
        mutant.operator === 'with check (true)' ? mutant : { ...mutant, equivalent: OWN_CONDITION },
      )
    : mutants
}

function mutateConditions(table: Relation, policy: Policy): Mutant[] {
  const change = (operator: string, next: Partial<Policy>, equivalent: string | null = null) => {
    const isSame = Object.entries(next).every(([key, value]) => policy[key as keyof Policy] === value)
    return isSame ? [] : [policyMutant(table, policy, operator, replacePolicy(table, policy, next), equivalent)]
  }
  const unwritten = isWritten(table, policy) ? null : NOBODY_WRITES
  const both = (operator: string, condition: string) =>
    change(operator, { using: condition, check: policy.check === null ? null : condition })
  const uses =
    policy.using === null
      ? []
      : [...change('using (true)', { using: 'true' }), ...change('using (false)', { using: 'false' })]
  const checks =
    policy.check === null
      ? []
      : [
          ...change('with check (true)', { check: 'true' }, unwritten),
          ...change('with check (false)', { check: 'false' }, unwritten),
          ...(policy.using === null ? [] : change('no WITH CHECK', { check: null }, USING_IS_CHECKED)),
        ]
  if (policy.isPermissive) return [...uses, ...checks]
  const own = `nullif(${SETTING}, '')::uuid`
  return [
    ...uses,
    ...checks,
    ...both('true, both ways', 'true'),
    ...both('wrong column', wrongColumn(table)),
    ...both('open without a context', `${TENANT_COLUMN} = (select ${own}) or (select ${own}) is null`),
    ...both('fails on an empty context', `${TENANT_COLUMN} = (select ${SETTING}::uuid)`),
    ...both(
      'fails without a context',
      `${TENANT_COLUMN} = (select nullif(current_setting('app.current_tenant_id'), '')::uuid)`,
    ),
    ...both(
      'another setting',
      `${TENANT_COLUMN} = (select nullif(current_setting('app.correlation_id', true), '')::uuid)`,
    ),
    ...both('not the tenant', `${TENANT_COLUMN} is distinct from (select ${own})`),
  ]
}

/** The policy with another column in the place of the tenant's. */
function wrongColumn(table: Relation): string {
  const ids = table.columns.filter(({ name, baseType }) => name !== TENANT_COLUMN && baseType === 'uuid')
  const column = ids[0] ?? table.columns.find(({ name }) => name !== TENANT_COLUMN)
  return `${quoteName(column?.name ?? TENANT_COLUMN)}::text = (select nullif(${SETTING}, ''))`
}

/** Whether any role of the policy may insert or update. */
function isWritten(table: Relation, { roles }: Policy): boolean {
  return roles.some((role) => accessOf(table, role).insert.length > 0 || accessOf(table, role).update.length > 0)
}

function mutateShape(table: Relation, policy: Policy): Mutant[] {
  const { isPermissive, command } = policy
  const change = (operator: string, next: Partial<Policy>, equivalent: string | null) =>
    policyMutant(table, policy, operator, replacePolicy(table, policy, next), equivalent)
  const kind = isPermissive ? 'restrictive instead of permissive' : 'permissive instead of restrictive'
  const mutants = [change(kind, { isPermissive: !isPermissive }, null)]
  const writes = isWritten(table, policy)
  const changesRows = writes || policy.roles.some((role) => accessOf(table, role).table.includes('DELETE'))
  if (command === 'r') {
    const alike = isCovered(table, policy) ? OTHERS_DECIDE : null
    mutants.push(change('for ALL', { command: '*' }, changesRows ? alike : NOBODY_WRITES))
  }
  if (command !== '*') return mutants
  mutants.push(change('for SELECT only', { command: 'r', check: null }, changesRows ? null : NOBODY_WRITES))
  if (writes)
    mutants.push(change('for INSERT only', { command: 'a', using: null, check: policy.check ?? policy.using }, null))
  return mutants
}

/** Whether other policies let the same roles write whatever they have a privilege to. */
function isCovered({ policies, access }: Relation, { name, roles }: Policy): boolean {
  const others = policies.filter((other) => other.name !== name && other.isPermissive && other.using === 'true')
  const covers = (role: string, command: Policy['command']) =>
    others.some((other) => other.roles.includes(role) && (other.command === '*' || other.command === command))
  return roles.every((role) => {
    const { insert, update, table } = access[role] ?? NO_ACCESS
    const deletes = table.includes('DELETE')
    return insert.length === 0 && (update.length === 0 || covers(role, 'w')) && (!deletes || covers(role, 'd'))
  })
}

function mutateRoles(table: Relation, policy: Policy): Mutant[] {
  const { roles, isPermissive, command } = policy
  const change = (operator: string, next: string[], equivalent: string | null) =>
    policyMutant(table, policy, operator, replacePolicy(table, policy, { roles: next }), equivalent)
  const others = (role: string) => roles.filter((other) => other !== role)
  const removed = roles.length === 1 ? [] : roles.map((role) => change(`without ${role}`, others(role), null))
  const stranger = RUNTIME_ROLES.find((role) => table.access[role] === undefined)
  const listed = RUNTIME_ROLES.find((role) => table.access[role] !== undefined && !roles.includes(role))
  const hasLookup = table.policies.some((other) => other.command === 'r')
  const added = [
    ...(stranger === undefined ? [] : [change(`also ${stranger}`, [...roles, stranger], NO_PRIVILEGE)]),
    ...(command === 'r' && listed !== undefined ? [change(`also ${listed}`, [...roles, listed], OTHERS_DECIDE)] : []),
    change('also skeldir_owner', [...roles, 'skeldir_owner'], isPermissive ? null : OPENS_NOTHING),
    // Where there is a look-up, the restriction would bind skeldir_control too.
    change('for PUBLIC', ['public'], isPermissive || hasLookup ? null : OPENS_NOTHING),
  ]
  return [...removed, ...added]
}
