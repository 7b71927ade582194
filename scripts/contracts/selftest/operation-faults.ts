import { dirname } from 'node:path'
import { isObject, type Json } from '../../generate/json.ts'
import { isAuthenticated, parameterOf } from '../profile/operations.ts'
import { childOf, contentOf, follow, headersOf, placeOf, type SourceOperation } from '../source.ts'
import type { Bench, Operator, PlantedAt, Target } from './operator.ts'
import { eachDocument, eachOperation, eachReply, nameOf } from './targets.ts'

/** Faults of operations, parameters and answers that the lint must see. */
export const operationFaults: readonly Operator[] = [
  withoutKey('missing-summary', 'summary', 'lint/operation-summary'),
  withoutKey('missing-description', 'description', 'lint/operation-description'),
  withoutKey('missing-operation-id', 'operationId', 'lint/operation-operationId'),
  withoutKey('missing-owner', 'x-owner', 'lint/owner'),
  withoutKey('missing-stability', 'x-stability', 'lint/operation-metadata'),
  withoutKey('missing-latency-objective', 'x-latency-objective-ms', 'lint/latency-objective'),
  withoutKey('missing-security', 'security', 'lint/security', 2),
  otherValue('unknown-owner', 'x-owner', 'somebody', 'an owner that nobody knows', 'lint/owner'),
  otherValue(
    'endless-latency',
    'x-latency-objective-ms',
    60_000,
    'an answer that may take a minute',
    'lint/latency-objective',
  ),
  otherValue('wrong-domain', 'x-domain', 'elsewhere', 'an operation in the document of another domain', 'lint/domain'),
  otherValue(
    'unknown-policy',
    'x-rate-limit-policy',
    'gold',
    'a rate-limit policy that there is not',
    'lint/rate-limit-policy',
  ),
  withoutKey(
    'uncounted-webhook',
    'x-rate-limit-policy',
    'lint/rate-limit-policy',
    1,
    "a vendor's webhook",
    ({ isVendor }) => isVendor,
  ),
  withoutKey(
    'uncounted-stranger',
    'x-rate-limit-policy',
    'lint/rate-limit-policy',
    1,
    'a public operation with 429',
    (operation) => !isAuthenticated(operation),
  ),
  otherValue('unknown-stability', 'x-stability', 'beta', 'a stability that nobody knows', 'lint/operation-stability'),
  otherValue(
    'unknown-tag',
    'tags',
    ['nowhere'],
    'a tag that the document does not declare',
    'lint/operation-tag-defined',
    ['tags', 0],
  ),
  otherValue('empty-alternative', 'security', [{}], 'a security alternative that asks for nothing', 'lint/security'),
  otherValue(
    'unknown-scheme',
    'security',
    [{ passphrase: [] }],
    'a security scheme that the document does not declare',
    'lint/security-defined',
    ['security', 0, 'passphrase'],
  ),
  {
    id: 'two-tags',
    what: 'an operation with two tags',
    gate: 'lint',
    rule: 'lint/operation-singular-tag',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value }) => Array.isArray(value.tags),
        (draft, operation) => {
          draft.append(placeOf(operation, 'tags'), 'nowhere')
          return placeOf(operation, 'tags')
        },
      ),
  },
  {
    id: 'snake-case-id',
    what: 'an operationId in snake_case',
    gate: 'lint',
    rule: 'lint/operation-id',
    times: 2,
    targets: (bench) => otherId(bench, (id) => id.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
  },
  {
    id: 'capital-id',
    what: 'an operationId that starts with a capital',
    gate: 'lint',
    rule: 'lint/operation-id-camel-case',
    targets: (bench) => otherId(bench, (id) => id.replace(/^./, (letter) => letter.toUpperCase())),
  },
  {
    id: 'unsafe-id',
    what: 'an operationId with a space',
    gate: 'lint',
    rule: 'lint/operation-operationId-url-safe',
    targets: (bench) => otherId(bench, (id) => `${id} again`),
  },
  {
    id: 'repeated-id',
    what: 'the operationId of an operation in another document',
    gate: 'lint',
    rule: 'lint/operation-id-unique',
    times: 2,
    targets: (bench) => {
      const [first] = bench.ctx.source().operations
      return first === undefined
        ? []
        : otherId(bench, (_id, operation) => (operation.document === first.document ? null : first.id))
    },
  },
  {
    id: 'repeated-id-in-document',
    what: 'the operationId of a neighbour in the same document',
    gate: 'lint',
    rule: 'lint/operation-operationId-unique',
    targets: (bench) => {
      const { operations } = bench.ctx.source()
      return otherId(bench, (_id, operation) => {
        const first = operations.find(({ document }) => document === operation.document)
        return first === undefined || first.id === operation.id ? null : first.id
      })
    },
  },
  {
    id: 'unknown-role',
    what: 'a role that nobody can have',
    gate: 'lint',
    rule: 'lint/operation-role',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value }) => typeof value['x-required-role'] === 'string',
        (draft, operation) => {
          draft.set(placeOf(operation, 'x-required-role'), 'owner')
          return placeOf(operation, 'x-required-role')
        },
      ),
  },
  {
    id: 'role-without-token',
    what: 'a role where no bearer token is taken',
    gate: 'lint',
    rule: 'lint/role',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value }) => !JSON.stringify(value.security).includes('bearerAuth') && value['x-required-role'] === undefined,
        (draft, operation) => {
          draft.insert(operation, 'x-required-role', 'admin')
          return placeOf(operation, 'x-required-role')
        },
      ),
  },
  {
    id: 'no-correlation-id',
    what: 'an operation without the parameter X-Correlation-ID',
    gate: 'lint',
    rule: 'lint/correlation-id',
    targets: (bench) => withoutParameter(bench, 'header', 'X-Correlation-ID', () => true),
  },
  {
    id: 'no-idempotency-key',
    what: 'a creating POST without Idempotency-Key',
    gate: 'lint',
    rule: 'lint/idempotency',
    times: 2,
    targets: (bench) =>
      withoutParameter(bench, 'header', 'Idempotency-Key', ({ replies }) =>
        replies.some(({ status }) => status === '201' || status === '202'),
      ),
  },
  {
    id: 'no-replayed-header',
    what: 'an answer that may be a stored one and does not say so',
    gate: 'lint',
    rule: 'lint/idempotency',
    targets: (bench) => withoutHeader(bench, 'Idempotent-Replayed', (_operation, status) => /^2/.test(status)),
  },
  {
    id: 'no-cursor',
    what: 'a list without `cursor`',
    gate: 'lint',
    rule: 'lint/pagination',
    times: 2,
    targets: (bench) => withoutParameter(bench, 'query', 'cursor', ({ id }) => id.startsWith('list')),
  },
  {
    id: 'no-limit',
    what: 'a list without `limit`',
    gate: 'lint',
    rule: 'lint/pagination',
    targets: (bench) => withoutParameter(bench, 'query', 'limit', ({ id }) => id.startsWith('list')),
  },
  {
    id: 'endless-page',
    what: 'a list with pages of 1,000 items',
    gate: 'lint',
    rule: 'lint/pagination',
    targets: (bench) =>
      bench.ctx.source().operations.flatMap((operation): Target[] => {
        const ok = operation.replies.find(({ status }) => status === '200')
        const media = ok && contentOf(ok.response)[0]
        const written = media && childOf(media, 'schema')
        const schema = written && follow(bench.ctx.files, written)
        const items = schema && childOf(schema, 'properties', 'items')
        if (!operation.id.startsWith('list') || items?.value.maxItems === undefined) return []
        return [
          {
            file: nameOf(bench, items),
            name: operation.id,
            plant: (draft) => {
              draft.set(placeOf(items, 'maxItems'), 1_000)
              return placeOf(items, 'maxItems')
            },
          },
        ]
      }),
  },
  {
    id: 'no-rate-limit',
    what: 'an authenticated answer without RateLimit',
    gate: 'lint',
    rule: 'lint/rate-limit-headers',
    times: 2,
    targets: (bench) =>
      withoutHeader(
        bench,
        'RateLimit',
        (operation, status) => /^2/.test(status) && isAuthenticated(operation) && !operation.isVendor,
      ),
  },
  {
    id: 'no-retry-after',
    what: 'a 503 without Retry-After',
    gate: 'lint',
    rule: 'lint/rate-limit-headers',
    targets: (bench) =>
      withoutHeader(bench, 'Retry-After', (_operation, status) => status === '503' || status === '429'),
  },
  {
    id: 'no-correlation-header',
    what: 'an answer without X-Correlation-ID',
    gate: 'lint',
    rule: 'lint/response-contains-header',
    times: 2,
    targets: (bench) =>
      withoutHeader(
        bench,
        'X-Correlation-ID',
        () => true,
        (reply) => placeOf(reply, 'headers'),
      ),
  },
  {
    id: 'no-location',
    what: 'a 201 or 202 without Location',
    gate: 'lint',
    rule: 'lint/response-contains-header',
    targets: (bench) =>
      withoutHeader(
        bench,
        'Location',
        (_operation, status) => /^20[12]$/.test(status),
        (reply) => placeOf(reply, 'headers'),
      ),
  },
  {
    id: 'no-headers',
    what: 'an answer without headers',
    gate: 'lint',
    rule: 'lint/response-headers',
    targets: (bench) =>
      eachReply(
        bench,
        ({ response }) => isObject(response.value.headers),
        (draft, { response }) => {
          draft.remove(placeOf(response, 'headers'))
          return response
        },
      ),
  },
  {
    id: 'deprecated-without-sunset',
    what: 'a deprecated operation without x-sunset',
    gate: 'lint',
    rule: 'lint/deprecation',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value }) => value.deprecated === undefined,
        (draft, operation) => {
          draft.insert(operation, 'deprecated', true)
          return operation
        },
      ),
  },
  {
    id: 'deprecated-at-some-time',
    what: 'a deprecated operation without x-deprecated-since',
    gate: 'lint',
    rule: 'lint/deprecation',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value }) => value['x-deprecated-since'] !== undefined,
        (draft, operation) => {
          draft.remove(placeOf(operation, 'x-deprecated-since'))
          return operation
        },
      ),
  },
  {
    id: 'sudden-sunset',
    what: 'a sunset that is announced too late',
    gate: 'lint',
    rule: 'lint/deprecation',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value }) => value.deprecated === true && value['x-sunset'] !== undefined,
        (draft, operation) => {
          // 89 days after the day that the self-test runs on.
          draft.set(placeOf(operation, 'x-sunset'), '2027-02-18')
          return placeOf(operation, 'x-sunset')
        },
      ),
  },
  {
    id: 'no-sunset-header',
    what: 'an answer of a deprecated operation without Sunset',
    gate: 'lint',
    rule: 'lint/deprecation',
    targets: (bench) =>
      withoutHeader(bench, 'Sunset', ({ value }, status) => value.deprecated === true && /^2/.test(status)),
  },
  {
    id: 'sunset-of-nothing',
    what: 'x-sunset on an operation that is not deprecated',
    gate: 'lint',
    rule: 'lint/deprecation',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value }) => value.deprecated === undefined,
        (draft, operation) => {
          draft.insert(operation, 'x-sunset', '2028-06-30')
          return placeOf(operation, 'x-sunset')
        },
      ),
  },
  {
    id: 'dangling-link',
    what: 'a link to an operation that does not exist',
    gate: 'lint',
    rule: 'lint/links',
    targets: (bench) =>
      eachLink(bench, (draft, link) => {
        draft.set(placeOf(link, 'operationId'), 'getNothing')
        return placeOf(link, 'operationId')
      }),
  },
  {
    id: 'link-parameter',
    what: 'a link that gives a parameter which its operation does not take',
    gate: 'lint',
    rule: 'lint/links',
    targets: (bench) =>
      eachLink(bench, (draft, link) => {
        draft.insert(placeOf(link, 'parameters'), 'query.nothing', '$response.body#/nothing')
        return placeOf(link, 'parameters', 'query.nothing')
      }),
  },
  {
    id: 'validated-vendor-body',
    what: "a vendor's webhook without x-raw-body",
    gate: 'lint',
    rule: 'lint/vendor-webhook',
    follows: { governance: 'field maps are for what a vendor sends' },
    targets: (bench) =>
      eachOperation(
        bench,
        ({ isVendor }) => isVendor,
        (draft, operation) => {
          draft.remove(placeOf(operation, 'x-raw-body'))
          return operation
        },
      ),
  },
  {
    id: 'raw-body-of-ours',
    what: 'x-raw-body on an operation of ours',
    gate: 'lint',
    rule: 'lint/vendor-webhook',
    follows: { governance: 'field maps are for what a vendor sends' },
    targets: (bench) =>
      eachOperation(
        bench,
        ({ isVendor, requestBody }) => !isVendor && requestBody !== null,
        (draft, operation) => {
          draft.insert(operation, 'x-raw-body', true)
          return placeOf(operation, 'x-raw-body')
        },
      ),
  },
  ...['401', '403', '406', '413', '422', '429', '503'].map(
    (status): Operator => ({
      id: `missing-${status}`,
      what: `an operation without its ${status}`,
      gate: 'lint',
      rule: 'lint/status-algebra',
      targets: (bench) =>
        eachOperation(
          bench,
          (operation) => operation.replies.some((reply) => reply.status === status) && mustHave(operation, status),
          (draft, operation) => {
            draft.remove(placeOf(operation, 'responses', status))
            return placeOf(operation, 'responses')
          },
        ),
    }),
  ),
  {
    id: 'needless-status',
    what: 'a status that nothing leads to',
    gate: 'lint',
    rule: 'lint/status-algebra',
    times: 2,
    targets: (bench) =>
      withStatus(
        bench,
        '415',
        '415',
        ({ requestBody }) => requestBody === null,
        (operation) => placeOf(operation, 'responses', '415'),
      ),
  },
  {
    id: 'server-status',
    what: 'a 500, which belongs to the server',
    gate: 'lint',
    rule: 'lint/status-algebra',
    follows: { 'error-model': 'no shared answer is meant for this status' },
    targets: (bench) =>
      withStatus(
        bench,
        '500',
        '503',
        () => true,
        (operation) => placeOf(operation, 'responses', '500'),
      ),
  },
  {
    id: 'unnamed-status',
    what: 'a `default` answer',
    gate: 'lint',
    rule: 'lint/success-status',
    follows: { 'error-model': 'the example stands under no status' },
    targets: (bench) =>
      withStatus(
        bench,
        'default',
        '503',
        () => true,
        (operation) => placeOf(operation, 'responses', 'default'),
      ),
  },
  {
    id: 'no-success',
    what: 'an operation that never succeeds',
    gate: 'lint',
    rule: 'lint/success-status',
    follows: { governance: 'the answer may carry what an invariant or a map refers to' },
    targets: (bench) =>
      eachOperation(
        bench,
        ({ replies }) => replies.filter(({ status }) => /^[23]/.test(status)).length === 1,
        (draft, operation) => {
          const success = operation.replies.find(({ status }) => /^[23]/.test(status))
          draft.remove(placeOf(operation, 'responses', success?.status ?? ''))
          return placeOf(operation, 'responses')
        },
      ),
  },
  {
    id: 'no-client-error',
    what: 'an operation without any 4xx',
    gate: 'lint',
    rule: 'lint/operation-4xx-response',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ replies }) => {
          const client = replies.filter(({ status }) => /^4/.test(status)).length
          return client > 0 && client <= 2 && client < replies.length
        },
        (draft, operation) => {
          for (const { status } of operation.replies) {
            if (/^4/.test(status)) draft.remove(placeOf(operation, 'responses', status))
          }
          return placeOf(operation, 'responses')
        },
      ),
  },
  {
    id: 'repeated-parameter',
    what: 'a parameter that is listed twice',
    gate: 'lint',
    rule: 'lint/operation-parameters-unique',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value }) => Array.isArray(value.parameters),
        (draft, operation) => {
          const list = operation.value.parameters as Json[]
          draft.append(placeOf(operation, 'parameters'), list[0] ?? {})
          return placeOf(operation, 'parameters', list.length)
        },
      ),
  },
  {
    id: 'silent-parameter',
    what: 'a parameter without a description',
    gate: 'lint',
    rule: 'lint/parameter-description',
    targets: (bench) =>
      eachOwnParameter(bench, (draft, parameter) => {
        draft.remove(placeOf(parameter, 'description'))
        return parameter
      }),
  },
  {
    id: 'undeclared-path-parameter',
    what: 'a path parameter that is not declared',
    gate: 'lint',
    rule: 'lint/path-parameters-defined',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ path, document, isVendor }) =>
          !isVendor &&
          /\{[^}]+\}$/.test(path) &&
          Object.keys(childOf(document, 'paths', path)?.value ?? {}).length === 1,
        (draft, { path, document, method }) => {
          const renamed = path.replace(/\{[^}]+\}$/, '{another_id}')
          draft.rename(placeOf(document, 'paths', path), renamed)
          return placeOf(document, 'paths', renamed, method, 'parameters')
        },
      ),
  },
  {
    id: 'trailing-slash',
    what: 'a path that ends with a slash',
    gate: 'lint',
    rule: 'lint/no-path-trailing-slash',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ document, path }) => childOf(document, 'paths', path) !== undefined,
        (draft, { path, document }) => {
          draft.rename(placeOf(document, 'paths', path), `${path}/`)
          return placeOf(document, 'paths', `${path}/`)
        },
      ),
  },
  {
    id: 'ambiguous-path',
    what: 'a path that fits the requests of another',
    gate: 'lint',
    rule: 'lint/no-ambiguous-paths',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ path, isVendor, method }) => !isVendor && method === 'get' && /[a-z]\/\{[^}]+\}$/.test(path),
        (draft, { path, document, value, id }) => {
          const [, base = '', parameter = ''] = /^(.*)\/[^/{]+\/(\{[^}]+\})$/.exec(path) ?? []
          const other = `${base}/${parameter}/probe`
          draft.insert(placeOf(document, 'paths'), other, { get: { ...value, operationId: `${id}Again` } })
          return placeOf(document, 'paths', path)
        },
      ),
  },
  {
    id: 'cookie-parameter',
    what: 'a parameter in a cookie, which the generators do not know',
    gate: 'lint',
    rule: 'lint/generator',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value, isVendor }) => Array.isArray(value.parameters) && !isVendor,
        (draft, operation) => {
          const list = operation.value.parameters as Json[]
          draft.append(placeOf(operation, 'parameters'), {
            name: 'session',
            in: 'cookie',
            required: false,
            description: 'A session.',
            schema: { type: 'string', maxLength: 64 },
            example: 'abc',
          })
          return placeOf(operation, 'parameters', list.length)
        },
      ),
  },
  {
    id: 'repeated-tag',
    what: 'a tag that is declared twice',
    gate: 'lint',
    rule: 'lint/no-duplicated-tag-names',
    targets: (bench) =>
      eachDocument(
        bench,
        ({ value }) => Array.isArray(value.tags) && value.tags.length > 0,
        (draft, document) => {
          const tags = document.value.tags as Json[]
          draft.append(placeOf(document, 'tags'), tags[0] ?? {})
          return placeOf(document, 'tags', tags.length)
        },
      ),
  },
  {
    id: 'silent-tag',
    what: 'a tag without a description',
    gate: 'lint',
    rule: 'lint/tag-description',
    targets: (bench) => {
      const uses = (name: Json | undefined) =>
        bench.ctx
          .source()
          .documents.filter(({ value }) => JSON.stringify(value.tags ?? []).includes(`"name":${JSON.stringify(name)}`))
      return eachDocument(
        bench,
        ({ value }) => Array.isArray(value.tags) && isObject(value.tags[0]) && uses(value.tags[0].name).length === 1,
        (draft, document) => {
          draft.remove(placeOf(document, 'tags', 0, 'description'))
          return placeOf(document, 'tags', 0)
        },
      )
    },
  },
  {
    id: 'unlisted-document',
    what: 'a document that redocly.yaml does not list',
    gate: 'lint',
    rule: 'lint/listed',
    targets: (bench) => {
      const config = 'api-contracts/redocly.yaml'
      return eachDocument(
        bench,
        ({ file }) => bench.read(config).includes(`root: ${nameOf(bench, { file }).replace('api-contracts/', '')}\n`),
        (draft, document) => {
          const root = nameOf(bench, document).replace('api-contracts/', '')
          const alias = new RegExp(
            `^  [\\w-]+:\\n    root: ${root.replaceAll('.', '\\.')}\\n(?:    .*\\n(?:      .*\\n)*)*`,
            'm',
          )
          draft.replace(config, alias, '')
          return placeOf(document, 'openapi')
        },
      )
    },
  },
  {
    id: 'missing-document',
    what: 'the document of a domain that is not there',
    gate: 'lint',
    rule: 'lint/documents',
    follows: {
      mocks: 'its mock is left without a document',
      governance: 'its operations are named there',
      'error-model': 'codes that only it answers with are unused now',
    },
    targets: (bench) =>
      eachDocument(
        bench,
        ({ file }) => /llm-|export|errors/.test(file),
        (draft, { file }) => {
          draft.delete(nameOf(bench, { file }))
          return { file: nameOf(bench, { file: bench.ctx.folder }), line: 1 }
        },
      ),
  },
]

function withoutKey(
  id: string,
  key: string,
  rule: string,
  times = 1,
  what = 'an operation',
  isFit: (operation: SourceOperation) => boolean = () => true,
): Operator {
  return {
    id,
    what: `${what} without \`${key}\``,
    gate: 'lint',
    rule,
    times,
    ...(key === 'operationId' ? { follows: { governance: 'it may be named there' } } : {}),
    targets: (bench) =>
      eachOperation(
        bench,
        (operation) =>
          operation.value[key] !== undefined && !(operation.isVendor && key === 'security') && isFit(operation),
        (draft, operation) => {
          draft.remove(placeOf(operation, key))
          return operation
        },
      ),
  }
}

function otherValue(
  id: string,
  key: string,
  value: Json,
  what: string,
  rule: string,
  at: readonly (string | number)[] = [key],
): Operator {
  return {
    id,
    what,
    gate: 'lint',
    rule,
    targets: (bench) =>
      eachOperation(
        bench,
        // A vendor's webhook without its signature is a fault of governance too.
        (operation) => operation.value[key] !== undefined && !(operation.isVendor && key === 'security'),
        (draft, operation) => {
          draft.set(placeOf(operation, key), value)
          return placeOf(operation, ...at)
        },
      ),
  }
}

function otherId(bench: Bench, change: (id: string, operation: SourceOperation) => string | null): Target[] {
  return eachOperation(
    bench,
    (operation) => change(operation.id, operation) !== null && !isNamedElsewhere(bench, operation),
    (draft, operation) => {
      draft.set(placeOf(operation, 'operationId'), change(operation.id, operation))
      return placeOf(operation, 'operationId')
    },
  )
}

/** Governance and links may name an operation; renaming it would be their fault too. */
function isNamedElsewhere(bench: Bench, { id }: SourceOperation): boolean {
  const linked = bench.ctx
    .source()
    .operations.some(({ replies }) =>
      replies.some(({ response }) => JSON.stringify(response.value.links ?? {}).includes(`"${id}"`)),
    )
  return linked
}

function mustHave(operation: SourceOperation, status: string): boolean {
  const { value, isVendor, parameters, requestBody } = operation
  if (isVendor) return ['401', '413', '429', '503'].includes(status)
  const hasParameterIn = (place: string) => parameters.some((parameter) => parameter.value.in === place)
  const needs: Record<string, boolean> = {
    401: isAuthenticated(operation),
    403: (value['x-required-role'] ?? 'viewer') !== 'viewer' || value['x-required-scope'] !== undefined,
    406: operation.replies.some((reply) => /^2/.test(reply.status) && contentOf(reply.response).length > 0),
    413: requestBody !== null,
    422: parameters.length > 0 || requestBody !== null,
    429: isAuthenticated(operation),
    503: requestBody !== null || hasParameterIn('path') || hasParameterIn('query'),
  }
  return needs[status] === true
}

/** Adds a status with the answer that operations of the same folder share for `like`. */
function withStatus(
  bench: Bench,
  status: string,
  like: string,
  isFit: (operation: SourceOperation) => boolean,
  place: (operation: SourceOperation) => PlantedAt,
): Target[] {
  const { operations } = bench.ctx.source()
  const sharedBy = ({ file }: SourceOperation) =>
    operations
      .filter((other) => dirname(other.file) === dirname(file))
      .map((other) => childOf(other, 'responses', like)?.value)
      .find((written) => typeof written?.$ref === 'string' && !written.$ref.startsWith('#'))
  return eachOperation(
    bench,
    (operation) =>
      isFit(operation) &&
      sharedBy(operation) !== undefined &&
      !operation.replies.some((reply) => reply.status === status),
    (draft, operation) => {
      draft.insert(placeOf(operation, 'responses'), status, sharedBy(operation) ?? {})
      return place(operation)
    },
  )
}

function withoutParameter(
  bench: Bench,
  place: string,
  name: string,
  isFit: (operation: SourceOperation) => boolean,
): Target[] {
  const indexOf = (operation: SourceOperation) => {
    const wanted = parameterOf(operation, place, name.toLowerCase())
    const list = Array.isArray(operation.value.parameters) ? operation.value.parameters : []
    return list.findIndex((_, index) => {
      const written = childOf(operation, 'parameters', index)
      const target = written && follow(bench.ctx.files, written)
      return wanted !== undefined && target?.pointer === wanted.pointer && target.file === wanted.file
    })
  }
  return eachOperation(
    bench,
    (operation) =>
      !operation.isVendor && operation.value['x-domain'] !== 'health' && isFit(operation) && indexOf(operation) !== -1,
    (draft, operation) => {
      draft.removeItem(placeOf(operation, 'parameters', indexOf(operation)))
      return placeOf(operation, 'parameters')
    },
  )
}

function withoutHeader(
  bench: Bench,
  name: string,
  isFit: (operation: SourceOperation, status: string) => boolean,
  place: (reply: { file: string; pointer: string }) => { file: string; pointer: string } = (reply) => reply,
): Target[] {
  return eachReply(
    bench,
    ({ response, status }, operation) =>
      isFit(operation, status) &&
      headersOf(bench.ctx.files, response).length > 1 &&
      headersOf(bench.ctx.files, response).some((header) => header.name === name),
    (draft, { response }) => {
      draft.remove(placeOf(response, 'headers', name))
      return place(response)
    },
  )
}

function eachLink(
  bench: Bench,
  plant: (
    draft: Parameters<Target['plant']>[0],
    link: { file: string; pointer: string },
  ) => ReturnType<Target['plant']>,
): Target[] {
  return bench.ctx.source().operations.flatMap((operation) =>
    operation.replies.flatMap(({ response, status }) =>
      Object.keys(childOf(response, 'links')?.value ?? {}).flatMap((name): Target[] => {
        const link = childOf(response, 'links', name)
        if (link === undefined || link.value.operationId === undefined || !isObject(link.value.parameters)) return []
        return [
          {
            file: nameOf(bench, link),
            name: `${operation.id} ${status} ${name}`,
            plant: (draft) => plant(draft, link),
          },
        ]
      }),
    ),
  )
}

/** Parameters that are written where the operation stands. */
function eachOwnParameter(
  bench: Bench,
  plant: (
    draft: Parameters<Target['plant']>[0],
    parameter: { file: string; pointer: string },
  ) => ReturnType<Target['plant']>,
): Target[] {
  return bench.ctx.source().operations.flatMap((operation) =>
    operation.parameters
      .filter(({ file, value }) => file === operation.file && value.description !== undefined)
      .map((parameter) => ({
        file: nameOf(bench, parameter),
        name: `${operation.id} ${String(parameter.value.name)}`,
        plant: (draft) => plant(draft, parameter),
      })),
  )
}
