import { RUNTIME_ROLES } from '../../../src/db/bootstrap.ts'
import type { Model, Routine } from '../model.ts'
import { collectFaults, type Exceptions, type Fault, sameSet } from './fault.ts'

/** Who may own a function that runs as its owner: it cannot log in, and reads the reviewed look-ups only. */
const DEFINER_OWNER = 'skeldir_control'
const EMPTY_PATH = 'search_path=""'
/** The library's functions; they run as whoever calls them. */
const QUEUE_SCHEMA = 'pgboss'

/** Faults of functions and procedures: who may call them, as whom they run, and where they look names up. */
export function checkRoutines({ routines }: Pick<Model, 'routines'>, exceptions: Exceptions): Fault[] {
  const faults = routines.flatMap((routine) => checkRoutine(routine, exceptions))
  for (const signature of Object.keys(exceptions.DEFINERS)) {
    const routine = routines.find((known) => known.signature === signature)
    if (routine?.isDefiner !== true)
      faults.push({
        rule: 'unneeded',
        object: signature,
        detail: 'the reviewed list names a function that does not run as its owner',
      })
  }
  for (const signature of Object.keys(exceptions.SWITCHERS))
    if (!routines.some((known) => known.signature === signature))
      faults.push({
        rule: 'unneeded',
        object: signature,
        detail: 'the reviewed list names a function that does not exist',
      })
  const bodies = routines.filter(({ isDefiner }) => isDefiner).map(({ body }) => body)
  for (const table of Object.keys(exceptions.LOOKUPS))
    if (!bodies.some((body) => mentions(body, table)))
      faults.push({ rule: 'unneeded', object: table, detail: 'no function that runs as skeldir_control reads it' })
  return faults
}

function mentions(body: string, table: string): boolean {
  return new RegExp(`\\b${table.replaceAll('.', '\\.')}\\b`).test(body)
}

function checkRoutine(routine: Routine, exceptions: Exceptions): Fault[] {
  const { faults, expect } = collectFaults(routine.signature)
  const { isDefiner, owner, config, executors, schema } = routine
  expect(!executors.includes('public'), 'public', 'PUBLIC may call it')
  if (schema !== QUEUE_SCHEMA || isDefiner) {
    const path = config.filter((setting) => setting.startsWith('search_path='))
    expect(
      path.join() === EMPTY_PATH,
      'search-path',
      `looks names up in ${path.join() || 'the search path of its caller'}`,
    )
  }
  // A function may carry settings of its own; none of ours is the context.
  const context = config.filter((setting) => /^(app\.|role=|row_security=|session_authorization=)/.test(setting))
  expect(context.length === 0, 'function-setting', `sets ${context.join(', ')}`)
  const switches = /set_config\(\s*'app\.current_tenant_id'|\bset (local )?app\.current_tenant_id\b/i.test(routine.body)
  const isReviewed = exceptions.SWITCHERS[routine.signature] !== undefined
  expect(!switches || isReviewed, 'switches-tenant', 'sets the context itself and is not on the reviewed list')
  expect(switches || !isReviewed, 'unneeded', 'the reviewed list says that it sets the context, which it does not')
  if (!isDefiner) return faults

  expect(owner === DEFINER_OWNER, 'definer-owner', `runs as ${owner}, not as ${DEFINER_OWNER}`)
  const reviewed = exceptions.DEFINERS[routine.signature]
  expect(reviewed !== undefined, 'definer', 'runs as its owner and is not on the reviewed list')
  expect(!routine.isTrigger, 'definer-trigger', 'is a trigger that runs as its owner')
  const runtime = executors.filter((role) => (RUNTIME_ROLES as readonly string[]).includes(role))
  if (reviewed !== undefined)
    expect(
      sameSet(runtime, reviewed.roles) && executors.length === runtime.length,
      'definer-roles',
      `may be called by ${executors.join(', ') || 'nobody'}; reviewed are ${reviewed.roles.join(', ')}`,
    )
  return faults
}
