import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { CheckContext } from '../context.ts'
import type { Fault } from '../finding.ts'
import type { Gate } from '../gate.ts'

/** Beside this folder: what the data in api-contracts/governance/ must satisfy. */
const MODULE = new URL('../governance.ts', import.meta.url)

export const governanceGate: Gate = {
  name: 'governance',
  description: 'coverage, field maps, invariants, owners and policies hold for the documents',
  profiles: ['skeldir'],
  needs: ['document', 'bundle'],
  inputs: (ctx) => [ctx.files.name(join(ctx.home, 'governance'))],
  skip: (ctx) =>
    existsSync(MODULE) && existsSync(join(ctx.home, 'governance')) ? undefined : 'there is no governance data',
  rules: [
    {
      id: 'governance/data',
      gate: 'governance',
      description:
        'Every vendor and canonical event is covered or waived, every mapped path exists in its vendor schema, and every tagged field has the form of its invariant.',
      check: async (ctx) => {
        const { checkGovernance } = (await import(pathToFileURL(MODULE.pathname).href)) as {
          checkGovernance: (ctx: CheckContext) => Iterable<Fault> | Promise<Iterable<Fault>>
        }
        return checkGovernance(ctx)
      },
    },
  ],
}
