import { createRequire } from 'node:module'
import type { SchemaToCompile } from './compile-check.ts'

// Prism's own copies of both, with the options of prism-http/dist/validator/validators/utils.js: another Ajv, or other
// options, would accept other schemas.
const requireAsPrism = createRequire(createRequire(import.meta.url).resolve('@stoplight/prism-http'))
const { default: Ajv } = requireAsPrism('ajv/dist/2020')
const { default: addFormats } = requireAsPrism('ajv-formats')
const OPTIONS = { allErrors: true, allowUnionTypes: true, allowMatchingProperties: true, strict: false, logger: false }

function compileAll(schemas: readonly SchemaToCompile[]): string[] {
  const ajv = new Ajv(OPTIONS)
  addFormats(ajv)
  return schemas.flatMap(({ operationId, place, schema }) => {
    try {
      ajv.compile(schema)
      return []
    } catch (error) {
      return [`${operationId}, ${place}: ${error instanceof Error ? error.message : String(error)}`]
    }
  })
}

process.once('message', (schemas: SchemaToCompile[]) => {
  process.send?.(compileAll(schemas))
  process.disconnect()
})
process.once('disconnect', () => process.exit())
