import { RUNTIME_ROLES } from '../../../src/db/bootstrap.ts'
import type { Model } from '../model.ts'
import { collectFaults, type Exceptions, type Fault } from './fault.ts'

/** Who owns a schema may make objects in it; `pg_database_owner` is whoever owns the database: skeldir_owner. */
const OWNERS = ['skeldir_owner', 'pg_database_owner']

/** Faults of schemas (who may make objects in them) and of the privileges that new objects come with. */
export function checkSchemas(
  { schemas, defaultPrivileges }: Pick<Model, 'schemas' | 'defaultPrivileges'>,
  exceptions: Exceptions,
): Fault[] {
  const faults = schemas.flatMap(({ name, owner, access }) => {
    const { faults: found, expect } = collectFaults(`schema ${name}`)
    expect(OWNERS.includes(owner), 'schema-owner', `belongs to ${owner}`)
    expect(access.public === undefined, 'public', `PUBLIC has ${access.public?.join(', ')}`)
    for (const [role, privileges] of Object.entries(access))
      expect(
        !privileges.includes('CREATE') || exceptions.CREATORS[`${name} ${role}`] !== undefined,
        'schema-create',
        `${role} may make objects in it`,
      )
    return found
  })
  const unneeded = (object: string, detail: string) => faults.push({ rule: 'unneeded', object, detail })
  for (const key of Object.keys(exceptions.CREATORS)) {
    const [name = '', role = ''] = key.split(' ')
    const held = schemas.find((schema) => schema.name === name)?.access[role] ?? []
    if (!held.includes('CREATE')) unneeded(key, 'the reviewed list names a right to make objects that is not granted')
  }
  return [...faults, ...checkDefaults(defaultPrivileges, exceptions)]
}

/** Who makes functions in migrations. Unless told otherwise PostgreSQL lets PUBLIC call what they make. */
const MAKERS = ['skeldir_owner', 'skeldir_control']

/** `skeldir_owner * f skeldir_owner: EXECUTE`: what the maker has anyway. */
const isOwn = (line: string) => /^(\S+) \S+ \S+ \1:/.test(line)

function checkDefaults(defaults: Model['defaultPrivileges'], exceptions: Exceptions): Fault[] {
  const { faults, expect } = collectFaults('default privileges')
  const lines = defaults.map(
    ({ of, schema, objects, grantee, privileges }) =>
      `${of} ${schema || '*'} ${objects} ${grantee}: ${privileges.join(', ')}`,
  )
  for (const line of lines.filter((text) => !isOwn(text)))
    expect(exceptions.DEFAULT_PRIVILEGES[line] !== undefined, 'default-privilege', line)
  for (const maker of MAKERS)
    expect(
      defaults.some(({ of, schema, objects }) => of === maker && schema === '' && objects === 'f'),
      'default-privilege',
      `PUBLIC may call whatever functions ${maker} makes`,
    )
  for (const line of Object.keys(exceptions.DEFAULT_PRIVILEGES))
    expect(lines.includes(line), 'unneeded', `the reviewed list names ${line}, which is not granted`)
  return faults
}

/** Whether new functions of those who make them are closed to PUBLIC, and no runtime role owns anything. */
export function checkOwners({
  relations,
  routines,
  schemas,
}: Pick<Model, 'relations' | 'routines' | 'schemas'>): Fault[] {
  const runtime: readonly string[] = RUNTIME_ROLES
  const owned = [
    ...relations.map(({ name, owner }) => ({ object: name, owner })),
    ...routines.map(({ signature, owner }) => ({ object: signature, owner })),
    ...schemas.map(({ name, owner }) => ({ object: `schema ${name}`, owner })),
  ]
  return owned
    .filter(({ owner }) => runtime.includes(owner))
    .map(({ object, owner }) => ({ rule: 'owner', object, detail: `belongs to ${owner}` }))
}
