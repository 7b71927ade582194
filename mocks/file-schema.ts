import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Validator } from '../generated/validators.js'
import type { MockContract, OpenApiBundle } from './contract.ts'
import { isJson } from './media.ts'

/** Of what is not JSON: a table, a text, a file. The generated validators leave these out, since the server only streams them. */
export type FileValidators = (operationId: string, status: number, mediaType: string) => Validator | undefined

interface ResponseNode {
  $ref?: string
  content?: Record<string, { schema?: object }>
}

/** Compiles them all. Throws an error that names the operation whose schema does not compile. */
export function compileFileSchemas({ bundles }: MockContract): FileValidators {
  const validators = new Map<string, Validator>()
  for (const [domain, bundle] of bundles) {
    const files = [...listFiles(bundle)]
    if (files.length === 0) continue
    const ajv = new Ajv2020({ strict: false, messages: false, validateFormats: false })
    ajv.addSchema({ $id: domain, components: bundle.components ?? {} })
    for (const { operationId, status, mediaType, schema } of files) {
      try {
        const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', `"$ref":"${domain}#/`)) as object
        validators.set(`${operationId} ${status} ${mediaType}`, ajv.compile(absolute) as unknown as Validator)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        throw new Error(`${operationId}: the schema of ${status} ${mediaType} does not compile: ${reason}`)
      }
    }
  }
  return (operationId, status, mediaType) => validators.get(`${operationId} ${status} ${mediaType}`)
}

function* listFiles(bundle: OpenApiBundle) {
  for (const item of Object.values(bundle.paths)) {
    for (const { operationId, responses } of Object.values(item)) {
      if (operationId === undefined) continue
      for (const [status, node] of Object.entries((responses ?? {}) as Record<string, ResponseNode>)) {
        const { content = {} } = follow(bundle, node)
        for (const [mediaType, { schema = {} }] of Object.entries(content)) {
          if (!isJson(mediaType)) yield { operationId, status, mediaType, schema }
        }
      }
    }
  }
}

function follow(bundle: OpenApiBundle, node: ResponseNode): ResponseNode {
  if (node.$ref === undefined) return node
  const tokens = node.$ref.slice('#/'.length).split('/')
  const names = tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
  return names.reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], bundle) as ResponseNode
}
