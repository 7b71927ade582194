import { isObject } from '../../generate/json.ts'
import { newestBaseline } from '../baselines.ts'
import type { CheckContext } from '../context.ts'
import type { Fault } from '../finding.ts'
import type { Rule } from '../gate.ts'
import {
  childOf,
  contentOf,
  follow,
  headersOf,
  placeOf,
  placeOfKey,
  type SourceNode,
  type SourceOperation,
} from '../source.ts'

const OWNERS = ['identity', 'platform', 'ingestion', 'attribution', 'revenue', 'reporting', 'intelligence']
/** Days between the announcement of a deprecation and the removal. */
const NOTICE_DAYS = 90
const DAY_MS = 86_400_000
/** Slower work answers 202 and is done by a job. */
const SLOWEST_MS = 10_000

export const operationRules: Rule[] = [
  each('operation-id', 'An operationId is camelCase.', function* (_ctx, operation) {
    const { operationId } = operation.value
    if (typeof operationId !== 'string' || !/^[a-z][A-Za-z0-9]*$/.test(operationId)) {
      yield { message: `${operation.id} needs an operationId in camelCase`, at: placeOfKey(operation, 'operationId') }
    }
  }),
  {
    id: 'lint/operation-id-unique',
    gate: 'lint',
    description: 'No two operations of any documents have the same operationId.',
    check: (ctx) => [...repeatedIds(ctx)],
  },
  each('owner', `\`x-owner\` is one of ${OWNERS.join(', ')}.`, function* (_ctx, operation) {
    const owner = operation.value['x-owner']
    if (!OWNERS.includes(String(owner))) {
      yield { message: `${operation.id}: nobody is called ${String(owner)}`, at: placeOfKey(operation, 'x-owner') }
    }
  }),
  each('domain', '`x-domain` is the domain of the document that the operation stands in.', function* (_ctx, operation) {
    const domain = operation.value['x-domain']
    const wanted = (operation.document.name.split('/')[0] ?? '').replace(/^llm-.*/, 'llm')
    if (domain !== wanted) {
      yield {
        message: `${operation.id}: x-domain is ${String(domain)}; the document says ${wanted}`,
        at: placeOfKey(operation, 'x-domain'),
      }
    }
  }),
  each(
    'latency-objective',
    `\`x-latency-objective-ms\` is what 99 of 100 answers stay within, from 10 to ${SLOWEST_MS} ms.`,
    function* (_ctx, operation) {
      const objective = operation.value['x-latency-objective-ms']
      if (!Number.isInteger(objective) || Number(objective) < 10 || Number(objective) > SLOWEST_MS) {
        yield {
          message: `${operation.id} needs x-latency-objective-ms, whole milliseconds from 10 to ${SLOWEST_MS}`,
          at: placeOfKey(operation, 'x-latency-objective-ms'),
        }
      }
    },
  ),
  each(
    'security',
    '`security` is a list, `[]` where public; no alternative in it is empty.',
    function* (_ctx, operation) {
      const { security } = operation.value
      if (!Array.isArray(security)) {
        yield { message: `${operation.id} needs \`security\` (\`[]\` where it is public)`, at: operation }
      } else if (security.some((alternative) => !isObject(alternative) || Object.keys(alternative).length === 0)) {
        yield {
          message: `${operation.id}: an empty alternative makes it public; write \`security: []\``,
          at: placeOf(operation, 'security'),
        }
      }
    },
  ),
  each(
    'role',
    '`x-required-role` stands where a bearer token is taken, `x-required-scope` where a key is.',
    function* (_ctx, operation) {
      const { security, 'x-required-role': role, 'x-required-scope': scope } = operation.value
      const schemes = (Array.isArray(security) ? security : []).flatMap((row) =>
        isObject(row) ? Object.keys(row) : [],
      )
      if (role !== undefined && !schemes.includes('bearerAuth')) {
        yield {
          message: `${operation.id} asks for a role, but takes no bearer token`,
          at: placeOf(operation, 'x-required-role'),
        }
      }
      if (scope !== undefined && !schemes.some((scheme) => /key/i.test(scheme))) {
        yield {
          message: `${operation.id} asks for a scope, but takes no key`,
          at: placeOf(operation, 'x-required-scope'),
        }
      }
    },
  ),
  each(
    'correlation-id',
    'Every operation but probes and vendor webhooks takes the optional `X-Correlation-ID`.',
    function* (_ctx, operation) {
      if (operation.isVendor || operation.value['x-domain'] === 'health') return
      const parameter = parameterOf(operation, 'header', 'x-correlation-id')
      if (parameter === undefined) {
        yield { message: `${operation.id} does not take X-Correlation-ID`, at: placeOfKey(operation, 'parameters') }
      } else if (parameter.value.required === true) {
        yield { message: 'X-Correlation-ID must be optional', at: placeOf(parameter, 'required') }
      }
    },
  ),
  each(
    'idempotency',
    'A POST that creates something (201, 202) for an authenticated caller takes `Idempotency-Key`; what takes it has `Idempotent-Replayed` on 2xx.',
    function* (ctx, operation) {
      if (parameterOf(operation, 'header', 'idempotency-key') !== undefined) {
        for (const { status, at, response } of operation.replies) {
          if (!/^2/.test(status)) continue
          if (headersOf(ctx.files, response).some(({ name }) => name.toLowerCase() === 'idempotent-replayed')) continue
          yield { message: `${operation.id} ${status} lacks the header Idempotent-Replayed`, at }
        }
        return
      }
      const creates =
        operation.method === 'post' && operation.replies.some(({ status }) => status === '201' || status === '202')
      if (!creates || operation.isVendor || !isAuthenticated(operation)) return
      yield {
        message: `${operation.id} creates something and does not take Idempotency-Key`,
        at: placeOfKey(operation, 'parameters'),
      }
    },
  ),
  each(
    'rate-limit-headers',
    'Authenticated answers (2xx, 429) have `RateLimit` and `RateLimit-Policy`; 429 and 503 have `Retry-After`.',
    function* (ctx, operation) {
      for (const { status, at, response } of operation.replies) {
        const names = headersOf(ctx.files, response).map(({ name }) => name.toLowerCase())
        const wanted = [
          ...(status === '429' || status === '503' ? ['Retry-After'] : []),
          ...((/^2/.test(status) || status === '429') && isAuthenticated(operation) && !operation.isVendor
            ? ['RateLimit', 'RateLimit-Policy']
            : []),
        ]
        for (const name of wanted) {
          if (!names.includes(name.toLowerCase()))
            yield { message: `${operation.id} ${status} lacks the header ${name}`, at }
        }
      }
    },
  ),
  each(
    'rate-limit-policy',
    "`x-rate-limit-policy` is `default` or `ingest` where credentials name a tenant (`default` where it is absent), `ingest` on a vendor's webhook, `address` on a public operation with 429, and `none` (or absent) on any other.",
    wrongPolicies,
  ),
  each(
    'pagination',
    'A list answers `{ items, next_cursor }` with at most 100 items, and takes `limit` (1 to 100) and `cursor`.',
    listFaults,
  ),
  each(
    'deprecation',
    `A deprecated operation has \`x-deprecated-since\` and \`x-sunset\`, at least ${NOTICE_DAYS} days after that and after its announcement, and the headers \`Deprecation\` and \`Sunset\` on 2xx.`,
    deprecationFaults,
  ),
  each('links', 'A link leads to an operation that exists, with parameters that it has.', linkFaults),
  each(
    'vendor-webhook',
    'Vendor webhooks, and only they, have `x-raw-body: true`; the operation is a POST with a body.',
    function* (_ctx, operation) {
      const isVendorDocument =
        operation.document.name.startsWith('webhooks/') && operation.document.name !== 'webhooks/base'
      if (isVendorDocument !== operation.isVendor) {
        const message = operation.isVendor
          ? `${operation.id} is no vendor's webhook, so its body must be validated`
          : `${operation.id} receives a vendor's webhook and lacks \`x-raw-body: true\``
        yield { message, at: placeOfKey(operation, 'x-raw-body') }
      } else if (operation.isVendor && (operation.method !== 'post' || operation.requestBody === null)) {
        yield { message: `${operation.id} must be a POST with a body`, at: operation }
      }
    },
  ),
]

function each(
  name: string,
  description: string,
  check: (ctx: CheckContext, operation: SourceOperation) => Iterable<Fault>,
): Rule {
  return {
    id: `lint/${name}`,
    gate: 'lint',
    description,
    profiles: ['skeldir'],
    check: (ctx) => ctx.source().operations.flatMap((operation) => [...check(ctx, operation)]),
  }
}

function* repeatedIds(ctx: CheckContext): Generator<Fault> {
  const owners = new Map<string, SourceOperation>()
  for (const operation of ctx.source().operations) {
    if (typeof operation.value.operationId !== 'string') continue
    const owner = owners.get(operation.id)
    if (owner === undefined) owners.set(operation.id, operation)
    // Within one document Redocly says it.
    else if (owner.document !== operation.document || ctx.profile === 'none') {
      const at = placeOf(operation, 'operationId')
      const { file, line } = ctx.files.position(placeOf(owner, 'operationId'))
      yield { message: `the operationId ${operation.id} is also in ${file}:${line}`, at }
    }
  }
}

export function isAuthenticated({ value }: SourceOperation): boolean {
  return Array.isArray(value.security) && value.security.length > 0
}

export function parameterOf({ parameters }: SourceOperation, place: string, name: string): SourceNode | undefined {
  return parameters.find(({ value }) => value.in === place && String(value.name).toLowerCase() === name)
}

function* wrongPolicies(_ctx: CheckContext, operation: SourceOperation): Generator<Fault> {
  const isCounted = isAuthenticated(operation)
  const policy = operation.value['x-rate-limit-policy'] ?? (isCounted ? 'default' : 'none')
  const isLimited = operation.replies.some(({ status }) => status === '429')
  const allowed = operation.isVendor ? ['ingest'] : isCounted ? ['default', 'ingest'] : [isLimited ? 'address' : 'none']
  if (allowed.includes(String(policy))) return
  yield {
    message: `${operation.id}: x-rate-limit-policy must be ${allowed.join(' or ')}, not ${String(policy)}`,
    at: placeOfKey(operation, 'x-rate-limit-policy'),
  }
}

function* listFaults(ctx: CheckContext, operation: SourceOperation): Generator<Fault> {
  const ok = operation.replies.find(({ status }) => status === '200')
  const media = ok && contentOf(ok.response).find(({ mediaType }) => mediaType === 'application/json')
  const written = media && childOf(media, 'schema')
  const schema = written && follow(ctx.files, written)
  if (schema === undefined) return
  const properties = childOf(schema, 'properties')?.value ?? {}
  const isNamedList = /^list[A-Z]/.test(operation.id)
  if (!isNamedList && properties.next_cursor === undefined) return
  const required = Array.isArray(schema.value.required) ? schema.value.required : []
  for (const name of ['items', 'next_cursor']) {
    if (properties[name] === undefined || !required.includes(name)) {
      yield { message: `${operation.id} is a list: its answer must always have \`${name}\``, at: schema }
    }
  }
  const writtenItems = childOf(schema, 'properties', 'items')
  const items = writtenItems && follow(ctx.files, writtenItems)
  if (items !== undefined && !(Number(items.value.maxItems) <= 100)) {
    yield { message: `${operation.id}: \`items\` must have maxItems of at most 100`, at: placeOfKey(items, 'maxItems') }
  }
  const limit = parameterOf(operation, 'query', 'limit')
  const cursor = parameterOf(operation, 'query', 'cursor')
  if (limit === undefined || cursor === undefined) {
    const missing = limit === undefined ? 'limit' : 'cursor'
    yield {
      message: `${operation.id} is a list and does not take \`${missing}\``,
      at: placeOfKey(operation, 'parameters'),
    }
    return
  }
  const bounds = childOf(limit, 'schema')
  if (bounds?.value.minimum !== 1 || bounds.value.maximum !== 100) {
    yield { message: '`limit` must be an integer from 1 to 100', at: placeOfKey(limit, 'schema') }
  }
}

function* deprecationFaults(ctx: CheckContext, operation: SourceOperation): Generator<Fault> {
  const { deprecated, 'x-sunset': sunset, 'x-deprecated-since': since } = operation.value
  if (deprecated !== true) {
    for (const key of ['x-sunset', 'x-deprecated-since']) {
      if (operation.value[key] === undefined) continue
      yield { message: `${operation.id} has ${key} but is not deprecated`, at: placeOf(operation, key) }
    }
    return
  }
  const at = placeOfKey(operation, 'x-sunset')
  if (!isDay(sunset)) {
    yield { message: `${operation.id} is deprecated and needs x-sunset: 'YYYY-MM-DD'`, at }
  } else if (sunset !== announcedSunset(ctx, operation.id)) {
    const days = Math.floor((Date.parse(sunset) - Date.parse(ctx.today)) / DAY_MS)
    if (days < NOTICE_DAYS) {
      yield { message: `${operation.id}: the sunset is ${days} days away; announce it ${NOTICE_DAYS} days before`, at }
    }
  } else if (sunset < ctx.today) {
    yield { message: `${operation.id}: its sunset has passed; it may be removed`, at, severity: 'notice' }
  }
  if (!isDay(since)) {
    yield {
      message: `${operation.id} is deprecated and needs x-deprecated-since: 'YYYY-MM-DD'`,
      at: placeOfKey(operation, 'x-deprecated-since'),
    }
  } else if (isDay(sunset) && Date.parse(sunset) - Date.parse(since) < NOTICE_DAYS * DAY_MS) {
    yield { message: `${operation.id}: the sunset must be ${NOTICE_DAYS} days after x-deprecated-since`, at }
  }
  for (const { status, response, at: use } of operation.replies) {
    if (!/^2/.test(status)) continue
    const names = headersOf(ctx.files, response).map(({ name }) => name.toLowerCase())
    for (const name of ['Deprecation', 'Sunset']) {
      if (!names.includes(name.toLowerCase()))
        yield { message: `${operation.id} ${status} lacks the header ${name}`, at: use }
    }
  }
}

function isDay(value: unknown): value is string {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value))
}

/** What the newest baseline promised: a date that was announced in time stays right as it comes nearer. */
function announcedSunset(ctx: CheckContext, id: string): unknown {
  const baseline = newestBaseline(ctx)
  const paths = isObject(baseline?.document.paths) ? baseline.document.paths : {}
  for (const item of Object.values(paths)) {
    for (const node of Object.values(isObject(item) ? item : {})) {
      if (isObject(node) && node.operationId === id) return node['x-sunset']
    }
  }
  return undefined
}

function* linkFaults(ctx: CheckContext, operation: SourceOperation): Generator<Fault> {
  const operations = new Map(ctx.source().operations.map((other) => [other.id, other]))
  for (const { response, status } of operation.replies) {
    const links = childOf(response, 'links')
    for (const name of Object.keys(links?.value ?? {})) {
      const written = links && childOf(links, name)
      const link = written && follow(ctx.files, written)
      if (link === undefined) continue
      const target = operations.get(String(link.value.operationId))
      if (target === undefined) {
        const message = `${operation.id} ${status}: the link ${name} leads to ${String(link.value.operationId)}, which is no operation`
        yield { message, at: placeOfKey(link, 'operationId') }
        continue
      }
      for (const key of Object.keys(childOf(link, 'parameters')?.value ?? {})) {
        const bare = key.replace(/^(?:path|query|header)\./, '').toLowerCase()
        if (target.parameters.some(({ value }) => String(value.name).toLowerCase() === bare)) continue
        yield {
          message: `${operation.id} ${status}: the link ${name} gives ${key}, which ${target.id} does not take`,
          at: placeOf(link, 'parameters', key),
        }
      }
    }
  }
}
