import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckContext } from '../context.ts'
import type { Fault } from '../finding.ts'
import type { Gate } from '../gate.ts'
import { checkGovernance, GOVERNANCE_RULES } from '../governance.ts'

export const governanceGate: Gate = {
  name: 'governance',
  description: 'coverage, field maps, invariants, owners and policies hold for the documents',
  profiles: ['skeldir'],
  needs: ['document', 'bundle'],
  inputs: (ctx) => [ctx.files.name(join(ctx.home, 'governance'))],
  skip: (ctx) => (existsSync(join(ctx.home, 'governance')) ? undefined : 'there is no governance data'),
  rules: Object.entries(GOVERNANCE_RULES).map(([name, description]) => ({
    id: `governance/${name}`,
    gate: 'governance',
    description,
    check: (ctx) => faults(ctx).filter(({ rule }) => rule === `governance/${name}`),
  })),
}

/** All rules read the same data, so they run together. */
function faults(ctx: CheckContext): Fault[] {
  return ctx.once('governance', () =>
    checkGovernance(ctx).map((fault) => {
      const isKnown = Object.hasOwn(GOVERNANCE_RULES, fault.rule?.replace('governance/', '') ?? '')
      return isKnown ? fault : { ...fault, rule: 'governance/data' }
    }),
  )
}
