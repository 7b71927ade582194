import type { Validator } from '../../generated/validators.js'
import type { ProblemItem } from '../problem/problem.ts'
import { escapePointer } from './json.ts'

type AjvError = NonNullable<Validator['errors']>[number]

/** Characters; a member name of a hostile body may be a megabyte long. */
const MAX_TEXT = 200

/** The contract's bound on `errors`. */
const MAX_ITEMS = 100

/** One item per fault, without repeats. `root` is '' for parameters (whose paths start with /path, /query or /header) and '/body' for bodies. */
export function toProblemItems(errors: Validator['errors'], root: '' | '/body'): ProblemItem[] {
  const items = new Map<string, ProblemItem>()
  for (const error of errors ?? []) {
    if (items.size >= MAX_ITEMS) break
    // Says only that the branch failed, whose own faults stand beside it.
    if (error.keyword === 'if') continue
    const pointer = cut(`${root}${error.instancePath}${ownToken(error)}`)
    const code = error.keyword === 'false schema' ? 'not_allowed' : error.keyword
    const key = `${pointer} ${code}`
    if (!items.has(key)) items.set(key, { pointer, code: cut(code), detail: cut(describe(error)) })
  }
  return [...items.values()]
}

/** Ajv reports a missing or surplus member at its object; the pointer should name the member. */
function ownToken({ keyword, params }: AjvError): string {
  if (keyword === 'required') return `/${escapePointer(String(params.missingProperty))}`
  if (keyword === 'additionalProperties') return `/${escapePointer(String(params.additionalProperty))}`
  if (keyword === 'unevaluatedProperties') return `/${escapePointer(String(params.unevaluatedProperty))}`
  return ''
}

/** Sentences of our own, since the validators are generated without messages and Ajv's would quote input. */
function describe({ keyword, params }: AjvError): string {
  const limit = String(params.limit ?? '')
  switch (keyword) {
    case 'required':
      return 'This member is required.'
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return 'There is no such member.'
    case 'false schema':
      return 'This member does not go with the others.'
    case 'type':
      return `Must be of type ${String(params.type)}.`
    case 'enum':
      return `Must be one of: ${(Array.isArray(params.allowedValues) ? params.allowedValues : []).map(String).join(', ')}.`
    case 'const':
      return `Must be ${JSON.stringify(params.allowedValue)}.`
    case 'format':
      return `Must be in the format ${String(params.format)}.`
    case 'pattern':
      return `Must match ${String(params.pattern)}.`
    case 'minLength':
      return `Must have at least ${limit} characters.`
    case 'maxLength':
      return `Must have at most ${limit} characters.`
    case 'minItems':
      return `Must have at least ${limit} items.`
    case 'maxItems':
      return `Must have at most ${limit} items.`
    case 'minProperties':
      return `Must have at least ${limit} members.`
    case 'maxProperties':
      return `Must have at most ${limit} members.`
    case 'uniqueItems':
      return 'Must not hold equal items.'
    case 'multipleOf':
      return `Must be a multiple of ${String(params.multipleOf)}.`
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return `Must be ${String(params.comparison)} ${limit}.`
    default:
      return `Does not meet ${keyword}.`
  }
}

function cut(text: string): string {
  if (text.length <= MAX_TEXT) return text
  // Whole code points only: half a surrogate pair would not be valid JSON text.
  const head = text.slice(0, MAX_TEXT - 1)
  return `${head.isWellFormed() ? head : head.slice(0, -1)}…`
}
