import { isDeepStrictEqual } from 'node:util'
import { isObject, type Json } from '../../generate/json.ts'
import { checkReply } from './compare.ts'
import { type Cell, type ContractDocument, isMediaType, listCells, nameOfCell } from './contract.ts'
import type { Disagreement } from './disagreement.ts'
import { fromExamples, listBodyExamples, type MockRequest, send } from './request.ts'
import { isJson, type WitnessReply } from './witness.ts'

/**
 * example: each documented answer by name. dynamic: made from its schema. natural: what a valid request gets by itself.
 * refusal: a status that the operation does not document.
 */
export const PROBE_KINDS = ['example', 'dynamic', 'natural', 'refusal'] as const
export type ProbeKind = (typeof PROBE_KINDS)[number]

export interface Probe {
  kind: ProbeKind
  /** `login 409 application/problem+json #tenant_selection_required`. */
  name: string
  operationId: string
  request: MockRequest
  /** The answers that are right: one, for `natural` every success of the media type asked for, for `refusal` none. */
  cells: readonly Cell[]
  /** What the answer must be, where an example was asked for by its name. */
  value?: Json
}

export interface ProbeResult {
  probe: Probe
  /** Null: there was none. */
  reply: WitnessReply | null
  disagreements: Disagreement[]
}

/** Everything that the contract says a mock can be asked for. */
export function listProbes(document: ContractDocument): Probe[] {
  const cells = listCells(document)
  const operationIds = [...new Set(cells.map(({ operationId }) => operationId))]
  return [
    ...cells.flatMap((cell) => exampleProbes(document, cell)),
    ...cells.filter(({ schema }) => schema !== null).map((cell) => dynamicProbe(document, cell)),
    ...operationIds.flatMap((id) =>
      naturalProbes(
        document,
        id,
        cells.filter(({ operationId }) => operationId === id),
      ),
    ),
    ...operationIds.flatMap((id) => refusalProbes(document, id, cells)),
  ]
}

function exampleProbes(document: ContractDocument, cell: Cell): Probe[] {
  const { operationId, status } = cell
  const name = nameOfCell(cell)
  const make = (prefer: string, suffix: string, value?: Json): Probe => ({
    kind: 'example',
    name: name + suffix,
    operationId,
    request: withHeaders(fromExamples(document, operationId), { prefer, ...acceptOf(cell) }),
    cells: [cell],
    ...(value === undefined ? {} : { value }),
  })
  const named = cell.examples.filter((example) => example.name !== '')
  return [
    make(`code=${status}`, ''),
    ...named.map((example) => make(`code=${status}, example=${example.name}`, ` #${example.name}`, example.value)),
  ]
}

function dynamicProbe(document: ContractDocument, cell: Cell): Probe {
  const { operationId, status } = cell
  const headers = { prefer: `code=${status}, dynamic=true, seed=parity`, ...acceptOf(cell) }
  const request = withHeaders(fromExamples(document, operationId), headers)
  return { kind: 'dynamic', name: `${nameOfCell(cell)} dynamic`, operationId, request, cells: [cell] }
}

function naturalProbes(document: ContractDocument, operationId: string, cells: readonly Cell[]): Probe[] {
  const successes = cells.filter(({ status }) => status < 400 && status !== 304)
  const mediaTypes = [...new Set(successes.map(({ mediaType }) => mediaType))]
  const bodies = listBodyExamples(document, operationId)
  const choices =
    bodies.length === 0 ? [{}] : bodies.map(({ mediaType, name }) => ({ bodyMediaType: mediaType, body: name }))
  return choices.flatMap((choice) => {
    const about = 'body' in choice ? [`${choice.bodyMediaType} ${choice.body}`] : []
    const make = (suffix: string, request: MockRequest, right: readonly Cell[]): Probe => {
      return { kind: 'natural', name: [operationId, ...about, suffix].join(', '), operationId, request, cells: right }
    }
    return [
      // With all parameters, one of them may choose the media type.
      make('all parameters', fromExamples(document, operationId, { ...choice, isFull: true }), successes),
      ...mediaTypes.map((mediaType) => {
        const request = fromExamples(document, operationId, choice)
        return make(
          mediaType ?? 'no body',
          mediaType === null ? request : withHeaders(request, { accept: mediaType }),
          successes.filter((cell) => cell.mediaType === mediaType),
        )
      }),
    ]
  })
}

/** Every status that other operations document and this one does not. */
function refusalProbes(document: ContractDocument, operationId: string, cells: readonly Cell[]): Probe[] {
  const own = new Set(cells.filter((cell) => cell.operationId === operationId).map(({ status }) => status))
  const foreign = [...new Set(cells.map(({ status }) => status))].filter((status) => !own.has(status))
  return foreign.map((status) => ({
    kind: 'refusal',
    name: `${operationId} ${status}`,
    operationId,
    request: withHeaders(fromExamples(document, operationId), { prefer: `code=${status}` }),
    cells: [],
  }))
}

/** Problems cannot be asked for by `Accept`: they come whatever it says. */
function acceptOf({ mediaType, status }: Cell): Record<string, string> {
  return mediaType === null || status >= 400 ? {} : { accept: mediaType }
}

function withHeaders(request: MockRequest, headers: Record<string, string>): MockRequest {
  return { ...request, headers: { ...request.headers, ...headers } }
}

export interface RunOptions {
  /** Of a mock that serves every path. */
  url: string
  /** Requests at a time. */
  parallel?: number
}

/** Sends them all, in order of the list, several at a time. */
export async function runProbes(probes: readonly Probe[], { url, parallel = 8 }: RunOptions): Promise<ProbeResult[]> {
  const results: ProbeResult[] = new Array(probes.length)
  const waiting = probes.entries()
  const work = async () => {
    for (const [index, probe] of waiting) results[index] = await runProbe(probe, url)
  }
  await Promise.all(Array.from({ length: parallel }, work))
  return results
}

async function runProbe(probe: Probe, url: string): Promise<ProbeResult> {
  try {
    const reply = await send(url, probe.request)
    return { probe, reply, disagreements: judgeProbe(probe, reply) }
  } catch (error) {
    const message = `the mock gives no answer: ${error instanceof Error ? error.message : String(error)}`
    return { probe, reply: null, disagreements: [{ matter: 'status', at: '', message }] }
  }
}

/** What is wrong with the answer to a probe; empty when nothing is. */
export function judgeProbe({ kind, cells, value }: Probe, reply: WitnessReply): Disagreement[] {
  if (kind === 'refusal') return judgeRefusal(reply)
  const cell = cells.find(
    ({ status, mediaType }) => status === reply.status && isMediaType(mediaType, reply.headers['content-type']),
  )
  const wrong = checkReply((cell ?? cells[0]) as Cell, 'mock', reply)
  if (wrong.length > 0 || value === undefined || cell === undefined) return wrong
  const isSame = isJson(cell.mediaType)
    ? isDeepStrictEqual(withoutRequest(reply.json as Json), withoutRequest(value))
    : reply.text === value
  return isSame
    ? []
    : [{ matter: 'body', at: '', message: 'the mock gives another body than the example that was asked for' }]
}

/** The wish itself is wrong, and the answer must say so: it may never make the status up. */
function judgeRefusal({ status, json }: WitnessReply): Disagreement[] {
  const errors = isObject(json) && Array.isArray(json.errors) ? json.errors : []
  const isNamed = errors.some((error) => isObject(error) && error.pointer === '/header/prefer')
  if (status === 400 && isNamed) return []
  return [
    { matter: 'status', at: '', message: `the mock answers ${status} to a wish for a status that is not documented` },
  ]
}

/** Members of a problem that speak of the request, and of no example. */
function withoutRequest(value: Json): Json {
  if (!isObject(value) || value.correlation_id === undefined) return value
  const { correlation_id: _, instance: __, ...rest } = value
  return rest
}
