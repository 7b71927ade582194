// Writes what the mocks need of what is generated from the contract of one repository, into a folder.
//   node mocks/build-child.ts <repository> <folder>
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeAtomically } from '../scripts/generate/cache.ts'
import { requireClosedBodies } from '../scripts/generate/closed.ts'
import { readContract } from '../scripts/generate/contract.ts'
import { GenerateError } from '../scripts/generate/findings.ts'
import { emitOperations } from '../scripts/generate/operations.ts'
import { emitProblems } from '../scripts/generate/problems.ts'
import { emitValidators } from '../scripts/generate/validators.ts'

/** No types and no client: nobody compiles against what is served here. Throws GenerateError. */
async function build(root: string): Promise<Map<string, string>> {
  const contract = await readContract(root)
  requireClosedBodies(contract)
  return new Map([
    ['operations.ts', emitOperations(contract)],
    ['problems.ts', await emitProblems(root, contract)],
    ['validators.js', emitValidators(contract).js],
    ['openapi.json', JSON.stringify(contract.platform)],
    ...contract.documents.map(({ domain, bundle }): [string, string] => [
      `bundles/${domain}.json`,
      // As `npm run generate` writes it, so that a document that has not changed is known by its text.
      `${JSON.stringify(bundle, null, 2)}\n`,
    ]),
  ])
}

const [root = '.', output = ''] = process.argv.slice(2)
try {
  const files = await build(root)
  // A document that is gone would stay.
  rmSync(output, { recursive: true, force: true })
  for (const [path, content] of files) writeAtomically(join(output, path), content)
} catch (error) {
  const reasons =
    error instanceof GenerateError ? error.findings : [error instanceof Error ? error.message : String(error)]
  process.stderr.write(`${reasons.join('\n')}\n`)
  process.exitCode = 1
}
