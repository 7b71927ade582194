import type { Model } from '../model.ts'
import { type Exceptions, type Fault, REVIEWED } from './fault.ts'
import { checkRelation, checkUnneededRelations } from './relations.ts'
import { checkRoles } from './roles.ts'
import { checkRoutines } from './routines.ts'
import { checkOwners, checkSchemas } from './schemas.ts'

/** Everything in the catalogue that the rules of isolation do not allow. Empty: nothing to object to. */
export function checkStructure(model: Model, exceptions: Exceptions = REVIEWED): Fault[] {
  return [
    ...model.relations.flatMap((relation) => checkRelation(relation, model, exceptions)),
    ...checkUnneededRelations(model, exceptions),
    ...checkRoutines(model, exceptions),
    ...checkRoles(model),
    ...checkSchemas(model, exceptions),
    ...checkOwners(model),
  ]
}
