import { emitValidators } from '../../generate/validators.ts'
import type { CheckContext } from '../context.ts'
import type { Fault } from '../finding.ts'
import { emitForeignValidators } from '../foreign.ts'
import type { Gate } from '../gate.ts'
import { placeInSource } from '../locate.ts'
import { generateFaults } from './bundle.ts'

export const validatorsGate: Gate = {
  name: 'validators',
  description: 'every schema compiles to a validator, ours in strict mode',
  profiles: ['skeldir', 'none'],
  needs: ['document', 'bundle', 'lint'],
  rules: [
    {
      id: 'validators/compile',
      gate: 'validators',
      description:
        'Every request, parameter, reply and header schema compiles with Ajv for JSON Schema 2020-12, strictly: a keyword or format that it does not know is a fault.',
      check: (ctx) => (ctx.profile === 'none' ? foreignFaults(ctx) : generateFaults(() => madeValidators(ctx))),
    },
  ],
}

/** Throws GenerateError. */
export function madeValidators(ctx: CheckContext): Promise<{ js: string; dts: string }> {
  return ctx.once('validators', async () => emitValidators(await ctx.contract()))
}

async function foreignFaults(ctx: CheckContext): Promise<Fault[]> {
  const compilers = await ctx.compilers()
  return compilers.flatMap((compiler) => {
    const { failures } = emitForeignValidators(compiler.bundle, compiler)
    return failures.map(({ wanted, message }) => ({
      message: `${wanted.operation} ${wanted.label} does not compile: ${message}`,
      at: placeInSource(ctx, wanted.pointer),
    }))
  })
}
