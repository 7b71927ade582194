import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Contract } from '../contract.ts'
import { emitFixtures } from './fixtures-file.ts'
import { emitClientInterface } from './interface-file.ts'
import { emitManifest } from './manifest.ts'
import { emitClientOperations } from './operations-file.ts'
import { emitWebhookTopics } from './topics-file.ts'
import { emitRuntime } from './transpile.ts'

/** Below the root of the repository. */
export const CLIENT_FOLDER = 'generated/client'

/** The package `@skeldir/client`, by path below the root. `types` is what generated/api.ts says. */
export function emitClient(contract: Contract, types: string, codes: ReadonlyMap<string, number>): Map<string, string> {
  const operations = emitClientOperations(contract)
  const fixtures = emitFixtures(contract)
  const topics = emitWebhookTopics(contract)
  const read = (path: string) => readFileSync(join(import.meta.dirname, path), 'utf8')
  const files: [string, string][] = [
    ...emitRuntime(),
    ['api.d.ts', types],
    ['client.d.ts', emitClientInterface(contract, codes)],
    ['operations.js', operations.js],
    ['operations.d.ts', operations.dts],
    ['fixture-data.js', fixtures.js],
    ['fixture-data.d.ts', fixtures.dts],
    ['webhook-topics.js', topics.js],
    ['webhook-topics.d.ts', topics.dts],
    ['package.json', emitManifest(contract)],
    ['README.md', read('README.md')],
    ['LICENSE', read('../../../LICENSE')],
  ]
  return new Map(files.map(([name, content]) => [`${CLIENT_FOLDER}/${name}`, content]))
}
