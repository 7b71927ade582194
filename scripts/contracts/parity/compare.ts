import { problems } from '../../../generated/problems.ts'
import * as validators from '../../../generated/validators.js'
import { isObject, type Json } from '../../generate/json.ts'
import { compareBodies } from './body.ts'
import { type Cell, type ContractDocument, isMediaType } from './contract.ts'
import { type Disagreement, nameOfSide, type Side, unique } from './disagreement.ts'
import { checkHeaders, compareHeaders } from './headers.ts'
import { isJson, type WitnessReply } from './witness.ts'

/**
 * What is wrong with one answer by itself: status, media type, headers, body and problem code against the contract, by the
 * same closed validators that the tests use.
 */
export function checkReply(cell: Cell, side: Side, reply: WitnessReply): Disagreement[] {
  const who = nameOfSide(side)
  if (reply.status !== cell.status) {
    return [{ matter: 'status', at: '', message: `${who} answers ${reply.status} instead of ${cell.status}` }]
  }
  const contentType = reply.headers['content-type']
  if (!isMediaType(cell.mediaType, contentType)) {
    const [is, should] = [contentType ?? 'no body', cell.mediaType ?? 'no body']
    return [{ matter: 'media_type', at: '', message: `${who} answers with ${is} instead of ${should}` }]
  }
  return [
    ...checkHeaders(cell, side, reply.headers),
    ...checkHeaderValues(cell, who, reply),
    ...checkBody(cell, who, reply),
    ...checkProblem(cell, who, reply),
  ]
}

/** Every disagreement of a cell, from each answer of either side and from the shapes of all of them. */
export function compareCell(
  document: ContractDocument,
  cell: Cell,
  replies: Readonly<Record<Side, readonly WitnessReply[]>>,
): Disagreement[] {
  const { real, mock } = replies
  const bodiesOf = (side: Side) => replies[side].flatMap(({ json }) => (json === undefined ? [] : [json]))
  return unique([
    ...(real.length === 0
      ? [{ matter: 'witness' as const, at: '', message: 'no test has produced this answer on the real server' }]
      : []),
    ...real.flatMap((reply) => checkReply(cell, 'real', reply)),
    ...mock.flatMap((reply) => checkReply(cell, 'mock', reply)),
    ...real.flatMap((left) => mock.flatMap((right) => compareHeaders(cell, left.headers, right.headers))),
    ...compareBodies(document, cell, { real: bodiesOf('real'), mock: bodiesOf('mock') }),
  ])
}

type Replies = Readonly<Record<string, Readonly<Record<number, Readonly<Record<string, validators.Validator>>>>>>
type ReplyHeaders = Readonly<Record<string, Readonly<Record<number, validators.Validator>>>>

function checkBody({ operationId, status, mediaType }: Cell, who: string, reply: WitnessReply): Disagreement[] {
  if (mediaType === null) {
    const isEmpty = reply.json === undefined && reply.text === undefined
    return isEmpty ? [] : [{ matter: 'body', at: '', message: `${who} sends a body where none is documented` }]
  }
  if (!isJson(mediaType)) {
    return reply.text === undefined ? [{ matter: 'body', at: '', message: `${who} sends no body` }] : []
  }
  if (reply.json === undefined) return [{ matter: 'body', at: '', message: `${who} sends no JSON` }]
  const validate = (validators.replies as Replies)[operationId]?.[status]?.[mediaType]
  if (validate === undefined) return [{ matter: 'body', at: '', message: 'the contract has no validator for it' }]
  return validate(reply.json)
    ? []
    : faultsOf(validate).map(({ at, text }) => ({ matter: 'body', at, message: `${who}: ${text}` }))
}

function checkHeaderValues({ operationId, status }: Cell, who: string, reply: WitnessReply): Disagreement[] {
  const validate = (validators.replyHeaders as ReplyHeaders)[operationId]?.[status]
  if (validate === undefined || validate(reply.headers)) return []
  // What is missing has been told by name.
  return faultsOf(validate)
    .filter(({ keyword }) => keyword !== 'required')
    .map(({ at, text }) => ({ matter: 'header', at: at.slice(1), message: `${who}: ${text}` }))
}

function faultsOf({ errors }: validators.Validator): { at: string; text: string; keyword: string }[] {
  return (errors ?? []).map(({ instancePath, keyword, params }) => ({
    at: instancePath,
    keyword,
    text: `the value breaks ${keyword} ${JSON.stringify(params)} of the schema`,
  }))
}

function checkProblem({ codes, status }: Cell, who: string, { json }: WitnessReply): Disagreement[] {
  if (codes === null || !isObject(json)) return []
  const { code, type, title } = json
  const report = (at: string, message: string): Disagreement => ({
    matter: 'problem',
    at,
    message: `${who} ${message}`,
  })
  const known = Object.entries(problems).find(([name]) => name === code)?.[1]
  if (known === undefined) return [report('/code', `has the code ${String(code)}, which is in no registry`)]
  return [
    ...(codes.has(String(code))
      ? []
      : [report('/code', `has the code ${String(code)}, which ${status} does not document`)]),
    ...(type === `/docs/problems/${String(code)}` ? [] : [report('/type', `has the type ${String(type)}`)]),
    ...(title === known.title ? [] : [report('/title', `has the title ${JSON.stringify(title as Json)}`)]),
    ...(json.status === known.status ? [] : [report('/status', `says the status ${String(json.status)}`)]),
  ]
}
