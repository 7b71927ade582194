import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { problems } from '../../generated/problems.ts'

/** A path outside the contract. Each answers GET and HEAD, and OPTIONS with `Allow`. */
export interface StaticRoute {
  path: string
  /** Undefined is 404. */
  find(params: Record<string, string>): StaticFile | undefined
}

export interface StaticFile {
  contentType: string
  cacheControl: string
  etag: string
  headers: Record<string, string>
  body: Buffer
}

const REVALIDATE = 'public, no-cache'
/** Seconds; the bundle changes with a release only, and its ETag tells. */
const ONE_DAY = 'public, max-age=86400'

/** Nothing may run, load or frame these pages but what this server sends. */
const PAGE_CSP =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
/** Redoc writes its styles into the page, fetches the description, and searches in a worker made from a blob. */
const REDOC_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'unsafe-inline'",
  "connect-src 'self'",
  "img-src 'self' data:",
  'worker-src blob:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Redoc 2.5.4 shows its maker's logo from a CDN; everything here must work without the internet. */
const REDOC_LOGO = 'https://cdn.redoc.ly/redoc/logo-mini.svg'
const NO_IMAGE = 'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22/%3E'

/** Every path that this server answers and the contract does not list. Files are read once, here. */
export function createStaticRoutes(document: { info: { title: string; version: string } }): StaticRoute[] {
  const { title, version } = document.info
  const require = createRequire(import.meta.url)
  const redoc = readFileSync(require.resolve('redoc/bundles/redoc.standalone.js'), 'utf8').replaceAll(
    REDOC_LOGO,
    NO_IMAGE,
  )
  const pages = new Map(Object.entries(problems).map(([code, row]) => [code, renderProblemPage(code, row)]))
  return [
    fixed('/', page(renderLanding(title, version))),
    fixed('/docs', page(renderDocs(title), REDOC_CSP)),
    fixed('/docs/openapi.json', file('application/json', JSON.stringify(document), REVALIDATE)),
    fixed('/docs/redoc.standalone.js', file('text/javascript; charset=utf-8', redoc, ONE_DAY)),
    { path: '/docs/problems/{code}', find: ({ code }) => pages.get(code ?? '') },
    fixed('/.well-known/api-catalog', file(LINKSET, JSON.stringify(renderCatalog()), REVALIDATE, CATALOG_LINK)),
  ]
}

function fixed(path: string, found: StaticFile): StaticRoute {
  return { path, find: () => found }
}

function file(
  contentType: string,
  text: string,
  cacheControl: string,
  headers: Record<string, string> = {},
): StaticFile {
  const body = Buffer.from(text)
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`
  return { contentType, cacheControl, etag, headers, body }
}

function page(html: string, csp = PAGE_CSP): StaticFile {
  return file('text/html; charset=utf-8', html, REVALIDATE, {
    'Content-Security-Policy': csp,
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
  })
}

/** Source: RFC 9727 (api-catalog) and RFC 9264 (linkset). */
const LINKSET = 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'
const CATALOG_LINK = { Link: '</.well-known/api-catalog>; rel="api-catalog"' }

function renderCatalog(): object {
  return {
    linkset: [
      {
        anchor: '/',
        'service-desc': [{ href: '/docs/openapi.json', type: 'application/vnd.oai.openapi+json;version=3.1' }],
        'service-doc': [{ href: '/docs', type: 'text/html' }],
        status: [{ href: '/health/ready', type: 'application/json' }],
      },
    ],
  }
}

function renderDocs(title: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}: API reference</title>
<style>body { margin: 0 }</style></head>
<body><redoc spec-url="/docs/openapi.json" disable-google-font="true"></redoc>
<noscript>This page needs JavaScript. The description itself is at <a href="/docs/openapi.json">/docs/openapi.json</a>.</noscript>
<script src="/docs/redoc.standalone.js"></script></body>
</html>
`
}

function renderLanding(title: string, version: string): string {
  return layout(
    title,
    `<h1>${escapeHtml(title)} <small>${escapeHtml(version)}</small></h1>
<ul>
<li><a href="/docs">API reference</a></li>
<li><a href="/docs/openapi.json">OpenAPI description</a></li>
<li><a href="/.well-known/api-catalog">API catalog</a></li>
<li>Health: <a href="/health/live">live</a>, <a href="/health/ready">ready</a>, <a href="/health/worker">worker</a></li>
</ul>`,
  )
}

function renderProblemPage(code: string, row: { status: number; title: string; description?: string }): StaticFile {
  const description = row.description === undefined ? '' : `<p>${escapeHtml(row.description)}</p>\n`
  return page(
    layout(
      row.title,
      `<h1>${escapeHtml(row.title)}</h1>
<p>Problem type <code>/docs/problems/${escapeHtml(code)}</code>, code <code>${escapeHtml(code)}</code>, HTTP status ${row.status}.</p>
${description}<p>Errors are <a href="https://www.rfc-editor.org/rfc/rfc9457">RFC 9457</a> problem details. <a href="/docs">API reference</a></p>`,
    ),
  )
}

function layout(title: string, main: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title>
<style>body { font: 1rem/1.5 system-ui, sans-serif; max-width: 45rem; margin: 3rem auto; padding: 0 1rem }</style></head>
<body><main>
${main}
</main></body>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
