import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import ajvFormats from 'ajv-formats'
import { isObject, type Json } from '../../generate/json.ts'
import type { CheckContext } from '../context.ts'
import type { Fault, Place } from '../finding.ts'
import { placeOf } from '../source.ts'
import {
  type CanonicalEvents,
  type Coverage,
  type FieldMap,
  GOVERNANCE_FOLDER,
  type Invariants,
  type LedgerStates,
  type Owners,
  type Policies,
  type Transforms,
} from './data.ts'

/** A file of the governance folder with the place where it is written. */
export interface Written<T> extends Place {
  data: T
}

export interface Governance {
  folder: string
  canonical: Written<CanonicalEvents>
  states: Written<LedgerStates>
  coverage: Written<Coverage>
  transforms: Written<Transforms>
  invariants: Written<Invariants>
  policies: Written<Policies>
  owners: Written<Owners>
  maps: Written<FieldMap>[]
}

const FILES = {
  canonical: 'canonical-events',
  states: 'ledger-states',
  coverage: 'coverage',
  transforms: 'transforms',
  invariants: 'invariants',
  policies: 'policies',
  owners: 'owners',
} as const

/** The files, and what is wrong with their shape; `governance` is null where a rule could not read them. */
export function readGovernance(ctx: CheckContext): { governance: Governance | null; faults: Fault[] } {
  const folder = join(ctx.home, 'governance')
  const faults: Fault[] = []
  const read = (name: string, schema: string): Written<Json> => {
    const file = join(folder, name)
    const place = { file, pointer: '#' }
    const data = ctx.files.parse(file)
    const validate = validatorOf(schema)
    if (!validate(data)) faults.push(...(validate.errors ?? []).filter(isTelling).map((error) => toFault(place, error)))
    return { ...place, data }
  }
  const single = Object.entries(FILES).map(([key, name]) => [key, read(`${name}.yaml`, name)])
  const maps = listMaps(folder).map((name) => read(`field-maps/${name}`, 'field-map'))
  if (faults.length > 0) return { governance: null, faults }
  return { governance: { folder, ...Object.fromEntries(single), maps } as Governance, faults }
}

function listMaps(folder: string): string[] {
  if (!existsSync(join(folder, 'field-maps'))) return []
  return readdirSync(join(folder, 'field-maps'))
    .filter((name) => name.endsWith('.yaml'))
    .sort()
}

const validators = new Map<string, ValidateFunction>()

/** Of our own folder: a copy that is checked cannot loosen them. */
function validatorOf(name: string): ValidateFunction {
  const known = validators.get(name)
  if (known !== undefined) return known
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false, allowUnionTypes: true })
  ajvFormats.default(ajv)
  const made = ajv.compile(JSON.parse(readFileSync(join(GOVERNANCE_FOLDER, 'schemas', `${name}.json`), 'utf8')))
  validators.set(name, made)
  return made
}

/** A failed branch of a choice says nothing that the choice itself does not say. */
function isTelling({ keyword, schemaPath }: ErrorObject): boolean {
  return !/\/(?:anyOf|oneOf)\/\d+\//.test(schemaPath) && keyword !== 'if'
}

function toFault(document: Place, { instancePath, keyword, params, message = 'is wrong' }: ErrorObject): Fault {
  const at = { file: document.file, pointer: `#${instancePath}` }
  const name = nameOf(instancePath)
  if (keyword === 'additionalProperties') {
    const { additionalProperty } = params as { additionalProperty: string }
    return fault('data', placeOf(at, additionalProperty), `${name} has no member ${additionalProperty}`)
  }
  if (keyword === 'propertyNames') {
    const { propertyName } = params as { propertyName: string }
    return fault('data', placeOf(at, propertyName), `${name} has a member with a name that is not allowed`)
  }
  return fault('data', at, `${name} ${message}`)
}

function nameOf(instancePath: string): string {
  return instancePath === '' ? 'the file' : instancePath
}

export function fault(rule: string, at: Place, message: string): Fault {
  return { rule: `governance/${rule}`, at, message }
}

export function isNamed(value: unknown, key: string): boolean {
  return isObject(value) && Object.hasOwn(value, key)
}
