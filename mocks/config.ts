import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import schema from './config.schema.json' with { type: 'json' }
import type { Fault } from './prefer.ts'

export interface InjectionConfig {
  /** At most 30,000. */
  delay_ms?: number
  fault?: Fault
  /** 0 to 1: of the requests, the share that meets the fault. */
  rate?: number
  rate_limit?: { limit: number; window_s: number }
}

/** The shape is `config.schema.json`. */
export interface MockConfig {
  seed?: number
  /** By operationId; `*` is every operation that does not say otherwise. */
  operations: Record<string, InjectionConfig>
}

/** Throws an error that names the file and the place in it. */
export function readConfig(file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`${file} cannot be read: ${(error as Error).message}`)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${file} is not JSON: ${(error as Error).message}`)
  }
}

/** Throws an error that lists every fault with its JSON Pointer. */
export function checkConfig(value: unknown, operationIds: readonly string[]): MockConfig {
  const ajv = new Ajv2020({ allErrors: true })
  const validate = ajv.compile<MockConfig>(schema)
  const faults = validate(value)
    ? Object.keys(value.operations)
        .filter((id) => id !== '*' && !operationIds.includes(id))
        .map((id) => `/operations/${id}: there is no such operation`)
    : (validate.errors ?? []).map(({ instancePath, message, params }) => {
        const name = params.additionalProperty ?? params.propertyName
        return `${instancePath}${name === undefined ? '' : `/${String(name)}`}: ${message ?? 'is wrong'}`
      })
  if (faults.length > 0) throw new Error(`the configuration is wrong:\n  ${[...new Set(faults)].join('\n  ')}`)
  return value as MockConfig
}
