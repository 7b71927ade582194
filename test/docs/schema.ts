import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import openapi from '../../generated/openapi.json' with { type: 'json' }

const ajv = new Ajv2020({ strict: false, allErrors: true })
// CommonJS: TypeScript and Node disagree about what the default is.
const add = (addFormats as unknown as { default?: (ajv: Ajv2020) => void }).default ?? addFormats
;(add as (ajv: Ajv2020) => void)(ajv)
ajv.addSchema(openapi, 'contract')

/** What is wrong with a value by a named schema of the contract; empty where it is valid. */
export function schemaErrors(name: string, value: unknown): string[] {
  const validate = ajv.compile({ $ref: `contract#/components/schemas/${name}` })
  return validate(value) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
}
