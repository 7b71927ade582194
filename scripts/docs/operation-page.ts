import type { JsonObject } from '../generate/json.ts'
import { jsonBlock, link, table } from './markdown-text.ts'
import { type Content, type DocsModel, type Operation, type Reply, readContent, resolve } from './model.ts'
import { schemaRows, typeText } from './schema-rows.ts'

const PROBLEM = 'application/problem+json'
/** Characters. A longer example stands in the reference only, so that a page stays readable. */
const MAX_EXAMPLE = 6_000

/** Everything about one operation, as Markdown: for `/docs/operations/<id>` and, as it is, for language models. */
export function operationMarkdown(model: DocsModel, operation: Operation): string {
  const { id, method, path, summary, description } = operation
  return [
    `# ${summary}`,
    `\`${method} ${path}\` · \`${id}\``,
    ...deprecationNote(operation),
    description,
    table(['', ''], factRows(operation)),
    ...requestParts(model.document, operation),
    '## Answers',
    ...operation.replies.filter(isSuccess).flatMap((reply) => replyParts(model.document, reply)),
    ...problemParts(operation),
    '## Try it',
    ...tryParts(model.document, operation),
  ].join('\n\n')
}

function tryParts(document: JsonObject, operation: Operation): string[] {
  const reference = `In the reference: [${operation.id}](${referenceLink(operation)}).`
  if (operation.node['x-raw-body'] === true)
    return [
      `The body must be signed as the vendor signs it: use the [webhook simulator](/docs/guides/webhook-simulator). ${reference}`,
    ]
  return [
    curlBlock(document, operation),
    `The mocks answer this without a platform behind them; see [Mocks and hand-over](/docs/guides/mocks). ${reference}`,
  ]
}

/** Scalar's own address of an operation. */
export function referenceLink({ tag, method, path }: Operation): string {
  return `/docs/reference#tag/${tag}/${method}${path}`
}

function deprecationNote({ deprecated, sunset, successor }: Operation): string[] {
  if (!deprecated) return []
  const next = successor === null ? '' : ` Use ${operationLink(successor)} instead.`
  return [`> **Deprecated.** It may be gone after ${sunset ?? 'a day that is not fixed yet'}.${next}`]
}

export function operationLink(id: string): string {
  return link(`\`${id}\``, `/docs/operations/${id}`)
}

function factRows(operation: Operation): string[][] {
  return [
    ['State on this server', `<!--state:${operation.id}-->`],
    ['Rate limit', rateLimitText(operation)],
    ['Latency objective', latencyText(operation)],
    ['Who may call', whoText(operation)],
    [
      'Stability',
      operation.stability === 'draft' ? 'draft: it may change without notice until 1.0.0' : operation.stability,
    ],
    ['Domain, owner', `${operation.domain}, ${operation.owner}`],
  ]
}

function rateLimitText({ rateLimitPolicy }: Operation): string {
  if (rateLimitPolicy === 'none') return 'none'
  const whose = rateLimitPolicy === 'address' ? 'by address of the network' : `\`${rateLimitPolicy}\`, of the tenant`
  return `[${whose}](/docs/guides/rate-limits)`
}

export function latencyText({ latencyMs }: Operation): string {
  return latencyMs === null ? 'none stated' : `99 of 100 answers within ${latencyMs} ms`
}

const SCHEMES: Record<string, string> = {
  bearerAuth: 'user',
  tenantKey: 'key',
  metricsToken: 'metrics token',
  stripeSignature: 'Stripe',
  shopifySignature: 'Shopify',
  paypalSignature: 'PayPal',
  woocommerceSignature: 'WooCommerce',
}

/** `user, manager or higher`, `key with events:write`, `Stripe`. */
export function whoText({ security, requiredRole, requiredScope }: Operation): string {
  if (security.length === 0) return 'anyone'
  return security
    .map((schemes) =>
      schemes
        .map((scheme) => {
          const name = SCHEMES[scheme] ?? scheme
          if (scheme === 'bearerAuth' && requiredRole !== null)
            return `${name}, ${requiredRole}${requiredRole === 'admin' ? '' : ' or higher'}`
          return scheme === 'tenantKey' && requiredScope !== null ? `${name} with \`${requiredScope}\`` : name
        })
        .join(' and '),
    )
    .join('; ')
}

function requestParts(document: JsonObject, { parameters, requestBody }: Operation): string[] {
  const parts: string[] = []
  if (parameters.length > 0) {
    const rows = parameters.map(({ name, in: place, required, schema, description }) => [
      `\`${String(name)}\``,
      String(place),
      required === true ? 'yes' : '',
      typeText(document, (schema ?? {}) as JsonObject),
      String(description ?? ''),
    ])
    parts.push('### Parameters', table(['name', 'in', 'required', 'type', 'meaning'], rows))
  }
  for (const content of requestBody === null ? [] : readContent(document, requestBody)) {
    parts.push(`### Body: ${content.mediaType}`)
    if (typeof requestBody?.description === 'string') parts.push(requestBody.description)
    parts.push(...contentParts(document, content))
  }
  return parts.length === 0 ? [] : ['## Request', ...parts]
}

function contentParts(document: JsonObject, { schema, examples }: Content): string[] {
  const resolved = resolve(document, schema)
  const rows = schemaRows(document, schema).map((row) => [
    `\`${row.path}\``,
    row.required ? 'yes' : '',
    row.type,
    row.text,
  ])
  const parts = typeof resolved.description === 'string' ? [resolved.description] : []
  if (rows.length > 0) parts.push(table(['field', 'always', 'type', 'meaning'], rows))
  const [example] = examples
  if (example === undefined) return parts
  const isText = typeof example.value === 'string'
  const block = isText ? `\`\`\`text\n${String(example.value).trimEnd()}\n\`\`\`` : jsonBlock(example.value)
  if (block.length <= MAX_EXAMPLE) parts.push(example.summary === '' ? 'Example:' : `${example.summary}:`, block)
  return parts
}

function isSuccess({ status }: Reply): boolean {
  return status < 400
}

function replyParts(document: JsonObject, { status, description, headers, content }: Reply): string[] {
  const parts = [`### ${status}`, description]
  if (headers.length > 0) parts.push(`Headers: ${headers.map((name) => `\`${name}\``).join(', ')}.`)
  for (const each of content) parts.push(`\`${each.mediaType}\``, ...contentParts(document, each))
  return parts
}

function problemParts({ replies }: Operation): string[] {
  const rows = replies
    .filter((reply) => !isSuccess(reply))
    .map(({ status, description, content }) => {
      const codes = content
        .filter(({ mediaType }) => mediaType === PROBLEM)
        .flatMap(({ examples }) => examples.map(({ value }) => String((value as JsonObject).code)))
      return [
        String(status),
        [...new Set(codes)].map((code) => link(`\`${code}\``, `/docs/problems/${code}`)).join(', '),
        description,
      ]
    })
  return rows.length === 0 ? [] : ['### Problems', table(['status', 'code', 'when'], rows)]
}

/** A request that the contract allows, out of its own examples. */
export function curlBlock(document: JsonObject, operation: Operation): string {
  const { method, path, parameters, requestBody } = operation
  const exampleOf = ({ example, schema }: JsonObject): string =>
    String(example ?? resolve(document, (schema ?? {}) as JsonObject).example ?? '…')
  const filled = path.replace(/\{(\w+)\}/g, (_match, name: string) => {
    const parameter = parameters.find((each) => each.in === 'path' && each.name === name)
    return parameter === undefined ? `{${name}}` : encodeURI(exampleOf(parameter))
  })
  const query = parameters
    .filter((each) => each.in === 'query' && each.required === true)
    .map((each) => `${String(each.name)}=${encodeURIComponent(exampleOf(each))}`)
  const url = `<!--mocks-->${filled}${query.length === 0 ? '' : `?${query.join('&')}`}`
  const lines = [`curl ${method === 'GET' ? '' : `-X ${method} `}${quote(url)}`]
  for (const header of credentialHeaders(operation)) lines.push(`  -H ${quote(header)}`)
  for (const each of parameters)
    if (each.in === 'header' && each.required === true)
      lines.push(`  -H ${quote(`${String(each.name)}: ${exampleOf(each)}`)}`)
  const [content] = requestBody === null ? [] : readContent(document, requestBody)
  if (content !== undefined) {
    const value = content.examples[0]?.value
    lines.push(`  -H ${quote(`Content-Type: ${content.mediaType}`)}`)
    lines.push(`  -d ${quote(typeof value === 'string' ? value : JSON.stringify(value))}`)
  }
  return `\`\`\`sh\n${lines.join(' \\\n')}\n\`\`\``
}

function credentialHeaders({ security }: Operation): string[] {
  const [schemes = []] = security
  const headers: Record<string, string> = {
    bearerAuth: 'Authorization: Bearer $TOKEN',
    metricsToken: 'Authorization: Bearer $METRICS_TOKEN',
    tenantKey: 'X-Skeldir-Tenant-Key: $KEY',
  }
  return schemes.flatMap((scheme) => headers[scheme] ?? [])
}

/** For a POSIX shell: double quotes where a variable stands, else single ones. */
function quote(text: string): string {
  if (text.includes('$')) return `"${text}"`
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** One row of the table of operations. */
export function operationRow(operation: Operation): string[] {
  return [
    operationLink(operation.id) + (operation.deprecated ? ' (deprecated)' : ''),
    `\`${operation.method} ${operation.path}\``,
    operation.summary,
    whoText(operation),
    `<!--state:${operation.id}-->`,
    operation.latencyMs === null ? '' : `${operation.latencyMs}\u00a0ms`,
  ]
}
