import { RUNTIME_ROLES } from '../../../src/db/bootstrap.ts'
import { accessOf, describeAccess, describePolicy, hasTenant, isTable, type Model, type Relation } from '../model.ts'
import { collectFaults, type Exceptions, type Fault, sameSet } from './fault.ts'
import { checkTenantTable } from './tenant-table.ts'

/** Where a relation stands: under the template, on the reviewed list, or in neither place. */
export type Standing = 'tenant' | 'outside' | 'unknown' | 'view' | 'sequence'

export function standingOf(relation: Relation, exceptions: Exceptions): Standing {
  if (relation.kind === 'S') return 'sequence'
  if (!isTable(relation)) return 'view'
  if (exceptions.OUTSIDE[relation.root] !== undefined) return 'outside'
  return hasTenant(relation) ? 'tenant' : 'unknown'
}

/** Faults of one relation, whatever it is. */
export function checkRelation(relation: Relation, model: Pick<Model, 'relations'>, exceptions: Exceptions): Fault[] {
  switch (standingOf(relation, exceptions)) {
    case 'tenant':
      return checkTenantTable(relation, model, exceptions)
    case 'outside':
      return checkOutside(relation, exceptions)
    case 'view':
      return checkView(relation, exceptions)
    case 'sequence':
      return checkSequence(relation)
    case 'unknown':
      return [{ rule: 'unlisted', object: relation.name, detail: 'has no tenant_id and is not on the reviewed list' }]
  }
}

/** A table of the reviewed list: exactly the privileges that the line names; a partition has no others than its root. */
function checkOutside(table: Relation, exceptions: Exceptions): Fault[] {
  const { faults, expect } = collectFaults(table.name)
  const { access: reviewed = {} } = exceptions.OUTSIDE[table.root] ?? {}
  for (const [role, access] of Object.entries(table.access)) {
    if (role === table.owner || role === 'skeldir_migrator') continue
    const excess = describeAccess(access).filter((privilege) => !(reviewed[role] ?? []).includes(privilege))
    const detail = `${role} has ${excess.join(', ')}, which the reviewed list does not name`
    expect(excess.length === 0, 'outside-grant', detail)
  }
  expect(table.publicPrivileges.length === 0, 'public', `PUBLIC has ${table.publicPrivileges.join(', ')}`)
  const isForced = table.isEnabled && table.isForced
  expect(isForced || !hasTenant(table), 'force', 'has a tenant_id and no forced row level security')
  if (table.root !== table.name) return faults
  const { policies = [] } = exceptions.OUTSIDE[table.name] ?? {}
  for (const line of table.policies.map(describePolicy))
    expect(policies.includes(line), 'outside-policy', `has a policy that the reviewed list does not name: ${line}`)
  for (const line of policies)
    expect(table.policies.map(describePolicy).includes(line), 'unneeded', `the reviewed list names a policy: ${line}`)
  expect(table.policies.length === 0 || (table.isEnabled && table.isForced), 'force', 'has policies that do not hold')
  for (const [role, privileges] of Object.entries(reviewed)) {
    const held = describeAccess(accessOf(table, role))
    const missing = privileges.filter((privilege) => !held.includes(privilege))
    const detail = `the reviewed list names ${missing.join(', ')} for ${role}, which it does not have`
    expect(missing.length === 0, 'unneeded', detail)
  }
  return faults
}

/** A view reads as its invoker; one that does not is reviewed and a barrier. A materialized view is granted to nobody. */
function checkView(view: Relation, exceptions: Exceptions): Fault[] {
  const { faults, expect } = collectFaults(view.name)
  const granted = RUNTIME_ROLES.filter((role) => view.access[role] !== undefined)
  expect(view.publicPrivileges.length === 0, 'public', `PUBLIC has ${view.publicPrivileges.join(', ')}`)
  if (view.kind === 'm') {
    expect(granted.length === 0, 'matview-grant', `${granted.join(', ')} may read it past the policies`)
    expect(view.owner === 'skeldir_control', 'matview-owner', `belongs to ${view.owner}, not to skeldir_control`)
    return faults
  }
  const isOn = (option: string) => view.options.some((text) => text === `${option}=true` || text === `${option}=on`)
  if (isOn('security_invoker')) return faults
  expect(
    exceptions.VIEWS[view.name] !== undefined,
    'view-definer',
    'reads as its owner and is not on the reviewed list',
  )
  expect(isOn('security_barrier'), 'view-barrier', 'reads as its owner and is no security_barrier')
  const writes = granted.filter((role) =>
    describeAccess(accessOf(view, role)).some((privilege) => !privilege.startsWith('SELECT')),
  )
  expect(writes.length === 0, 'view-write', `${writes.join(', ')} may write through it`)
  return faults
}

/** A sequence that several tenants draw from tells each how much the others do. */
function checkSequence(sequence: Relation): Fault[] {
  const { faults, expect } = collectFaults(sequence.name)
  const granted = RUNTIME_ROLES.filter((role) => sequence.access[role] !== undefined)
  const isQueue = sequence.name.startsWith('pgboss.')
  expect(
    granted.length === 0 || (isQueue && sameSet(granted, ['app_worker'])),
    'sequence',
    `${granted.join(', ')} may draw from it`,
  )
  expect(sequence.publicPrivileges.length === 0, 'public', `PUBLIC has ${sequence.publicPrivileges.join(', ')}`)
  return faults
}

/** Lines of the reviewed list for tables and views that are not there, or that could stand under the template. */
export function checkUnneededRelations(model: Model, exceptions: Exceptions): Fault[] {
  const faults: Fault[] = []
  const unneeded = (object: string, detail: string) => faults.push({ rule: 'unneeded', object, detail })
  const byName = new Map(model.relations.map((relation) => [relation.name, relation]))
  for (const name of Object.keys(exceptions.OUTSIDE)) {
    const table = byName.get(name)
    if (table === undefined || !isTable(table)) unneeded(name, 'the reviewed list names a table that does not exist')
    else if (hasTenant(table) && checkTenantTable(table, model, { ...exceptions, OUTSIDE: {} }).length === 0)
      unneeded(name, 'the reviewed list names a table that is under the template')
  }
  for (const name of Object.keys(exceptions.LOOKUPS))
    if (byName.get(name) === undefined) unneeded(name, 'the reviewed look-ups name a table that does not exist')
  for (const name of Object.keys(exceptions.VIEWS))
    if (byName.get(name)?.kind !== 'v') unneeded(name, 'the reviewed list names a view that does not exist')
  return faults
}
