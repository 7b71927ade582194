import { file, REVALIDATE, type StaticFile } from './file.ts'

/** Source: RFC 9727 (api-catalog) and RFC 9264 (linkset). */
const LINKSET = 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'
const CATALOG_LINK = { Link: '</.well-known/api-catalog>; rel="api-catalog"' }

/**
 * What is to be known of the API, for programs. `service-*` and `status` are the relations of RFC 8631, `version-history`
 * of RFC 5829, `deprecation` of RFC 9745.
 */
export function renderCatalog(): object {
  return {
    linkset: [
      {
        anchor: '/',
        'service-desc': [{ href: '/docs/openapi.json', type: 'application/vnd.oai.openapi+json;version=3.1' }],
        'service-doc': [
          { href: '/docs', type: 'text/html', title: 'Documentation' },
          { href: '/docs/reference', type: 'text/html', title: 'Reference' },
          { href: '/docs/problems', type: 'text/html', title: 'Problem types' },
          { href: '/llms.txt', type: 'text/plain', title: 'Index for language models' },
        ],
        status: [{ href: '/health/ready', type: 'application/json' }],
        'version-history': [{ href: '/docs/changelog', type: 'text/html' }],
        deprecation: [{ href: '/docs/deprecations', type: 'text/html' }],
      },
      { anchor: '/.well-known/api-catalog', item: [{ href: '/' }] },
    ],
  }
}

export function catalogFile(): StaticFile {
  return file(LINKSET, JSON.stringify(renderCatalog()), REVALIDATE, CATALOG_LINK)
}
