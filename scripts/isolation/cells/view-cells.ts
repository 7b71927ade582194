import { accessOf, type Relation, TENANT_COLUMN } from '../model.ts'
import { ROLES } from './actor.ts'
import { type Cell, CONTEXTS, type Context } from './cell.ts'
import { select } from './statements.ts'

export interface Settings {
  ownTenant: string
  otherTenant: string
  garbage: string
}

export function settingOf(context: Context, { ownTenant, garbage }: Settings): string | null {
  return { none: null, empty: '', garbage, own: ownTenant, other: ownTenant }[context]
}

/** A view as each role meets it: with a grant it must show nothing of another tenant, without one nothing at all. */
export function viewCells(view: Relation, settings: Settings): Cell[] {
  const roles = ROLES.filter(
    (role) => role !== 'skeldir_owner' && role !== 'skeldir_migrator' && role !== 'skeldir_control',
  )
  const canFilter = view.columns.some(({ name }) => name === TENANT_COLUMN)
  return CONTEXTS.flatMap((context) =>
    roles.flatMap((role) => {
      const granted = accessOf(view, role).select
      const columns = granted.length > 0 ? granted : view.columns.map(({ name }) => name)
      const tenant = context === 'other' && canFilter ? settings.otherTenant : null
      const isHidden = canFilter && context !== 'own' && context !== 'garbage'
      const base = {
        relation: view.name,
        role,
        context,
        setting: settingOf(context, settings),
        seesAll: false,
        isGranted: granted.length > 0,
      }
      const expect = granted.length === 0 ? { refused: ['42501'] } : isHidden ? { seen: 0 } : {}
      return [
        { ...base, operation: 'SELECT', sql: select(view, columns, tenant), expect },
        { ...base, operation: 'COPY TO', sql: `copy (${select(view, columns, tenant)}) to stdout`, expect },
      ]
    }),
  )
}
