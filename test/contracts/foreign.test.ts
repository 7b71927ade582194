import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseYaml } from '@redocly/openapi-core'
import { expect, test } from 'vitest'
import { emitForeignValidators, toJsonSchema2020 } from '../../scripts/contracts/foreign.ts'
import type { JsonObject } from '../../scripts/generate/json.ts'
import { documentOf, emptyWorkspace } from './workspace.ts'

test.for<[string, JsonObject, JsonObject]>([
  ['null', { type: 'string', nullable: true }, { type: ['string', 'null'] }],
  ['no null', { type: 'string', nullable: false }, { type: 'string' }],
  ['null in an enum', { type: 'string', enum: ['a'], nullable: true }, { type: ['string', 'null'], enum: ['a', null] }],
  ['null or a reference', { $ref: '#/x', nullable: true }, { anyOf: [{ $ref: '#/x' }, { type: 'null' }] }],
  ['an open bound', { type: 'integer', minimum: 1, exclusiveMinimum: true }, { type: 'integer', exclusiveMinimum: 1 }],
  ['a closed bound', { type: 'integer', maximum: 9, exclusiveMaximum: false }, { type: 'integer', maximum: 9 }],
  [
    'a property called nullable',
    { properties: { nullable: { type: 'boolean' } } },
    { properties: { nullable: { type: 'boolean' } } },
  ],
  ['an example', { example: { nullable: true } }, { example: { nullable: true } }],
])('OpenAPI 3.0 becomes JSON Schema 2020-12: %s', ([, old, wanted]) => {
  expect(toJsonSchema2020(old)).toEqual(wanted)
})

test('validators of a foreign document load and judge', async () => {
  const { root, write } = emptyWorkspace()
  const schema = '{ type: object, required: [name], properties: { name: { type: string, minLength: 1 } } }'
  const bundle = parseYaml(documentOf({ schema })) as JsonObject
  const { js, count, failures } = emitForeignValidators(bundle)
  expect({ count, failures }).toEqual({ count: 2, failures: [] })
  mkdirSync(join(root, 'node_modules'))
  for (const name of ['ajv', 'ajv-formats']) {
    symlinkSync(join(import.meta.dirname, '../../node_modules', name), join(root, 'node_modules', name))
  }
  write('validators.mjs', js)
  const { validators } = await import(/* @vite-ignore */ pathToFileURL(join(root, 'validators.mjs')).href)
  const [validate] = validators.getThing['200']
  expect([validate({ name: 'a' }), validate({ name: '' }), validate({})]).toEqual([true, false, false])
})

test('documents of several files pass all gates, each place in the file that it is written in', async () => {
  const files = {
    'api/root.yaml': `openapi: 3.0.3
info: { title: Pets, version: '1' }
servers: [{ url: / }]
paths:
  /pets: { $ref: paths/pets.yaml }
`,
    'api/paths/pets.yaml': `get:
  operationId: listPets
  summary: All pets
  security: []
  responses:
    '200':
      description: They.
      content:
        application/json:
          schema: { type: array, items: { $ref: ../schemas/pet.yaml } }
          examples:
            good: { value: [{ name: Rex, age: null }] }
            bad: { value: [{ name: 7 }] }
`,
    'api/schemas/pet.yaml': `type: object
required: [name]
properties:
  name: { type: string }
  age: { type: integer, nullable: true }
`,
  }
  const { root, check } = emptyWorkspace(files)
  const { gates, operations, examples } = await check({
    contracts: join(root, 'api'),
    gates: ['document', 'bundle', 'lint', 'examples', 'validators'],
  })
  expect(gates.map(({ status }) => status)).toEqual(['pass', 'pass', 'pass', 'pass', 'pass'])
  expect([operations, examples]).toEqual([1, 2])
  const invalid = gates.flatMap(({ findings }) => findings).filter(({ rule }) => rule === 'examples/valid')
  expect(invalid).toEqual([
    expect.objectContaining({
      severity: 'warning',
      file: 'api/paths/pets.yaml',
      line: 13,
      message: expect.stringContaining('/0/name must be string'),
    }),
  ])
})

test('npm run generate writes types and validators of others, or says what stands in the way', () => {
  const { root, read, write } = emptyWorkspace({ 'api/v1/things.yaml': documentOf() })
  const script = join(import.meta.dirname, '../../scripts/generate.ts')
  const run = () => {
    const args = [script, '--contracts', join(root, 'api'), '--output', join(root, 'out')]
    return spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  }
  expect(run().status).toBe(0)
  expect(read('out/v1-things.ts')).toContain('getThing:')
  expect(read('out/v1-things.validators.js')).toContain('"getThing": {')
  write('api/v1/things.yaml', documentOf({ schema: "{ $ref: '#/gone' }" }))
  const { status, stderr } = run()
  expect(status).toBe(1)
  expect(stderr).toMatch(/^api\/v1\/things\.yaml:17:\d+ #\/gone leads nowhere/)
})
