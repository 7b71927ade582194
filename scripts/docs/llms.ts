import { groupGuides, leadOf } from './guides.ts'
import type { DocsModel } from './model.ts'

/**
 * `/llms.txt`: a title, a summary, and lists of links to texts that need no browser.
 * Source: https://llmstxt.org
 */
export function llmsText(model: DocsModel): string {
  const guides = groupGuides(model).flatMap((group) => group.guides)
  const entry = (text: string, href: string, note: string) => `- [${text}](${href}): ${note}`
  const sections = model.domains.flatMap((domain) => [
    `## Operations: ${domain.name}`,
    domain.operations
      .map(({ id, method, path, summary }) => entry(id, `/docs/operations/${id}.md`, `${method} ${path}. ${summary}.`))
      .join('\n'),
  ])
  return `${[
    `# ${model.title}`,
    `> Revenue attribution over HTTP, decided by OpenAPI 3.1. Version ${model.version}. ${model.operations.length} operations, of which this server implements <!--count:real-->; the platform answers the others 501, the mocks in full.`,
    'Errors are problem documents (RFC 9457) with a `code`. Money is `{ amount_minor, currency }` in minor units, never a float. Times are RFC 3339 in UTC. Lists are paged by `cursor`.',
    '## Description',
    [
      entry(
        'OpenAPI 3.1 description',
        '/docs/openapi.json',
        'every operation, schema and example; `x-implementation` says what this server has built',
      ),
      entry('Problem types', '/docs/problems.md', 'every error code, why it comes, and what to do'),
      entry('API catalog', '/.well-known/api-catalog', 'the same addresses as a linkset (RFC 9727)'),
    ].join('\n'),
    '## Guides',
    guides.map((guide) => entry(guide.title, `/docs/guides/${guide.name}.md`, withoutLinks(leadOf(guide)))).join('\n'),
    ...sections,
  ].join('\n\n')}\n`
}

function withoutLinks(markdown: string): string {
  return markdown.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
}
