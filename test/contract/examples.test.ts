import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import { type OperationId, operations } from '../../generated/operations.ts'
import { replies, replyHeaders, requestErrors, requests, type Validator } from '../../generated/validators.js'

interface Node {
  [key: string]: unknown
}

/** A value in the documents that claims to fit a schema. */
interface Example {
  kind: 'request' | 'parameter' | 'reply' | 'header'
  where: string
  value: unknown
  /** Into the bundle. */
  schemaPointer: string
  operationId: OperationId
  status?: number
  mediaType?: string
  name?: string
}

const folder = join(import.meta.dirname, '../../generated/bundles')
const bundles = readdirSync(folder).map((file) => {
  const bundle = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Node
  return { file, bundle, examples: collect(bundle) }
})

describe.each(bundles)('$file', ({ bundle, examples }) => {
  // Another reading of the schemas than the generated validators: not strict, not compiled ahead, formats of ajv-formats.
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema(bundle, 'bundle')
  const validatorOf = compileOnce(ajv)

  test('every example fits its schema', () => {
    expect(examples.length).toBeGreaterThan(0)
    for (const { where, value, schemaPointer } of examples) {
      const validate = validatorOf(schemaPointer)
      validate(value)
      expect(validate.errors ?? [], where).toEqual([])
    }
  })

  test('every status with a body has a named example', () => {
    const documented = listReplies(bundle).filter(({ response }) => response.content !== undefined)
    expect(documented.length).toBeGreaterThan(0)
    for (const { operationId, status } of documented) {
      const named = examples.filter(
        (example) => example.operationId === operationId && example.status === status && example.name,
      )
      expect(named.filter(({ kind }) => kind === 'reply').length, `${operationId} ${status}`).toBeGreaterThan(0)
    }
  })

  test('every parameter, header and request body has an example', () => {
    const having = new Set(examples.map(({ where }) => where.replace(/ #.*/, '')))
    const wanted = listOperations(bundle).flatMap(({ operationId, node }) => {
      const parameters = asList(node.parameters).map((parameter) => follow(bundle, parameter, ''))
      return [
        ...parameters.map((parameter) => `${operationId} parameter ${String(parameter.node.name)}`),
        ...(node.requestBody === undefined ? [] : [`${operationId} request application/json`]),
        ...listReplies(bundle)
          .filter((reply) => reply.operationId === operationId)
          .flatMap(({ status, response }) =>
            Object.keys(asNode(response.headers)).map((name) => `${operationId} ${status} header ${name}`),
          ),
      ]
    })
    expect(wanted.length).toBeGreaterThan(0)
    expect(wanted.filter((where) => !having.has(where))).toEqual([])
  })
})

describe('the generated validators', () => {
  const all = bundles.flatMap(({ examples }) => examples)

  test('cover every operation of the bundles', () => {
    const ids = bundles.flatMap(({ bundle }) => listOperations(bundle).map(({ operationId }) => operationId))
    expect(ids.toSorted()).toEqual(Object.keys(operations).toSorted())
  })

  test('accept every example', () => {
    const count = { request: 0, reply: 0, header: 0, parameter: 0 }
    for (const example of all) {
      const { kind, operationId, status = 0, mediaType = '', name = '', value, where } = example
      if (kind === 'request') {
        for (const validate of bodyValidators(operationId, mediaType))
          expect(faultsOf(validate, value), where).toEqual([])
      } else if (kind === 'reply') {
        for (const validate of replyValidators(operationId, status, mediaType))
          expect(faultsOf(validate, value), where).toEqual([])
      } else if (kind === 'header') {
        const named = all.filter(
          (other) => other.kind === 'header' && other.operationId === operationId && other.status === status,
        )
        // On the wire, every value is text.
        const headers = Object.fromEntries(named.map((header) => [header.name?.toLowerCase(), String(header.value)]))
        expect(faultsOf(replyHeaders[operationId][status], headers), `${where} ${name}`).toEqual([])
      } else {
        const groups: Record<string, Node> = { path: {}, query: {}, header: {} }
        for (const parameter of operations[operationId].parameters) {
          const written = all.find(
            (other) => other.kind === 'parameter' && other.operationId === operationId && other.name === parameter.name,
          )
          const key = parameter.in === 'header' ? parameter.name.toLowerCase() : parameter.name
          Object.assign(groups[parameter.in] ?? {}, { [key]: written?.value })
        }
        expect(faultsOf(requests[operationId].parameters, groups), where).toEqual([])
      }
      count[kind] += 1
    }
    for (const kind of ['request', 'reply', 'header', 'parameter'] as const)
      expect(count[kind], kind).toBeGreaterThan(0)
  })

  test('refuse what the schemas refuse, and list the faults', () => {
    let refused = 0
    for (const { bundle, examples } of bundles) {
      const ajv = new Ajv2020({ strict: false })
      addFormats.default(ajv)
      ajv.addSchema(bundle, 'bundle')
      const validatorOf = compileOnce(ajv)
      for (const { kind, operationId, status = 0, mediaType = '', value, schemaPointer, where } of examples) {
        if (kind !== 'request' && kind !== 'reply') continue
        const generated =
          kind === 'reply' ? replyValidators(operationId, status, mediaType) : bodyValidators(operationId, mediaType)
        const independent = validatorOf(schemaPointer)
        for (const mutant of mutantsOf(value)) {
          const isValid = independent(mutant)
          for (const validate of generated) {
            expect(faultsOf(validate, mutant).length === 0, `${where}: ${JSON.stringify(mutant)}`).toBe(isValid)
            if (!isValid) refused += 1
          }
        }
      }
    }
    expect(refused).toBeGreaterThan(500)
  })

  test('refuse a property that nobody documented, in every body of ours', () => {
    let count = 0
    for (const { kind, operationId, status = 0, mediaType = '', value, where } of all) {
      const validators =
        kind === 'reply'
          ? replyValidators(operationId, status, mediaType)
          : kind === 'request'
            ? bodyValidators(operationId, mediaType)
            : []
      for (const validate of validators) {
        for (const leaking of withExtraProperty(value)) {
          expect(faultsOf(validate, leaking), where).toContain('additionalProperties')
          count += 1
        }
      }
    }
    expect(count).toBeGreaterThan(100)
  })
})

/** The validator of a place in the bundle; many examples stand for one schema. */
function compileOnce(ajv: Ajv2020): (pointer: string) => ValidateFunction {
  const compiled = new Map<string, ValidateFunction>()
  return (pointer) => {
    const known = compiled.get(pointer) ?? ajv.compile({ $ref: `bundle${pointer}` })
    compiled.set(pointer, known)
    return known
  }
}

/** Keywords of the faults, empty when the value is valid. */
function faultsOf(validate: Validator | null | undefined, value: unknown): string[] {
  if (validate === null || validate === undefined) return ['there is no validator']
  return validate(value) ? [] : (validate.errors ?? []).map(({ keyword }) => keyword)
}

/** None where a vendor decides the body. */
/** A file is a string of bytes to its schema: there is nothing to validate that its handler did not write. */
function replyValidators(operationId: OperationId, status: number, mediaType: string): (Validator | undefined)[] {
  return /[/+]json$/.test(mediaType) ? [replies[operationId][status]?.[mediaType]] : []
}

/** The server validates JSON; other media types are read by their handler first. */
function bodyValidators(operationId: OperationId, mediaType: string): (Validator | null)[] {
  return operations[operationId].acceptsAnyMediaType || mediaType !== 'application/json'
    ? []
    : [requests[operationId].body, requestErrors[operationId].body]
}

/** The value with one part missing or of another kind, for each of its parts. */
function* mutantsOf(value: unknown): Generator<unknown> {
  for (const wrong of [null, 'text \u{1F600}', -1, 0.5, true, [], {}]) yield wrong
  if (typeof value !== 'object' || value === null) return
  for (const [key, child] of Object.entries(value)) {
    if (!Array.isArray(value)) yield Object.fromEntries(Object.entries(value).filter(([other]) => other !== key))
    for (const mutant of mutantsOf(child)) {
      yield Array.isArray(value) ? value.with(Number(key), mutant) : { ...value, [key]: mutant }
    }
  }
}

function* withExtraProperty(value: unknown): Generator<unknown> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield { ...value, password_hash: 'leaked' }
  for (const [key, child] of Object.entries(value)) {
    for (const leaking of withExtraProperty(child)) {
      yield Array.isArray(value) ? value.with(Number(key), leaking) : { ...value, [key]: leaking }
    }
  }
}

function collect(bundle: Node): Example[] {
  const fromOperations = listOperations(bundle).flatMap(({ operationId, pointer, node }) => {
    const parameters = asList(node.parameters).flatMap((written, index) => {
      const parameter = follow(bundle, written, `${pointer}/parameters/${index}`)
      const name = String(parameter.node.name)
      return examplesOf(parameter.node).map(
        ({ value, label }): Example => ({
          kind: 'parameter',
          where: `${operationId} parameter ${name}${label}`,
          value,
          schemaPointer: `${parameter.pointer}/schema`,
          operationId,
          name,
        }),
      )
    })
    const body = follow(bundle, asNode(node.requestBody), `${pointer}/requestBody`)
    const bodies = contentExamples(body).map(
      (example): Example => ({
        ...example,
        kind: 'request',
        where: `${operationId} request ${example.where}`,
        operationId,
      }),
    )
    return [...parameters, ...bodies]
  })
  const fromReplies = listReplies(bundle).flatMap(({ operationId, status, response, pointer }) => {
    const bodies = contentExamples({ node: response, pointer }).map(
      (example): Example => ({
        ...example,
        kind: 'reply',
        where: `${operationId} ${status} ${example.where}`,
        operationId,
        status,
      }),
    )
    const headers = Object.entries(asNode(response.headers)).flatMap(([name, written]) => {
      const header = follow(bundle, asNode(written), `${pointer}/headers/${name}`)
      return examplesOf(header.node).map(
        ({ value, label }): Example => ({
          kind: 'header',
          where: `${operationId} ${status} header ${name}${label}`,
          value,
          schemaPointer: `${header.pointer}/schema`,
          operationId,
          status,
          name,
        }),
      )
    })
    return [...bodies, ...headers]
  })
  return [...fromOperations, ...fromReplies]
}

function contentExamples({ node, pointer }: { node: Node; pointer: string }) {
  return Object.entries(asNode(node.content)).flatMap(([mediaType, media]) =>
    examplesOf(asNode(media)).map(({ value, name, label }) => ({
      where: `${mediaType}${label}`,
      value,
      mediaType,
      schemaPointer: `${pointer}/content/${mediaType.replaceAll('/', '~1')}/schema`,
      ...(name === undefined ? {} : { name }),
    })),
  )
}

function examplesOf(node: Node): { value: unknown; name?: string; label: string }[] {
  const named = Object.entries(asNode(node.examples)).map(([name, example]) => ({
    value: asNode(example).value,
    name,
    label: ` #${name}`,
  }))
  return node.example === undefined ? named : [...named, { value: node.example, label: '' }]
}

function listOperations(bundle: Node): { operationId: OperationId; pointer: string; node: Node }[] {
  return Object.entries(asNode(bundle.paths)).flatMap(([path, item]) =>
    Object.entries(asNode(item))
      .filter(([, node]) => asNode(node).operationId !== undefined)
      .map(([method, node]) => ({
        operationId: asNode(node).operationId as OperationId,
        pointer: `#/paths/${path.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}/${method}`,
        node: asNode(node),
      })),
  )
}

function listReplies(bundle: Node): { operationId: OperationId; status: number; response: Node; pointer: string }[] {
  return listOperations(bundle).flatMap(({ operationId, pointer, node }) =>
    Object.entries(asNode(node.responses)).map(([status, written]) => {
      const response = follow(bundle, asNode(written), `${pointer}/responses/${status}`)
      return { operationId, status: Number(status), response: response.node, pointer: response.pointer }
    }),
  )
}

function follow(bundle: Node, node: Node, pointer: string): { node: Node; pointer: string } {
  if (typeof node.$ref !== 'string') return { node, pointer }
  const target = node.$ref
    .slice(2)
    .split('/')
    .reduce((parent, token) => asNode(parent[token.replaceAll('~1', '/')]), bundle)
  return follow(bundle, target, node.$ref)
}

function asNode(value: unknown): Node {
  return typeof value === 'object' && value !== null ? (value as Node) : {}
}

function asList(value: unknown): Node[] {
  return Array.isArray(value) ? value.map(asNode) : []
}
