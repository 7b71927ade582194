import findMyWay from 'find-my-way'
import { malformed } from './json.ts'
import { decodePercent } from './parameters.ts'

export interface Route<T> {
  /** Upper case. */
  method: string
  /** OpenAPI template: `/orders/{order_id}/credits`. */
  path: string
  target: T
}

export type Match<T> =
  | { kind: 'found'; target: T; params: Record<string, string> }
  /** The path exists for these methods (HEAD and OPTIONS included), not for the one asked. */
  | { kind: 'other_method'; allow: string }
  | { kind: 'none' }

export interface Router<T> {
  /** `path` is the raw path of the request target, without the query. Throws `malformed_request` for broken percent-encoding. */
  match(method: string, path: string): Match<T>
  /** Value of `Allow` for `OPTIONS *`. */
  allMethods: string
}

/** Longer path parameters than a whole request line may be cannot arrive: the schema decides about length, not the router. */
const MAX_PARAM_LENGTH = 16_384

/**
 * Finds a route in time proportional to the length of the path, whatever the number of routes (openapi-backend's own
 * router builds one regular expression per operation and request). Case-sensitive; a trailing or doubled slash is another
 * path; an empty path parameter matches nothing. HEAD is answered by GET. A path that some route has literally is that
 * route's alone, whatever the method (https://spec.openapis.org/oas/v3.1.1.html#paths-object): beside `POST /orders/replay`
 * no `GET /orders/{order_id}` reads `replay` as an id. Throws when two routes would be ambiguous.
 */
export function createRouter<T>(routes: readonly Route<T>[]): Router<T> {
  const router = findMyWay({ caseSensitive: true, maxParamLength: MAX_PARAM_LENGTH })
  const methods = new Set<string>()
  const literals = new Set<string>()
  for (const { method, path, target } of routes) {
    methods.add(method)
    const names: string[] = []
    // Positional names, since find-my-way would cut a name at `-` or `.`.
    const pattern = path
      .replaceAll(':', '::')
      .replace(/\{([^{}]+)\}/g, (_, name: string) => `:p${names.push(name) - 1}`)
    if (names.length === 0) literals.add(path)
    router.on(method as findMyWay.HTTPMethod, pattern, noop, { target, names } satisfies Stored<T>)
  }
  const allowed = [...methods]

  function find(method: string, path: string, isLiteral: boolean): Match<T> | undefined {
    const found = router.find(method as findMyWay.HTTPMethod, path)
    if (found === null) return undefined
    const { target, names } = found.store as Stored<T>
    if (isLiteral && names.length > 0) return undefined
    const params: Record<string, string> = {}
    for (let i = 0; i < names.length; i++) {
      const value = found.params[`p${i}`]
      if (value === undefined || value === '') return undefined
      params[names[i] as string] = value
    }
    return { kind: 'found', target, params }
  }

  return {
    allMethods: allowHeader(allowed),
    match(method, path) {
      if (path.includes('%')) decodePercent(path, '/path')
      // find-my-way would cut the path here; a request target has no fragment (RFC 9112 section 3.2).
      if (path.includes('#')) throw malformed('fragment', 'The request target holds a fragment.', '/path')
      // As find-my-way reads it: an escaped letter is that letter, and an escaped slash is none.
      const isLiteral = literals.has(path.includes('%') ? decodeURI(path) : path)
      const found = find(method, path, isLiteral) ?? (method === 'HEAD' ? find('GET', path, isLiteral) : undefined)
      if (found !== undefined) return found
      const others = allowed.filter((other) => find(other, path, isLiteral) !== undefined)
      return others.length === 0 ? { kind: 'none' } : { kind: 'other_method', allow: allowHeader(others) }
    },
  }
}

interface Stored<T> {
  target: T
  names: string[]
}

function noop(): void {}

function allowHeader(methods: readonly string[]): string {
  const all = new Set(methods)
  if (all.has('GET')) all.add('HEAD')
  all.add('OPTIONS')
  return [...all].sort().join(', ')
}
