import { link } from './markdown-text.ts'
import type { DocsModel, Guide, Operation } from './model.ts'
import { operationTable } from './pages.ts'

/** The guides in reading order. A guide that is in no group is an error, so that none is lost. */
export const GUIDE_GROUPS: readonly { heading: string; names: readonly string[] }[] = [
  {
    heading: 'Begin',
    names: ['quick-start', 'frontend', 'api-consumer', 'backend', 'ci', 'operator', 'auditor'],
  },
  {
    heading: 'Webhooks',
    names: [
      'webhooks',
      'webhooks-shopify',
      'webhooks-stripe',
      'webhooks-paypal',
      'webhooks-woocommerce',
      'webhook-simulator',
      'dead-letters',
    ],
  },
  { heading: 'Web pages', names: ['browser-snippet'] },
  { heading: 'Concepts', names: ['attribution', 'money', 'errors', 'pagination', 'idempotency', 'rate-limits'] },
  { heading: 'Tools', names: ['mocks', 'client', 'import', 'metrics'] },
]

/** In groups. Throws when the folder and the list differ. */
export function groupGuides({ guides }: DocsModel): { heading: string; guides: Guide[] }[] {
  const listed = GUIDE_GROUPS.flatMap(({ names }) => names)
  const lost = guides.filter(({ name }) => !listed.includes(name)).map(({ name }) => name)
  if (lost.length > 0) throw new TypeError(`scripts/docs/guides.ts does not list the guide ${lost.join(', ')}`)
  return GUIDE_GROUPS.map(({ heading, names }) => ({
    heading,
    guides: names.map((name) => {
      const guide = guides.find((each) => each.name === name)
      if (guide === undefined) throw new TypeError(`api-contracts/guides/${name}.md does not exist`)
      return guide
    }),
  }))
}

/** `/docs/guides`. */
export function guidesIndex(model: DocsModel): string {
  const parts = groupGuides(model).flatMap(({ heading, guides }) => [
    `## ${heading}`,
    guides.map((guide) => `- ${link(guide.title, `/docs/guides/${guide.name}`)}: ${leadOf(guide)}`).join('\n'),
  ])
  return ['# Guides', ...parts].join('\n\n')
}

/** The first paragraph, which says what the guide is for. */
export function leadOf({ text }: Guide): string {
  return (text.split(/\n{2,}/)[1] ?? '').replaceAll(/\s*\n\s*/g, ' ').trim()
}

const OPERATION = /`(\w+)`/g
const LISTING = /^<!--operations:([\w-]+)-->$/gm

/** What a guide can list instead of naming operations by hand. */
const LISTINGS: Record<string, (operation: Operation) => boolean> = {
  idempotent: ({ parameters }) => parameters.some(({ name }) => name === 'Idempotency-Key'),
  paged: ({ parameters }) => parameters.some(({ name }) => name === 'cursor'),
  'limited-as-ingest': ({ rateLimitPolicy }) => rateLimitPolicy === 'ingest',
  'limited-by-address': ({ rateLimitPolicy }) => rateLimitPolicy === 'address',
  accepted: ({ replies }) => replies.some(({ status }) => status === 202),
  'webhook-in': ({ path }) => path.includes('/in/{endpoint_key}'),
}

/** A guide with its listings filled in, and every operation that it names made a link. */
export function guideMarkdown({ operations }: DocsModel, { name, text }: Guide): string {
  const ids = new Set(operations.map(({ id }) => id))
  const withListings = text.replaceAll(LISTING, (_slot, listing: string) => {
    const belongs = LISTINGS[listing]
    if (belongs === undefined) throw new TypeError(`guides/${name}.md: there is no listing ${listing}`)
    return operationTable(operations.filter(belongs))
  })
  return outsideCode(withListings, (part) =>
    part.replaceAll(OPERATION, (code, id: string, offset: number) =>
      ids.has(id) && part[offset - 1] !== '[' ? `[${code}](/docs/operations/${id})` : code,
    ),
  )
}

function outsideCode(text: string, change: (part: string) => string): string {
  return text
    .split(/(^```[\s\S]*?^```$)/m)
    .map((part, index) => (index % 2 === 0 ? change(part) : part))
    .join('')
}
