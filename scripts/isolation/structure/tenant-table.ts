import { RUNTIME_ROLES } from '../../../src/db/bootstrap.ts'
import { accessOf, type Model, type Policy, type Relation, TENANT_COLUMN } from '../model.ts'
import { collectFaults, type Exceptions, type Fault, sameSet } from './fault.ts'

/** How PostgreSQL 15 to 18 print the condition of the template in migration 0001. */
export const OWN_TENANT = `(tenant_id = ( SELECT (NULLIF(current_setting('app.current_tenant_id'::text, true), ''::text))::uuid AS "nullif"))`

const OWNERS = ['skeldir_owner', 'skeldir_migrator']
/** Of what moves or empties a whole table, or looks into it in other ways than by reading rows. */
const NEVER_GRANTED = ['TRUNCATE', 'REFERENCES', 'TRIGGER'] as const

/**
 * Faults of one table that holds rows of tenants: the template of DESIGN 6 (forced policies, exactly two of them for
 * exactly the roles that have a grant), and tenant_id first in every key and foreign key.
 */
export function checkTenantTable(table: Relation, model: Pick<Model, 'relations'>, exceptions: Exceptions): Fault[] {
  return [
    ...checkPolicies(table, exceptions),
    ...checkKeys(table),
    ...checkForeignKeys(table, model, exceptions),
    ...checkHangers(table),
  ]
}

/** Runtime roles with any privilege on the table: the roles that both policies must list. */
export function rolesWithGrants(table: Relation): string[] {
  return RUNTIME_ROLES.filter((role) => table.access[role] !== undefined)
}

function checkPolicies(table: Relation, exceptions: Exceptions): Fault[] {
  const { faults, expect } = collectFaults(table.name)
  expect(table.isEnabled, 'enabled', 'row level security is not enabled')
  expect(table.isForced, 'force', 'row level security is not forced on the owner')
  expect(table.owner === 'skeldir_owner', 'owner', `belongs to ${table.owner}`)

  const roles = rolesWithGrants(table)
  const find = (name: string) => table.policies.find((policy) => policy.name === name)
  const isLookup = exceptions.LOOKUPS[table.name] !== undefined
  const expected: Policy[] = [
    { name: 'open_to_runtime', isPermissive: true, command: '*', roles, using: 'true', check: 'true' },
    { name: 'tenant_only', isPermissive: false, command: '*', roles, using: OWN_TENANT, check: OWN_TENANT },
  ]
  if (isLookup)
    expected.push({
      name: 'lookup_by_control',
      isPermissive: true,
      command: 'r',
      roles: ['skeldir_control'],
      using: 'true',
      check: null,
    })
  for (const policy of expected) {
    const actual = find(policy.name)
    expect(actual !== undefined, 'policy', `has no policy ${policy.name}`)
    if (actual !== undefined) faults.push(...comparePolicy(table.name, actual, policy))
  }
  for (const { name } of table.policies)
    expect(
      expected.some((policy) => policy.name === name),
      'policy',
      `has a policy ${name} that the template does not have`,
    )
  return [...faults, ...checkGrants(table, isLookup)]
}

function comparePolicy(table: string, actual: Policy, expected: Policy): Fault[] {
  const { faults, expect } = collectFaults(table)
  const { name } = expected
  const kind = (isPermissive: boolean) => (isPermissive ? 'permissive' : 'restrictive')
  expect(
    actual.isPermissive === expected.isPermissive,
    'policy-kind',
    `${name} is ${kind(actual.isPermissive)}, not ${kind(expected.isPermissive)}`,
  )
  expect(actual.command === expected.command, 'policy-command', `${name} is for command ${actual.command}`)
  expect(
    sameSet(actual.roles, expected.roles),
    'policy-roles',
    `${name} is for ${actual.roles.join(', ') || 'nobody'}; those with a grant are ${expected.roles.join(', ') || 'nobody'}`,
  )
  expect(actual.using === expected.using, 'policy-using', `${name} uses ${actual.using}`)
  expect(actual.check === expected.check, 'policy-check', `${name} checks ${actual.check}`)
  return faults
}

function checkGrants(table: Relation, isLookup: boolean): Fault[] {
  const { faults, expect } = collectFaults(table.name)
  expect(table.publicPrivileges.length === 0, 'public', `PUBLIC has ${table.publicPrivileges.join(', ')}`)
  const known = new Set<string>([...RUNTIME_ROLES, ...OWNERS, 'skeldir_control'])
  for (const role of Object.keys(table.access)) expect(known.has(role), 'grant', `${role} has a grant`)
  for (const role of RUNTIME_ROLES)
    for (const privilege of NEVER_GRANTED)
      expect(!accessOf(table, role).table.includes(privilege), 'grant', `${role} may ${privilege}`)
  const control = accessOf(table, 'skeldir_control')
  expect(
    isLookup ? control.table.join() === 'SELECT' : control.table.length === 0 && control.select.length === 0,
    'lookup',
    isLookup
      ? 'skeldir_control must have SELECT and nothing else'
      : 'skeldir_control has a grant without a reviewed look-up',
  )
  expect(control.insert.length === 0 && control.update.length === 0, 'lookup', 'skeldir_control may write')
  return faults
}

function checkKeys(table: Relation): Fault[] {
  const { faults, expect } = collectFaults(table.name)
  const tenant = table.columns.find(({ name }) => name === TENANT_COLUMN)
  expect(tenant?.type === 'uuid' && tenant.isRequired, 'tenant-column', 'tenant_id is not a required uuid')
  expect(
    table.kind === 'f' || table.keys.some(({ isPrimary }) => isPrimary),
    'primary-key',
    'has no primary key, so none that starts with the tenant',
  )
  for (const { name, columns } of table.keys)
    expect(columns[0] === TENANT_COLUMN, 'unique-key', `${name} starts with ${columns[0]}: unique across tenants`)
  for (const { name, columns, operators } of table.exclusions)
    expect(columns[0] === TENANT_COLUMN && operators[0] === '=', 'exclusion', `${name} excludes across tenants`)
  return faults
}

function checkForeignKeys(table: Relation, { relations }: Pick<Model, 'relations'>, exceptions: Exceptions): Fault[] {
  const { faults, expect } = collectFaults(table.name)
  for (const { name, columns, target, targetColumns } of table.foreignKeys) {
    const root = relations.find((relation) => relation.name === target)?.root ?? target
    if (exceptions.OUTSIDE[root] !== undefined) continue
    expect(
      columns[0] === TENANT_COLUMN && targetColumns[0] === TENANT_COLUMN,
      'foreign-key',
      `${name} points to ${target} without the tenant first`,
    )
  }
  return faults
}

/** What may run or redirect statements on the table beside the policies. */
function checkHangers(table: Relation): Fault[] {
  const { faults, expect } = collectFaults(table.name)
  expect(table.kind !== 'f', 'foreign-table', 'is a foreign table: its rows are not under policies of this database')
  expect(
    table.rules.length === 0,
    'rewrite-rule',
    `has rewrite rules ${table.rules.join(', ')}, which run as the owner`,
  )
  return faults
}
