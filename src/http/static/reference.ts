import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { escapeHtml, file, ONE_DAY, page, REVALIDATE, type StaticFile, scriptedCsp, TEXT_TYPES } from './file.ts'

const require = createRequire(import.meta.url)
const JAVASCRIPT = 'text/javascript; charset=utf-8'

/**
 * Scalar puts its styles into the page, fetches the description and sends what the reader tries. It compiles schemas
 * with `new Function` where it may; told that it may not (see `scalarBundle`), it does not even ask.
 */
function scalarCsp(mockGatewayUrl: string | null): string {
  const mocks = mockGatewayUrl === null ? '' : ` ${new URL(mockGatewayUrl).origin}`
  return scriptedCsp(["style-src 'self' 'unsafe-inline'", `connect-src 'self'${mocks}`, "img-src 'self' data:"])
}

/** Redoc writes its styles into the page, fetches the description, and searches in a worker made from a blob. */
const REDOC_CSP = scriptedCsp([
  "style-src 'self' 'unsafe-inline'",
  "connect-src 'self'",
  "img-src 'self' data:",
  'worker-src blob:',
])

/** `light`: the renderer has no dark colours. */
type Scheme = 'reference' | 'reference light'

/** A bar above the reference, so that one finds back; the rest of the page belongs to the renderer. */
function referencePage(scheme: Scheme, title: string, body: string, scripts: readonly string[]): string {
  return `<!doctype html>
<html lang="en" class="${scheme}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}: API reference</title>
<link rel="icon" href="/docs/icon.svg"><link rel="stylesheet" href="/docs/bar.css"></head>
<body>
<header class="bar"><a class="brand" href="/docs">${escapeHtml(title)}</a> <span class="links"><a href="/docs/guides">Guides</a> <a href="/docs/operations">Operations</a> <a href="/docs/problems">Problems</a></span></header>
${body}
<noscript><p class="noscript">The interactive reference needs JavaScript. <a href="/docs/operations">Every operation also has a page of its own</a>, and the description is at <a href="/docs/openapi.json">/docs/openapi.json</a>.</p></noscript>
${scripts.map((src) => `<script src="${src}"></script>`).join('\n')}
</body>
</html>
`
}

export function scalarPage(title: string, mockGatewayUrl: string | null): StaticFile {
  const scripts = ['/docs/scalar.standalone.js', '/docs/reference.js']
  return page(referencePage('reference', title, '<div id="reference"></div>', scripts), scalarCsp(mockGatewayUrl))
}

/** Everything of Scalar that would lead to its makers, or to a service of theirs, is off. */
const SCALAR_SETTINGS = {
  url: '/docs/openapi.json',
  agent: { disabled: true },
  mcp: { disabled: true },
  telemetry: false,
  proxyUrl: '',
  externalUrls: { dashboardUrl: '', registryUrl: '', proxyUrl: '', apiBaseUrl: '' },
  hideClientButton: true,
  showDeveloperTools: 'never',
  withDefaultFonts: false,
  documentDownloadType: 'json',
  favicon: '/docs/icon.svg',
  showOperationId: true,
  persistAuth: false,
  defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
  customCss: `
    :root { --scalar-custom-header-height: 3rem }
    .light-mode { --scalar-color-accent: #0b5cad; --scalar-sidebar-color-active: #0b5cad }
    .dark-mode { --scalar-color-accent: #7cb8ff; --scalar-sidebar-color-active: #7cb8ff }
    a[href^="https://www.scalar.com"], a[href^="https://scalar.com"] { display: none !important }
  `,
} as const

/** The mocks take any credential of the right form, so that the first try gets an answer; a real server needs a real one. */
const MOCK_CREDENTIALS = {
  preferredSecurityScheme: 'bearerAuth',
  securitySchemes: {
    bearerAuth: { token: 'any-token-suits-the-mocks' },
    tenantKey: { value: 'any-key-suits-the-mocks' },
  },
}

/** Starts Scalar. The mocks come first, so that trying costs nothing; a gateway that serves the page itself is not listed twice. */
export function scalarStart(mockGatewayUrl: string | null): StaticFile {
  const mocks = mockGatewayUrl === null ? [] : [{ url: mockGatewayUrl, description: 'The mocks (npm run mocks)' }]
  const settings = { ...SCALAR_SETTINGS, ...(mocks.length > 0 && { authentication: MOCK_CREDENTIALS }) }
  const script = `const settings = ${JSON.stringify(settings)}
const mocks = ${JSON.stringify(mocks)}.filter(({ url }) => url !== location.origin)
settings.servers = [...mocks, { url: location.origin, description: 'This server' }]
window.Scalar.createApiReference('#reference', settings)
`
  return file(JAVASCRIPT, script, REVALIDATE)
}

/** Read by zod, which Scalar contains: it then does not try whether `new Function` is allowed, and breaks no policy. */
const NO_EVAL = 'globalThis.__zod_globalConfig = { jitless: true };\n'

type Plugin = (server: object, options: object, done: () => void) => void
interface Route {
  url: string
  handler(request: object, reply: object): void
}

/**
 * Scalar's bundle for browsers. Its own package holds no built file; the plugin for Fastify carries one and gives it out
 * through a route, so the plugin is given a server that only remembers routes. Takes 0.3 s, which is spent when the page
 * is asked for the first time.
 */
export function scalarBundle(): StaticFile {
  const { default: plugin } = require('@scalar/fastify-api-reference') as { default: Plugin }
  const routes: Route[] = []
  const server = { log: { warn: () => {} }, hasPlugin: () => false, route: (route: Route) => routes.push(route) }
  plugin(server, { configuration: { url: '/' } }, () => {})
  let bundle: unknown
  const reply = {
    header: () => reply,
    send: (content: unknown) => {
      bundle = content
    },
  }
  routes.find(({ url }) => url.endsWith('.js'))?.handler({}, reply)
  if (typeof bundle !== 'string') throw new TypeError('@scalar/fastify-api-reference gives out no bundle')
  return file(JAVASCRIPT, NO_EVAL + bundle.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n'), ONE_DAY)
}

/** Redoc 2.5.4 shows its maker's logo from a CDN; everything here must work without the internet. */
const REDOC_LOGO = 'https://cdn.redoc.ly/redoc/logo-mini.svg'
const NO_IMAGE = 'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22/%3E'

export function redocBundle(): StaticFile {
  const bundle = readFileSync(require.resolve('redoc/bundles/redoc.standalone.js'), 'utf8')
  return file(TEXT_TYPES.js as string, bundle.replaceAll(REDOC_LOGO, NO_IMAGE), ONE_DAY)
}

export function redocPage(title: string): StaticFile {
  const body = '<redoc spec-url="/docs/openapi.json" disable-google-font="true" scroll-y-offset=".bar"></redoc>'
  return page(referencePage('reference light', title, body, ['/docs/redoc.standalone.js']), REDOC_CSP)
}
