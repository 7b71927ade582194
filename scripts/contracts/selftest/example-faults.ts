import { join } from 'node:path'
import { isObject, type Json } from '../../generate/json.ts'
import { childOf, contentOf, headersOf, placeOf, type SourceNode } from '../source.ts'
import type { Bench, Draft, Operator, PlantedAt, Target } from './operator.ts'
import { type BenchBody, bodyOf, eachOperation, eachReply, nameOf, stringMember } from './targets.ts'

const PROBLEM = 'application/problem+json'
const REGISTRY = 'api-contracts/openapi/v1/_common/problems.yaml'
const SCHEMAS = 'api-contracts/openapi/v1/_common/schemas.yaml'

/** Faults of examples, and of problems: registry, enum and answers. */
export const exampleFaults: readonly Operator[] = [
  {
    id: 'invalid-request-example',
    what: 'an example of a request that does not fit its schema',
    gate: 'examples',
    rule: 'examples/valid',
    times: 2,
    targets: (bench) =>
      eachBody(
        bench,
        'request',
        (body) => stringMember(bench, body) !== undefined,
        (draft, body) => {
          const at = { file: body.media.file, pointer: stringMember(bench, body) ?? '#' }
          draft.set(at, 12)
          return at
        },
      ),
  },
  {
    id: 'unknown-member',
    what: 'an example with a property that its closed schema does not have',
    gate: 'examples',
    rule: 'examples/valid',
    times: 2,
    targets: (bench) =>
      eachBody(
        bench,
        'reply',
        ({ schema, media, examples: [name = ''] }) =>
          schema.value.additionalProperties === false && isObject(childOf(media, 'examples', name, 'value')?.value),
        (draft, { media, examples: [name = ''] }) => {
          draft.insert(placeOf(media, 'examples', name, 'value'), 'unheard_of', true)
          return placeOf(media, 'examples', name, 'value')
        },
      ),
  },
  {
    id: 'invalid-reply-example',
    what: 'an example of an answer that does not fit its schema',
    gate: 'examples',
    rule: 'examples/valid',
    times: 3,
    targets: (bench) =>
      eachBody(
        bench,
        'reply',
        (body) => stringMember(bench, body) !== undefined,
        (draft, body) => {
          const at = { file: body.media.file, pointer: stringMember(bench, body) ?? '#' }
          draft.set(at, 12)
          return at
        },
      ),
  },
  {
    id: 'invalid-vendor-example',
    what: "an example of a vendor's event that does not fit its schema",
    gate: 'examples',
    rule: 'examples/valid',
    times: 2,
    targets: (bench) =>
      eachBody(
        bench,
        'vendor',
        (body) => stringMember(bench, body) !== undefined,
        (draft, body) => {
          const at = { file: body.media.file, pointer: stringMember(bench, body) ?? '#' }
          draft.set(at, 12)
          return at
        },
      ),
  },
  {
    id: 'invalid-parameter-example',
    what: 'an example of a parameter that does not fit its schema',
    gate: 'examples',
    rule: 'examples/valid',
    targets: (bench) =>
      eachParameter(
        bench,
        ({ value }) => value.example !== undefined,
        (draft, parameter) => {
          draft.set(placeOf(parameter, 'example'), { not: 'this' })
          return placeOf(parameter, 'example')
        },
      ),
  },
  {
    id: 'invalid-header-example',
    what: 'an example of a header that does not fit its schema',
    gate: 'examples',
    rule: 'examples/valid',
    targets: (bench) =>
      eachHeader(bench, (draft, header) => {
        draft.set(placeOf(header, 'example'), { not: 'this' })
        return placeOf(header, 'example')
      }),
  },
  {
    id: 'no-request-example',
    what: 'a request without an example',
    gate: 'examples',
    rule: 'examples/present',
    targets: (bench) =>
      eachBody(
        bench,
        'request',
        () => true,
        (draft, { media }) => {
          draft.remove(placeOf(media, 'examples'))
          return media
        },
      ),
  },
  {
    id: 'no-reply-example',
    what: 'a status without an example',
    gate: 'examples',
    rule: 'examples/present',
    times: 3,
    targets: (bench) =>
      eachBody(
        bench,
        'reply',
        () => true,
        (draft, { media }) => {
          draft.remove(placeOf(media, 'examples'))
          return media
        },
      ),
  },
  {
    id: 'no-parameter-example',
    what: 'a parameter without an example',
    gate: 'examples',
    rule: 'examples/present',
    targets: (bench) =>
      eachParameter(
        bench,
        ({ value }) => value.example !== undefined,
        (draft, parameter) => {
          draft.remove(placeOf(parameter, 'example'))
          return parameter
        },
      ),
  },
  {
    id: 'no-header-example',
    what: 'a header without an example',
    gate: 'examples',
    rule: 'examples/present',
    targets: (bench) =>
      eachHeader(bench, (draft, header) => {
        draft.remove(placeOf(header, 'example'))
        return header
      }),
  },
  {
    id: 'unnamed-example',
    what: 'an example of a body without a name',
    gate: 'examples',
    rule: 'examples/named',
    times: 2,
    targets: (bench) =>
      eachBody(
        bench,
        'reply',
        ({ examples }) => examples.length === 1,
        (draft, { media, examples: [name = ''] }) => {
          const { value = null } = childOf(media, 'examples', name)?.value ?? {}
          draft.remove(placeOf(media, 'examples'))
          draft.insert(media, 'example', value)
          return placeOf(media, 'example')
        },
      ),
  },
  {
    id: 'unknown-code',
    what: 'an answer with a code that the registry does not have',
    gate: 'error-model',
    rule: 'error-model/examples',
    follows: { examples: 'the enum of the codes does not have it either' },
    times: 2,
    targets: (bench) => eachProblem(bench, 'code', 'nobody_knows_it'),
  },
  {
    id: 'code-of-another-status',
    what: 'an answer with the code of another status',
    gate: 'error-model',
    rule: 'error-model/examples',
    times: 2,
    targets: (bench) => eachProblem(bench, 'code', 'internal_error'),
  },
  {
    id: 'other-status-member',
    what: 'a problem whose `status` is not the one it stands under',
    gate: 'error-model',
    rule: 'error-model/examples',
    targets: (bench) => eachProblem(bench, 'status', 599),
  },
  {
    id: 'other-title',
    what: 'a problem with a title of its own',
    gate: 'error-model',
    rule: 'error-model/examples',
    targets: (bench) => eachProblem(bench, 'title', 'Oops'),
  },
  {
    id: 'other-type',
    what: 'a problem whose `type` is not the page of its code',
    gate: 'error-model',
    rule: 'error-model/examples',
    targets: (bench) => eachProblem(bench, 'type', '/docs/problems/internal_error'),
  },
  {
    id: 'plain-json-error',
    what: 'an error in application/json',
    gate: 'error-model',
    rule: 'error-model/schema',
    times: 2,
    targets: (bench) =>
      eachProblemReply(bench, (draft, { response }) => {
        draft.rename(placeOf(response, 'content', PROBLEM), 'application/json')
        return placeOf(response, 'content')
      }),
  },
  {
    id: 'own-error-schema',
    what: 'an error with a schema of its own',
    gate: 'error-model',
    rule: 'error-model/schema',
    follows: { examples: 'the example was written for Problem' },
    times: 2,
    targets: (bench) =>
      eachProblemReply(bench, (draft, { response }) => {
        const schema = placeOf(response, 'content', PROBLEM, 'schema')
        draft.set(schema, { type: 'object', additionalProperties: false, properties: {} })
        return schema
      }),
  },
  {
    id: 'optional-code',
    what: 'a Problem whose code may be absent',
    gate: 'error-model',
    rule: 'error-model/schema',
    targets: (bench) =>
      inSchemas(bench, 'Problem', (draft, problem) => {
        const required = problem.value.required as Json[]
        draft.removeItem(placeOf(problem, 'required', required.indexOf('code')))
        return placeOf(problem, 'required')
      }),
  },
  {
    id: 'code-in-capitals',
    what: 'a code that is not in snake_case',
    gate: 'error-model',
    rule: 'error-model/registry',
    follows: { examples: 'the enum has the code as the registry writes it' },
    targets: (bench) =>
      eachCode(bench, (draft, row, code) => {
        const capitals = code.toUpperCase()
        draft.rename(row, capitals)
        const { file } = inFolder(bench, SCHEMAS)
        draft.replace(file, `- ${code}\n`, `- ${capitals}\n`)
        return { ...row, pointer: row.pointer.replace(/[^/]+$/, capitals) }
      }),
  },
  {
    id: 'code-without-status',
    what: 'a code whose status is no error',
    gate: 'error-model',
    rule: 'error-model/registry',
    targets: (bench) =>
      eachCode(bench, (draft, row) => {
        draft.set(placeOf(row, 'status'), 200)
        return placeOf(row, 'status')
      }),
  },
  {
    id: 'code-without-description',
    what: 'a code that nobody explains',
    gate: 'error-model',
    rule: 'error-model/registry',
    targets: (bench) =>
      eachCode(bench, (draft, row) => {
        draft.remove(placeOf(row, 'description'))
        return row
      }),
  },
  {
    id: 'unlisted-code',
    what: 'a code of the registry that the enum lacks',
    gate: 'error-model',
    rule: 'error-model/enum',
    targets: (bench) =>
      inSchemas(bench, 'ProblemCode', (draft, schema) => {
        draft.insert(placeOf(inFolder(bench, REGISTRY), 'problems'), 'probe_failed', {
          status: 500,
          title: 'Probe failed',
          description: 'A probe failed.',
        })
        return placeOf(schema, 'enum')
      }),
  },
  {
    id: 'unregistered-code',
    what: 'a code of the enum that the registry lacks',
    gate: 'error-model',
    rule: 'error-model/enum',
    targets: (bench) =>
      inSchemas(bench, 'ProblemCode', (draft, schema) => {
        const members = schema.value.enum as Json[]
        draft.append(placeOf(schema, 'enum'), 'probe_failed')
        return placeOf(schema, 'enum', members.length)
      }),
  },
  {
    id: 'reordered-codes',
    what: 'codes in another order than in the registry',
    gate: 'error-model',
    rule: 'error-model/enum',
    targets: (bench) =>
      inSchemas(bench, 'ProblemCode', (draft, schema) => {
        const [first = '', second = ''] = schema.value.enum as Json[]
        draft.set(placeOf(schema, 'enum', 0), second)
        draft.set(placeOf(schema, 'enum', 1), first)
        return placeOf(schema, 'enum', 0)
      }),
  },
  {
    id: 'unused-code',
    what: 'a code that no answer shows',
    gate: 'error-model',
    rule: 'error-model/used',
    targets: (bench) =>
      inSchemas(bench, 'ProblemCode', (draft, schema) => {
        const problems = placeOf(inFolder(bench, REGISTRY), 'problems')
        draft.insert(problems, 'probe_failed', {
          status: 409,
          title: 'Probe failed',
          description: 'A probe failed.',
        })
        draft.replace(
          schema.file,
          /^ {8}- \w+\n/m,
          `        - probe_failed\n        - ${String((schema.value.enum as Json[])[0])}\n`,
        )
        return placeOf(problems, 'probe_failed')
      }),
  },
]

function eachBody(
  bench: Bench,
  use: 'request' | 'reply' | 'vendor',
  isFit: (body: BenchBody) => boolean,
  plant: (draft: Draft, body: BenchBody) => PlantedAt,
): Target[] {
  const fitting = (owner: SourceNode | null) => {
    const body = owner === null ? undefined : bodyOf(bench, owner)
    return body !== undefined && body.examples.length > 0 && isFit(body) ? body : undefined
  }
  if (use === 'reply') {
    return eachReply(
      bench,
      ({ response }) => fitting(response) !== undefined,
      (draft, { response }) => plant(draft, fitting(response) as BenchBody),
    )
  }
  return eachOperation(
    bench,
    ({ requestBody, isVendor }) => isVendor === (use === 'vendor') && fitting(requestBody) !== undefined,
    (draft, { requestBody }) => plant(draft, fitting(requestBody) as BenchBody),
  )
}

function eachParameter(
  bench: Bench,
  isFit: (parameter: SourceNode) => boolean,
  plant: (draft: Draft, parameter: SourceNode) => PlantedAt,
): Target[] {
  const found = bench.ctx.source().operations.flatMap(({ parameters }) => parameters)
  return distinct(found.filter(isFit)).map((parameter) => ({
    file: nameOf(bench, parameter),
    name: String(parameter.value.name),
    plant: (draft) => plant(draft, parameter),
  }))
}

function eachHeader(bench: Bench, plant: (draft: Draft, header: SourceNode) => PlantedAt): Target[] {
  const found = bench.ctx
    .source()
    .operations.flatMap(({ replies }) => replies.flatMap(({ response }) => headersOf(bench.ctx.files, response)))
  return distinct(found.filter(({ value }) => value.example !== undefined)).map((header) => ({
    file: nameOf(bench, header),
    name: header.pointer.split('/').at(-1) ?? '',
    plant: (draft) => plant(draft, header),
  }))
}

function distinct<T extends SourceNode>(nodes: readonly T[]): T[] {
  return [...new Map(nodes.map((node) => [`${node.file}${node.pointer}`, node])).values()]
}

/** Problem answers, where they are written: in a document or among the shared ones. */
function eachProblemReply(
  bench: Bench,
  plant: (draft: Draft, reply: { response: SourceNode; media: SourceNode; status: string }) => PlantedAt,
): Target[] {
  const found = bench.ctx.source().operations.flatMap(({ replies }) =>
    replies.flatMap(({ status, response }) =>
      contentOf(response)
        .filter(({ mediaType }) => mediaType === PROBLEM)
        .map((media) => ({ ...response, response, media, status })),
    ),
  )
  return distinct(found).map((reply) => ({
    file: nameOf(bench, reply.response),
    name: `${reply.status} ${reply.response.pointer.split('/').at(-1)}`,
    plant: (draft) => plant(draft, reply),
  }))
}

/** Changes a member of a problem that is the first example of an answer. */
function eachProblem(bench: Bench, member: string, value: Json): Target[] {
  return eachProblemReply(bench, (draft, { media }) => {
    const [name = ''] = Object.keys(childOf(media, 'examples')?.value ?? {})
    const at = placeOf(media, 'examples', name, 'value', member)
    draft.set(at, value)
    return at
  })
}

function inFolder(bench: Bench, file: string): SourceNode {
  const path = join(bench.ctx.root, file)
  const value = bench.ctx.files.parse(path)
  return { file: path, pointer: '#', value: isObject(value) ? value : {} }
}

function inSchemas(bench: Bench, name: string, plant: (draft: Draft, schema: SourceNode) => PlantedAt): Target[] {
  const schema = childOf(inFolder(bench, SCHEMAS), 'components', 'schemas', name)
  return schema === undefined ? [] : [{ file: SCHEMAS, name, plant: (draft) => plant(draft, schema) }]
}

function eachCode(bench: Bench, plant: (draft: Draft, row: SourceNode, code: string) => PlantedAt): Target[] {
  const problems = childOf(inFolder(bench, REGISTRY), 'problems')
  return Object.keys(problems?.value ?? {}).flatMap((code): Target[] => {
    const row = problems && childOf(problems, code)
    return row === undefined ? [] : [{ file: REGISTRY, name: code, plant: (draft) => plant(draft, row, code) }]
  })
}
