import { join } from 'node:path'
import { transforms } from '../../src/webhooks/normalize/transform.ts'
import type { CheckContext } from './context.ts'
import { type Fault, SyntaxFault, ToolError } from './finding.ts'
import { checkCoverage } from './governance/coverage.ts'
import { fault, type Governance, readGovernance } from './governance/documents.ts'
import { checkInvariants } from './governance/invariants.ts'
import { checkMaps } from './governance/maps.ts'
import { checkOwners } from './governance/owners.ts'
import { checkPolicies } from './governance/policies.ts'
import { checkStates } from './governance/states.ts'
import { placeOf } from './source.ts'

/** The rules by the ids that findings have, as `governance/<name>`. */
export const GOVERNANCE_RULES: Readonly<Record<string, string>> = {
  data: 'Every file of governance/ fits its JSON Schema.',
  map: 'Every event schema of a vendor is mapped or ignored, once, under its own name.',
  signature: 'A field map names the security scheme of its vendor, and no operation of it is open.',
  path: "Every path of a field map exists in the vendor's schema, every header in its operations.",
  event: 'A field map gives known canonical events, each once.',
  field: 'Every required field of a canonical event is mapped, and no unknown one.',
  optional: 'What a canonical event needs and the vendor may leave out is said to be a dead event.',
  type: "Transforms are known, fit the vendor's type at one end and the canonical type at the other.",
  transform: 'transforms.yaml lists exactly the transforms that the program has.',
  coverage: 'Every vendor says of every canonical event where it comes from or why it does not, as its map does.',
  operation: 'x-canonical-event says what the field map gives for the body of the operation.',
  invariant: 'A schema that is tagged with an invariant demands what it says.',
  'invariant-tag': 'A schema of a governed form carries the tag, unless the registry says why not.',
  'invariant-unused': 'Every entry of the registry is used.',
  owner: 'Every domain has one owner and its documents; operations name that owner.',
  state: 'The money states are told apart, reachable and left again unless they are final.',
  policy: 'A policy has the same value wherever it stands.',
}

/** What the data in api-contracts/governance claims, held against the documents. */
export function checkGovernance(ctx: CheckContext): Fault[] {
  try {
    const { governance, faults } = readGovernance(ctx)
    return governance === null ? faults : checkAll(ctx, governance)
  } catch (error) {
    if (error instanceof SyntaxFault) return [{ rule: 'governance/data', at: error.position, message: error.message }]
    if (!(error instanceof ToolError)) throw error
    const at = { file: ctx.files.name(join(ctx.home, 'governance')), line: 1, column: 1 }
    return [{ rule: 'governance/data', at, message: error.message }]
  }
}

function checkAll(ctx: CheckContext, governance: Governance): Fault[] {
  const listed = Object.keys(governance.transforms.data.transforms)
  const built = Object.keys(transforms)
  const faultsOfTransforms = [
    ...listed.filter((name) => !built.includes(name)).map((name) => ({ name, message: `no program does ${name}` })),
    ...built.filter((name) => !listed.includes(name)).map((name) => ({ name, message: `${name} is not listed` })),
  ].map(({ name, message }) => fault('transform', placeOf(governance.transforms, 'transforms', name), message))
  return [
    ...faultsOfTransforms,
    ...checkMaps(ctx, governance),
    ...checkCoverage(ctx, governance),
    ...checkInvariants(ctx, governance),
    ...checkOwners(ctx, governance),
    ...checkStates(governance),
    ...checkPolicies(ctx, governance),
  ]
}
