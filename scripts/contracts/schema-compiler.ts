import { createHash } from 'node:crypto'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { atPointer, type JsonObject } from '../generate/json.ts'

/** Schemas of one bundle, by pointer. Another reading than the generated validators: not strict, formats of ajv-formats. */
export interface SchemaCompiler {
  bundle: JsonObject
  ajv: Ajv2020
  /** A message where the schema does not compile. */
  compile: (pointer: string) => ValidateFunction | string
  /** Equal for schemas that mean the same, references included: what was valid under one is valid under the other. */
  fingerprint: (pointer: string) => string
  /** Under which Ajv knows a schema that was compiled. */
  keyOf: (pointer: string) => string
}

export function compileSchemas(bundle: JsonObject): SchemaCompiler {
  const ajv = new Ajv2020({
    strict: false,
    allErrors: false,
    inlineRefs: false,
    logger: false,
    code: { source: true, esm: true },
  })
  addFormats.default(ajv)
  ajv.addSchema(bundle, 'bundle')
  const known = new Map<string, ValidateFunction | string>()
  const keys = new Map<string, string>()
  const keyOf = (pointer: string): string => {
    const key = keys.get(pointer) ?? `schema${keys.size}`
    keys.set(pointer, key)
    return key
  }
  return {
    bundle,
    ajv,
    keyOf,
    fingerprint: fingerprints(bundle),
    compile(pointer) {
      const found = known.get(pointer)
      if (found !== undefined) return found
      let compiled: ValidateFunction | string
      try {
        const key = keyOf(pointer)
        compiled = ajv.addSchema({ $ref: `bundle${encodePointer(pointer)}` }, key).getSchema(key) ?? 'is not a schema'
      } catch (error) {
        compiled = error instanceof Error ? error.message : String(error)
      }
      known.set(pointer, compiled)
      return compiled
    },
  }
}

/** Of a schema and all that it refers to. */
function fingerprints(bundle: JsonObject): (pointer: string) => string {
  const texts = new Map<string, { hash: string; refs: string[] }>()
  const read = (pointer: string) => {
    const known = texts.get(pointer)
    if (known !== undefined) return known
    const text = JSON.stringify(atPointer(bundle, pointer)) ?? 'absent'
    const refs = [...text.matchAll(/"\$ref":"(#[^"]*)"/g)].map(([, ref = '']) => ref)
    const entry = { hash: createHash('sha1').update(text).digest('base64'), refs }
    texts.set(pointer, entry)
    return entry
  }
  const known = new Map<string, string>()
  return (pointer) => {
    const found = known.get(pointer)
    if (found !== undefined) return found
    const hash = createHash('sha1')
    const seen = new Set<string>()
    const pending = [pointer]
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (seen.has(next)) continue
      seen.add(next)
      const entry = read(next)
      // The first is known by what it says, not by where it stands.
      hash.update(`${seen.size === 1 ? '' : next} ${entry.hash}\n`)
      pending.push(...entry.refs)
    }
    const made = hash.digest('base64')
    known.set(pointer, made)
    return made
  }
}

/** A pointer in a URI fragment: Ajv reads it with a URI parser. */
function encodePointer(pointer: string): string {
  return `#${pointer.slice(1).split('/').map(encodeURIComponent).join('/')}`
}

export function describeError(error: ErrorObject | undefined): string {
  if (error === undefined) return 'is not valid'
  const where = error.instancePath === '' ? 'the value' : error.instancePath
  const { additionalProperty, allowedValues } = error.params as {
    additionalProperty?: string
    allowedValues?: unknown[]
  }
  const detail =
    additionalProperty !== undefined
      ? `: ${additionalProperty}`
      : allowedValues !== undefined
        ? `: ${allowedValues.slice(0, 8).join(', ')}`
        : ''
  return `${where} ${error.message ?? 'is not valid'}${detail}`
}
