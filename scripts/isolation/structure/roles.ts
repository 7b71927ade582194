import { RUNTIME_ROLES } from '../../../src/db/bootstrap.ts'
import type { Model, Role } from '../model.ts'
import { collectFaults, type Fault } from './fault.ts'

/** What DESIGN 6 gives each role beyond nothing; `memberships` as `role (options)`. */
interface Expected {
  canLogin: boolean
  createsRoles: boolean
  memberships: readonly string[]
}

const RUNTIME: Expected = { canLogin: true, createsRoles: false, memberships: [] }

const ROLES: Record<string, Expected> = {
  skeldir_owner: { canLogin: false, createsRoles: false, memberships: [] },
  skeldir_control: { canLogin: false, createsRoles: false, memberships: [] },
  skeldir_migrator: {
    canLogin: true,
    createsRoles: true,
    // Of skeldir_control only the right to join for the length of a migration; PostgreSQL 15 has no such grant.
    memberships: ['skeldir_control (admin)', 'skeldir_owner (inherit, set)'],
  },
  ...Object.fromEntries(RUNTIME_ROLES.map((role) => [role, RUNTIME])),
}

/** Settings that would give a role a tenant before any transaction has one, or step around the policies. */
const CONTEXT_SETTING = /^(app\.|role=|row_security=|session_authorization=|session_replication_role=)/

/** Faults of the roles that the platform runs as. Other roles of the cluster are judged by their grants alone. */
export function checkRoles({ roles, version }: Pick<Model, 'roles' | 'version'>): Fault[] {
  const faults: Fault[] = []
  for (const [name, expected] of Object.entries(ROLES)) {
    const role = roles.find((known) => known.name === name)
    if (role === undefined) faults.push({ rule: 'role', object: name, detail: 'does not exist' })
    else faults.push(...checkRole(role, expected, version))
  }
  for (const role of roles) if (ROLES[role.name] === undefined) faults.push(...checkStranger(role))
  return faults
}

function checkRole(role: Role, expected: Expected, version: number): Fault[] {
  const { faults, expect } = collectFaults(role.name)
  expect(!role.isSuperuser, 'superuser', 'is a superuser')
  expect(!role.bypassesPolicies, 'bypass', 'bypasses row level security')
  expect(!role.replicates, 'replication', 'may replicate: that reads every row')
  expect(!role.createsDatabases, 'createdb', 'may make databases')
  expect(
    role.createsRoles === expected.createsRoles,
    'createrole',
    role.createsRoles ? 'may make roles' : 'may not make roles',
  )
  expect(role.canLogin === expected.canLogin, 'login', role.canLogin ? 'can log in' : 'cannot log in')
  // An owner of the database may make schemas by that; no other role of ours.
  expect(
    role.name === 'skeldir_owner' || role.name === 'skeldir_migrator' || !role.mayCreateSchemas,
    'create',
    'may make schemas',
  )
  expect(
    expected.createsRoles || role.name === 'skeldir_owner' || !role.mayMakeTemporary,
    'temporary',
    'may make temporary tables',
  )
  const held = role.memberships.map(describeMembership)
  const wanted =
    version >= 160_000 ? expected.memberships : expected.memberships.filter((text) => !text.endsWith('(admin)'))
  for (const text of held) expect(wanted.includes(text), 'membership', `is a member of ${text}`)
  for (const text of wanted) expect(held.includes(text), 'membership', `is not a member of ${text}`)
  for (const setting of role.settings) expect(!CONTEXT_SETTING.test(setting), 'role-setting', `starts with ${setting}`)
  return faults
}

/** A role of somebody else in the same cluster must not be able to become one of ours. */
function checkStranger(role: Role): Fault[] {
  const { faults, expect } = collectFaults(role.name)
  for (const membership of role.memberships)
    expect(ROLES[membership.of] === undefined, 'membership', `is a member of ${describeMembership(membership)}`)
  return faults
}

function describeMembership({ of, isAdmin, inherits, maySet }: Role['memberships'][number]): string {
  const options = [isAdmin && 'admin', inherits && 'inherit', maySet && 'set'].filter((option) => option !== false)
  return `${of} (${options.join(', ')})`
}
