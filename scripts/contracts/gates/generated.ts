import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readText } from '../../generate/cache.ts'
import { emitContract } from '../../generate.ts'
import type { CheckContext } from '../context.ts'
import type { Fault } from '../finding.ts'
import type { Gate } from '../gate.ts'
import { madeTypes } from './types.ts'
import { madeValidators } from './validators.ts'

export const generatedGate: Gate = {
  name: 'generated',
  description: 'generated/ is what the contract gives now',
  profiles: ['skeldir'],
  needs: ['document', 'bundle', 'lint', 'examples', 'error-model', 'types', 'validators', 'breaking'],
  inputs: () => ['generated'],
  skip: (ctx) => (ctx.isOwn ? undefined : 'the documents are not those of this repository'),
  rules: [
    {
      id: 'generated/fresh',
      gate: 'generated',
      description: 'Every file of `generated/` that comes from the contract is what `npm run generate` would write.',
      check: staleFiles,
    },
  ],
}

async function staleFiles(ctx: CheckContext): Promise<Fault[]> {
  const contract = await ctx.contract()
  const files = await emitContract(ctx.root, contract, {
    types: await madeTypes(ctx),
    validators: await madeValidators(ctx),
  })
  const faults = [...files].flatMap(([path, content]): Fault[] => {
    const committed = readText(join(ctx.root, path))
    if (committed === content) return []
    const message =
      committed === null ? 'the file is missing; run `npm run generate`' : 'the file is stale; run `npm run generate`'
    return [{ message, at: { file: path, line: firstDifference(committed ?? '', content), column: 1 } }]
  })
  return [...faults, ...leftOver(ctx, files)]
}

function firstDifference(a: string, b: string): number {
  const right = b.split('\n')
  const line = a.split('\n').findIndex((text, index) => text !== right[index])
  return line === -1 ? 1 : line + 1
}

/** Folders in which every file is generated. */
const FOLDERS = ['generated/bundles', 'generated/client']

function leftOver(ctx: CheckContext, files: ReadonlyMap<string, string>): Fault[] {
  return FOLDERS.flatMap((folder) => listFiles(join(ctx.root, folder)).map((name) => `${folder}/${name}`))
    .filter((path) => !files.has(path))
    .map((file) => ({
      message: 'the contract does not give this file any more; run `npm run generate`',
      at: { file, line: 1, column: 1 },
    }))
}

function listFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
