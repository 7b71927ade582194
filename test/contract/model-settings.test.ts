import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ParameterRule } from '../../src/attribution/models/model.ts'
import { ATTRIBUTION_MODELS } from '../../src/attribution/models/registry.ts'

interface Schema {
  type?: string
  minimum?: number
  maximum?: number
  maxItems?: number
  enum?: readonly string[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: readonly string[]
  $ref?: string
}

const bundle = JSON.parse(readFileSync(join(import.meta.dirname, '../../generated/bundles/tenants.json'), 'utf8')) as {
  components: { schemas: Record<string, Schema> }
}
const { schemas } = bundle.components
const settings = schemas.ModelSettings?.properties ?? {}

function resolve(schema: Schema): Schema {
  return schema.$ref === undefined ? schema : (schemas[schema.$ref.split('/').at(-1) as string] as Schema)
}

function toSchema(rule: ParameterRule): Schema {
  switch (rule.kind) {
    case 'integer':
      return { type: 'integer', minimum: rule.min, maximum: rule.max }
    case 'integers': {
      const { min: minimum, max: maximum, maxItems } = rule
      return { type: 'array', maxItems, items: { type: 'integer', minimum, maximum } }
    }
    case 'flag':
      return { type: 'boolean' }
    case 'choice':
      return { type: 'string', enum: rule.values }
    case 'text':
      return { type: 'string' }
  }
}

const adjustable = ATTRIBUTION_MODELS.filter(({ parameters }) => Object.keys(parameters).length > 0)

test('every model that has parameters can be set, and no other', () => {
  expect(Object.keys(settings).sort()).toEqual(adjustable.map(({ name }) => name).sort())
})

test.each(adjustable)('the contract takes for $name what the model takes', ({ name, parameters }) => {
  const { properties = {}, required = [] } = settings[name] ?? {}
  expect([...required].sort()).toEqual(Object.keys(parameters).sort())
  for (const [parameter, rule] of Object.entries(parameters)) {
    expect(resolve(properties[parameter] ?? {}), parameter).toMatchObject(toSchema(rule))
  }
})
