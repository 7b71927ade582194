import { readFileSync } from 'node:fs'
import { file, ONE_DAY, type StaticFile } from './file.ts'

/** What `npm run generate` has bundled from `src/events/snippet`. */
const SCRIPT = new URL('../../../generated/snippet/collect.js', import.meta.url)

/** `/collect.js`, for pages of any shop; also those that isolate themselves (Cross-Origin-Embedder-Policy). */
export function snippetFile(): StaticFile {
  return file('text/javascript; charset=utf-8', readFileSync(SCRIPT), ONE_DAY, {
    'Cross-Origin-Resource-Policy': 'cross-origin',
  })
}
