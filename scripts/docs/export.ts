import { posix } from 'node:path'
import { loadContract } from '../../src/http/bind.ts'
import { renderCatalog } from '../../src/http/static/catalog.ts'
import { annotate, type Description, type FindImplementation } from '../../src/http/static/description.ts'
import { escapeHtml } from '../../src/http/static/file.ts'
import { openPages } from '../../src/http/static/pages.ts'
import { redocBundle, redocPage } from '../../src/http/static/reference.ts'
import { listOperationIds } from '../../src/http/static-routes.ts'

export interface ExportOptions {
  implementationOf: FindImplementation
  /** Where the API answers, for the reference and its samples; an http URL without a trailing slash. */
  apiUrl: string
  /** Where the folder will stand, for programs that want absolute addresses; null leaves them relative. */
  baseUrl: string | null
}

/** What the API serves at these paths stands elsewhere, or nowhere, in the folder. */
const FILES: Readonly<Record<string, string>> = {
  '/docs': 'index.html',
  '/docs/reference': 'reference.html',
  '/docs/redoc': 'reference.html',
  '/llms.txt': 'llms.txt',
  '/.well-known/api-catalog': '.well-known/api-catalog',
}
/** Only a running API has these: their links are left out. */
const LIVE = ['/', '/health/ready']

/** The portal as files that any web server can serve from any folder: every link is relative. By path below the folder. */
export function exportPortal(options: ExportOptions): Map<string, Buffer> {
  const document = annotate(loadContract().document, options.implementationOf)
  const files = new Map<string, Buffer>()
  const add = (name: string, content: string | Buffer) =>
    files.set(name, typeof content === 'string' ? Buffer.from(content) : content)
  const anchors = redocAnchors(document)
  const pages = openPages({
    implementationOf: options.implementationOf,
    operationIds: listOperationIds(document),
    mockGatewayUrl: null,
  })
  for (const name of pages.names) {
    const found = pages.find(name)
    if (found === undefined) throw new TypeError(`generated/docs has no ${name}`)
    const target = fileOf(name === 'llms.txt' ? '/llms.txt' : `/docs/${name}`.replace(/\/index$/, ''))
    const content = found.body.toString()
    if (target.endsWith('.html')) add(target, localPage(content, target, found.headers, anchors))
    else if (/\.(?:md|txt)$/.test(target)) add(target, localText(content, target, options.baseUrl, anchors))
    else add(target, found.body)
  }
  const reference = redocPage(document.info.title)
  add('reference.html', localPage(reference.body.toString(), 'reference.html', reference.headers, anchors))
  add('redoc.standalone.js', redocBundle().body)
  add('openapi.json', JSON.stringify({ ...document, servers: [{ url: options.apiUrl, description: 'The API.' }] }))
  add('.well-known/api-catalog', JSON.stringify(localCatalog(options), null, 2))
  return files
}

/** `/docs/guides/errors` is `guides/errors.html`, `/docs/guides` is `guides/index.html`. */
function fileOf(path: string): string {
  const known = FILES[path]
  if (known !== undefined) return known
  const name = path.replace(/^\/docs\//, '')
  if (/^(?:guides|operations|problems)$/.test(name)) return `${name}/index.html`
  return /\.\w+$/.test(name) ? name : `${name}.html`
}

type Anchors = ReadonlyMap<string, string>

/** Scalar's address of each operation, and Redoc's. */
function redocAnchors(document: Description): Anchors {
  const entries = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, value]) => {
      const { operationId, tags } = (value ?? {}) as { operationId?: string; tags?: string[] }
      const tag = tags?.[0]
      if (operationId === undefined || tag === undefined) return []
      return [[`#tag/${tag}/${method.toUpperCase()}${path}`, `#tag/${tag}/operation/${operationId}`] as const]
    }),
  )
  return new Map(entries)
}

const REFERENCE = /(href|src|spec-url)="(\/[^"]*)"/g

function localPage(html: string, file: string, headers: Readonly<Record<string, string>>, anchors: Anchors): string {
  const withoutLive = LIVE.reduce(
    (text, path) => text.replaceAll(new RegExp(`(?:<li>)?<a href="${path}">[^<]*</a>(?:</li>\n?)?`, 'g'), ''),
    html,
  )
  const local = withoutLive.replaceAll(
    REFERENCE,
    (_match, name: string, path: string) => `${name}="${escapeHtml(relativeTo(file, path, anchors))}"`,
  )
  // A header would be better, but the server is not ours; a page cannot forbid by itself to be framed.
  const policy = (headers['Content-Security-Policy'] ?? '').replace(/; frame-ancestors 'none'/, '')
  return local.replace('<head>', `<head><meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">`)
}

function relativeTo(file: string, path: string, anchors: Anchors): string {
  const at = path.indexOf('#')
  const target = fileOf(at === -1 ? path : path.slice(0, at))
  // Markdown percent-encodes the braces of a path.
  const anchor = at === -1 ? '' : decodeURI(path.slice(at).replaceAll('&amp;', '&'))
  return posix.relative(posix.dirname(file), target) + (anchors.get(anchor) ?? anchor)
}

/** Markdown, whose readers have no page to resolve a link against: absolute where the address is known. */
function localText(text: string, file: string, baseUrl: string | null, anchors: Anchors): string {
  return text.replaceAll(/\]\((\/[^)\s]*)\)/g, (_match, path: string) => {
    const target = relativeTo(file, path, anchors)
    return `](${baseUrl === null ? target : `${baseUrl}/${posix.join(posix.dirname(file), target)}`})`
  })
}

function localCatalog({ apiUrl, baseUrl }: ExportOptions): unknown {
  const from = '.well-known/api-catalog'
  const local = (path: string): string => {
    if (path === '/' || path.startsWith('/health/')) return apiUrl + (path === '/' ? '' : path)
    return baseUrl === null ? relativeTo(from, path, new Map()) : `${baseUrl}/${fileOf(path)}`
  }
  return JSON.parse(JSON.stringify(renderCatalog()), (key, value: unknown) =>
    (key === 'href' || key === 'anchor') && typeof value === 'string' ? local(value) : value,
  )
}
