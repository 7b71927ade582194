import { readFileSync } from 'node:fs'
import { file, page, REVALIDATE, route, type StaticFile, type StaticRoute, scriptedCsp, TEXT_TYPES } from './file.ts'

/** What `npm run generate` has bundled from `src/console`. */
const FOLDER = new URL('../../../generated/console/', import.meta.url)

/**
 * Scripts, styles and pictures come from this server only, none of them inline. Requests may also go to another server,
 * because `?api=` names one: the gateway of the mocks on this machine, or an API over https. Which one is not known when
 * the page is served, so the policy allows the two kinds, and the page itself asks its reader before it sends anything
 * to a server that is neither its own nor on this machine.
 */
const CONSOLE_CSP = scriptedCsp([
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
  // No text ever becomes markup or script.
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
])

/** The page at `/`, and what it loads. */
export function consoleFiles(): StaticRoute[] {
  return [
    route('/', () => page(read('index.html'), CONSOLE_CSP)),
    route('/console/app.js', () => asset('app.js')),
    route('/console/app.css', () => asset('app.css')),
    route('/console/icon.svg', () => asset('icon.svg')),
  ]
}

/** The names never change, so a browser must ask whether the files did; mostly that is a 304. */
function asset(name: 'app.js' | 'app.css' | 'icon.svg'): StaticFile {
  return file(TEXT_TYPES[name.slice(name.lastIndexOf('.') + 1)] as string, read(name), REVALIDATE)
}

function read(name: string): string {
  return readFileSync(new URL(name, FOLDER), 'utf8')
}
