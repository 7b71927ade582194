import { createRequire } from 'node:module'
import {
  createInstance,
  getHttpOperationsFromSpec,
  type IHttpConfig,
  type PrismHttpComponents,
} from '@stoplight/prism-http'
import type { AnyReply } from '../src/http/operations.ts'
import type { OpenApiBundle } from './contract.ts'

export type PrismOperation = Awaited<ReturnType<typeof getHttpOperationsFromSpec>>[number]

/** What Prism is to answer; it decides about everything that is left out. */
export interface PrismWish {
  code?: number | undefined
  example?: string | undefined
  dynamic?: boolean | undefined
  seed?: string | undefined
  mediaType?: string | undefined
}

/** One engine of Prism, over one document. */
export interface PrismEngine {
  operations: readonly PrismOperation[]
  /** Throws what Prism has to say when it cannot answer. */
  answer(operationId: string, wish: PrismWish): Promise<AnyReply>
}

/**
 * Prism chooses and makes the answer, nothing else. Its checks of requests are off, because ours run before it: Prism does
 * not enforce `unevaluatedProperties` and `prefixItems`, changes values by coercion, sees neither 405 nor 413, and
 * answers a bad request with the example of a 422 that speaks of other faults. Its check of answers is off, because it
 * knows no closed schemas. Its router is passed by: it sorts all operations of a document for each request.
 */
const CONFIG: IHttpConfig = {
  isProxy: false,
  validateRequest: false,
  validateResponse: false,
  checkSecurity: false,
  errors: false,
  upstreamProxy: undefined,
  mock: { dynamic: false },
}

type Logger = PrismHttpComponents['logger']
const silent = new Proxy({} as Logger, {
  get: (_target, name) => (name === 'child' ? () => silent : () => undefined),
})

/**
 * Arrays of generated bodies. Without a bound the faker fills each up to its `maxItems`: a body of ours then took up to
 * 8 s and a gigabyte, and with this 10 ms at most.
 */
const MAX_GENERATED_ITEMS = 5
const requireAsPrism = createRequire(createRequire(import.meta.url).resolve('@stoplight/prism-http'))
requireAsPrism('json-schema-faker').JSONSchemaFaker.option('maxItems', MAX_GENERATED_ITEMS)

/** Of one document, with `jsonSchemaDialect` set. */
export async function createPrism(bundle: OpenApiBundle): Promise<PrismEngine> {
  // The parser replaces references in the object that it is given.
  const operations = await getHttpOperationsFromSpec(structuredClone(bundle))
  const byId = new Map(operations.map((operation) => [operation.iid, operation]))
  const prism = createInstance(CONFIG, { logger: silent })
  const known = new Map<string, Promise<AnyReply>>()

  async function ask(operation: PrismOperation, { code, example, dynamic = false, seed, mediaType }: PrismWish) {
    const method = operation.method as 'get'
    const mock = {
      dynamic,
      ...(code !== undefined && { code }),
      ...(example !== undefined && { exampleKey: example }),
      ...(mediaType !== undefined && { mediaTypes: [mediaType] }),
      ...(seed !== undefined && { seed }),
    }
    // A template matches itself.
    const request = { method, url: { path: operation.path }, headers: {} }
    const result = await prism.request(request, [operation], { ...CONFIG, mock })()
    if (result._tag === 'Left') throw result.left
    return toReply(result.right.output)
  }

  return {
    operations,
    answer(operationId, wish) {
      const operation = byId.get(operationId)
      if (operation === undefined) return Promise.reject(new Error(`Prism does not know the operation ${operationId}`))
      if (wish.dynamic) return ask(operation, wish)
      // Examples do not change: asked once, the rest is a look-up.
      const key = JSON.stringify([operationId, wish.code, wish.example, wish.mediaType])
      let answer = known.get(key)
      if (answer === undefined) {
        answer = ask(operation, wish)
        known.set(key, answer)
      }
      return answer
    },
  }
}

function toReply({
  statusCode,
  headers = {},
  body,
}: {
  statusCode: number
  headers?: object
  body?: unknown
}): AnyReply {
  const own: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    // Prism's `deprecation: true` is from before RFC 9745; where the contract has the header, it stands beside it.
    if (name === 'deprecation' || value === null || value === undefined) continue
    own[name === 'Content-type' ? 'Content-Type' : name] = String(value)
  }
  return { status: statusCode, headers: own, body }
}
