import { catalogFile } from './static/catalog.ts'
import { consoleFiles } from './static/console.ts'
import { annotate, type Description, type FindImplementation } from './static/description.ts'
import { file, REVALIDATE, route, type StaticFile, type StaticRoute } from './static/file.ts'
import { openPages } from './static/pages.ts'
import { redocBundle, redocPage, scalarBundle, scalarPage, scalarStart } from './static/reference.ts'
import { snippetFile } from './static/snippet.ts'

export type { StaticFile, StaticRoute } from './static/file.ts'

export interface StaticRouteOptions {
  /** What this server answers itself. Without it the description is served as it is, and no page has badges. */
  implementationOf?: FindImplementation
  /** Where trying out sends its requests first: an http URL without a path; null where there is no gateway. */
  mockGatewayUrl?: string | null
}

/** Every path that this server answers and the contract does not list. What a path needs is read when it is first asked for. */
export function createStaticRoutes(document: Description, options: StaticRouteOptions = {}): StaticRoute[] {
  const { implementationOf, mockGatewayUrl = null } = options
  const { title } = document.info
  const pages = openPages({ implementationOf, operationIds: listOperationIds(document), mockGatewayUrl })
  const one = (path: string, name: string): StaticRoute => ({ path, find: () => pages.find(name) })
  const byName = (path: string, folder: string): StaticRoute => ({
    path,
    // `index` is the folder's own page, which has one address and no second.
    find: ({ name = '' }) => (name === 'index' ? undefined : pages.find(`${folder}/${name}`)),
  })
  return [
    ...consoleFiles(),
    route('/collect.js', snippetFile),
    one('/docs', 'index'),
    one('/docs/bar.css', 'bar.css'),
    one('/docs/style.css', 'style.css'),
    one('/docs/icon.svg', 'icon.svg'),
    one('/docs/guides', 'guides/index'),
    byName('/docs/guides/{name}', 'guides'),
    one('/docs/operations', 'operations/index'),
    byName('/docs/operations/{name}', 'operations'),
    one('/docs/problems', 'problems/index'),
    byName('/docs/problems/{name}', 'problems'),
    one('/docs/problems.md', 'problems.md'),
    one('/docs/changelog', 'changelog'),
    one('/docs/deprecations', 'deprecations'),
    one('/llms.txt', 'llms.txt'),
    route('/docs/openapi.json', () => descriptionFile(document, implementationOf)),
    route('/docs/reference', () => scalarPage(title, mockGatewayUrl)),
    route('/docs/reference.js', () => scalarStart(mockGatewayUrl)),
    route('/docs/scalar.standalone.js', scalarBundle),
    route('/docs/redoc', () => redocPage(title)),
    route('/docs/redoc.standalone.js', redocBundle),
    route('/.well-known/api-catalog', catalogFile),
  ]
}

export function descriptionFile(document: Description, implementationOf: FindImplementation | undefined): StaticFile {
  const described = implementationOf === undefined ? document : annotate(document, implementationOf)
  return file('application/json', JSON.stringify(described), REVALIDATE)
}

export function listOperationIds({ paths = {} }: Description): string[] {
  return Object.values(paths).flatMap((item) =>
    Object.values(item).flatMap((value) => {
      const { operationId } = (value ?? {}) as { operationId?: unknown }
      return typeof operationId === 'string' ? [operationId] : []
    }),
  )
}
