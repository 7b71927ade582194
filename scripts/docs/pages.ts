import { renderMarkdown } from './markdown.ts'
import { link, table } from './markdown-text.ts'
import type { DocsModel, Operation } from './model.ts'
import { operationLink, operationRow } from './operation-page.ts'

/** `/docs`, the one page that is not plain text: it sends each reader where they want to go. */
export function homePage(model: DocsModel): string {
  const { title, version, operations, problems } = model
  const cards = HOME_CARDS.map(
    ({ href, heading, text }) =>
      `<li><a class="card" href="${href}"><strong>${heading}</strong><span>${text}</span></a></li>`,
  )
  const readers = HOME_READERS.map(({ who, href, label, text }) => [who, `${link(label, href)}: ${text}`])
  return `<!--title:Documentation-->
<section class="hero">
<h1>${title} <small>${version}</small></h1>
<p>Which marketing channel earned which order, proven to the cent: signed webhooks of shops and payment providers and first-party touches go in, an exact ledger and attributed revenue come out.</p>
<p class="facts"><span><b>${operations.length}</b> operations</span> <span><b><!--count:real--></b> real on this server</span> <span><b><!--count:mock--></b> answered by mocks</span> <span><b>${problems.length}</b> problem types</span></p>
<p class="actions"><a class="button" href="/docs/guides/quick-start">Quick start</a> <a class="button plain" href="/docs/reference">API reference</a></p>
</section>
<h2>In this portal</h2>
<ul class="cards">
${cards.join('\n')}
</ul>
${renderMarkdown(`## Where to begin\n\n${table(['you are', 'begin with'], readers)}`).html}`
}

const HOME_CARDS = [
  {
    href: '/docs/reference',
    heading: 'API reference',
    text: 'Every operation with schemas, examples and a console that sends requests to the mocks.',
  },
  {
    href: '/docs/operations',
    heading: 'Operations',
    text: 'One table: path, who may call, mock or real, latency objective. A page for each.',
  },
  {
    href: '/docs/guides',
    heading: 'Guides',
    text: 'Quick starts, webhooks of each vendor, pagination, errors, money, attribution.',
  },
  {
    href: '/docs/problems',
    heading: 'Problem types',
    text: 'A page for each error code: what happened, why, and what to do.',
  },
  {
    href: '/docs/guides/client',
    heading: 'Typed client',
    text: 'One method for each operation, errors typed by status, retries and cursors built in.',
  },
  {
    href: '/docs/guides/mocks',
    heading: 'Mocks',
    text: 'Build against the contract today; implemented operations are handed over one by one.',
  },
  { href: '/docs/changelog', heading: 'Changelog', text: 'What changed in the contract, version by version.' },
  { href: '/docs/deprecations', heading: 'Deprecations', text: 'What will go, when, and what to use instead.' },
] as const

const HOME_READERS = [
  {
    who: 'new here',
    href: '/docs/guides/quick-start',
    label: 'Quick start',
    text: 'the platform and a day of traffic, in two commands',
  },
  {
    who: 'building a frontend',
    href: '/docs/guides/frontend',
    label: 'Frontend teams',
    text: 'mocks, the typed client, and the day your operation becomes real',
  },
  {
    who: 'calling the API',
    href: '/docs/guides/api-consumer',
    label: 'API consumers',
    text: 'credentials, the first request, and the rules all operations share',
  },
  {
    who: 'connecting a shop',
    href: '/docs/guides/webhooks',
    label: 'Webhooks',
    text: 'the exact steps at Shopify, Stripe, PayPal and WooCommerce',
  },
  {
    who: 'writing the backend',
    href: '/docs/guides/backend',
    label: 'Backend developers',
    text: 'from a line of YAML to a handler that compiles',
  },
  {
    who: 'running CI',
    href: '/docs/guides/ci',
    label: 'CI owners',
    text: 'the contract gates, their formats and exit codes',
  },
  {
    who: 'operating it',
    href: '/docs/guides/operator',
    label: 'Operators',
    text: 'processes, your own Postgres, health, keys',
  },
  {
    who: 'auditing it',
    href: '/docs/guides/auditor',
    label: 'Auditors',
    text: 'how to trace a figure, and what can be checked by yourself',
  },
] as const

/** `/docs/operations`. */
export function operationsPage({ operations, domains }: DocsModel): string {
  const parts = domains.flatMap((domain) => [
    `## ${domain.name}`,
    domain.description,
    operationTable(domain.operations),
  ])
  return [
    '# Operations',
    `All ${operations.length} operations of the contract: <!--count:real--> are real on this server, <!--count:mock--> are mock: not built yet, answered 501 by the platform and in full by the [mocks](/docs/guides/mocks). The latency objective is what 99 of 100 answers stay within.`,
    ...parts,
  ].join('\n\n')
}

export function operationTable(operations: readonly Operation[]): string {
  return table(['operation', 'request', 'what', 'who', 'state', 'p99'], operations.map(operationRow))
}

/** `/docs/changelog`: the text of the repository, with links to the operations it names. */
export function changelogPage({ changelog, operations }: DocsModel): string {
  const ids = new Set(operations.map(({ id }) => id))
  return changelog
    .replace(/^Made by .*\n/m, '')
    .replaceAll(/(?<!\[)`(\w+)`/g, (text, name: string) => (ids.has(name) ? operationLink(name) : text))
}

/** `/docs/deprecations`. */
export function deprecationsPage({ operations }: DocsModel): string {
  const rows = operations
    .filter(({ deprecated }) => deprecated)
    .map(({ id, method, path, sunset, successor }) => [
      operationLink(id),
      `\`${method} ${path}\``,
      sunset ?? 'not fixed',
      successor === null ? 'none' : operationLink(successor),
    ])
  return [
    '# Deprecations',
    'A deprecated operation works as before until its sunset, which is at least 90 days after the announcement. Its answers say so: `Deprecation` is the moment since when (RFC 9745), `Sunset` the day after which it may be gone (RFC 8594), and `Link` names the successor.',
    rows.length === 0 ? 'Nothing is deprecated.' : table(['operation', 'request', 'sunset (UTC)', 'use instead'], rows),
    'New announcements stand in the [changelog](/docs/changelog).',
  ].join('\n\n')
}
