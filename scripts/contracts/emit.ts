import { resolve } from 'node:path'
import type { OpenApiDocument } from '../generate/contract.ts'
import { GenerateError } from '../generate/findings.ts'
import { emitTypes } from '../generate/types.ts'
import { createContext } from './context.ts'
import { cyclicReferences } from './cycles.ts'
import { type Fault, type Position, SyntaxFault } from './finding.ts'
import { emitForeignValidators } from './foreign.ts'
import { placeInSource } from './locate.ts'

/**
 * Types and validators of other people's documents, two files per document: `<name>.ts` and `<name>.validators.js`.
 * Throws GenerateError with what stands in the way, ToolError where there is nothing to read.
 */
export async function emitForeign(contracts: string): Promise<Map<string, string>> {
  const root = process.cwd()
  const ctx = createContext({ root, folder: resolve(contracts), profile: 'none', isOwn: false, today: '' })
  const files = new Map<string, string>()
  try {
    const faults = [...ctx.source().refFaults]
    if (faults.length === 0) faults.push(...cyclicReferences(ctx))
    refuse(faults.map((fault) => say(positionOf(fault), fault.message)))
    const failures: string[] = []
    for (const { name, written, bundle } of await ctx.foreign()) {
      const base = name.replace(/\.(?:ya?ml|json)$/, '').replaceAll('/', '-')
      const validators = emitForeignValidators(bundle)
      for (const { wanted, message } of validators.failures) {
        const at = ctx.files.position(placeInSource(ctx, wanted.pointer))
        failures.push(say(at, `${wanted.operation} ${wanted.label} does not compile: ${message}`))
      }
      files.set(`${base}.ts`, await emitTypes(written as unknown as OpenApiDocument))
      files.set(`${base}.validators.js`, validators.js)
    }
    refuse(failures)
  } catch (error) {
    if (error instanceof SyntaxFault) refuse([say(error.position, error.message)])
    throw error
  }
  return files

  function positionOf({ at }: Fault): Position {
    return 'pointer' in at ? ctx.files.position(at) : at
  }
}

function say({ file, line, column }: Position, message: string): string {
  return `${file}:${line}:${column} ${message}`
}

function refuse(findings: string[]): void {
  if (findings.length > 0) throw new GenerateError(findings)
}
