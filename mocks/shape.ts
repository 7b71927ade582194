/** What one answer looks like to a program that reads it. */
export interface Seen {
  status: number
  headers: Readonly<Record<string, string | string[] | number | undefined>>
  body: Buffer
}

/** Of the connection, the cache on the way, or the gateway itself: no property of the operation. */
const NOT_COMPARED =
  /^(?:date|connection|keep-alive|content-length|transfer-encoding|vary|via|server|x-served-by|x-mock-reason|preference-applied|access-control-.*)$/

/** Sentences, one per difference; empty when a program could not tell the two apart. */
export function compareAnswers(mock: Seen, real: Seen): string[] {
  if (mock.status !== real.status) return [`status ${mock.status} on the mock, ${real.status} on the real server`]
  const differences: string[] = []
  const [mockType, realType] = [mediaTypeOf(mock), mediaTypeOf(real)]
  if (mockType !== realType) differences.push(`media type ${mockType} on the mock, ${realType} on the real server`)
  differences.push(...compareNames('header', headerNames(mock), headerNames(real)))
  if (mockType === realType && /json$/.test(mockType)) differences.push(...compareBodies(mock.body, real.body))
  return differences
}

function compareNames(what: string, mock: ReadonlySet<string>, real: ReadonlySet<string>): string[] {
  return [
    ...[...mock].filter((name) => !real.has(name)).map((name) => `${what} ${name} only on the mock`),
    ...[...real].filter((name) => !mock.has(name)).map((name) => `${what} ${name} only on the real server`),
  ]
}

function mediaTypeOf({ headers }: Seen): string {
  return String(headers['content-type'] ?? 'none')
    .split(';')[0]
    ?.trim()
    .toLowerCase() as string
}

function headerNames({ headers }: Seen): Set<string> {
  const names = Object.keys(headers).filter((name) => headers[name] !== undefined)
  return new Set(names.map((name) => name.toLowerCase()).filter((name) => !NOT_COMPARED.test(name)))
}

function compareBodies(mock: Buffer, real: Buffer): string[] {
  const [left, right] = [parse(mock), parse(real)]
  if (left === undefined || right === undefined)
    return left === right ? [] : [`body is not JSON on the ${left === undefined ? 'mock' : 'real server'}`]
  return compareShapes([left.value], [right.value], '')
}

function parse(body: Buffer): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(body.toString('utf8')) }
  } catch {
    return undefined
  }
}

/** Of all values that stand at one place: the items of an array share theirs. Nothing is said of a place that is empty or null. */
function compareShapes(mock: readonly unknown[], real: readonly unknown[], at: string): string[] {
  const [left, right] = [mock.filter(isPresent), real.filter(isPresent)]
  if (left.length === 0 || right.length === 0) return []
  const [leftTypes, rightTypes] = [typesOf(left), typesOf(right)]
  if (![...leftTypes].some((type) => rightTypes.has(type)))
    return [
      `${at || '/'} is ${[...leftTypes].join(' or ')} on the mock, ${[...rightTypes].join(' or ')} on the real server`,
    ]
  const items = compareShapes(left.filter(Array.isArray).flat(), right.filter(Array.isArray).flat(), `${at}/*`)
  return [...items, ...compareMembers(left.filter(isPlain), right.filter(isPlain), at)]
}

function compareMembers(mock: readonly Plain[], real: readonly Plain[], at: string): string[] {
  if (mock.length === 0 || real.length === 0) return []
  const namesOf = (values: readonly Plain[]) => new Set(values.flatMap((value) => Object.keys(value)))
  const [left, right] = [namesOf(mock), namesOf(real)]
  const shared = [...left].filter((name) => right.has(name))
  return [
    ...compareNames('member', prefix(left, at), prefix(right, at)),
    ...shared.flatMap((name) =>
      compareShapes(
        mock.map((value) => value[name]),
        real.map((value) => value[name]),
        `${at}/${name}`,
      ),
    ),
  ]
}

type Plain = Record<string, unknown>

function prefix(names: ReadonlySet<string>, at: string): Set<string> {
  return new Set([...names].map((name) => `${at}/${name}`))
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null
}

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function typesOf(values: readonly unknown[]): Set<string> {
  return new Set(values.map((value) => (Array.isArray(value) ? 'array' : typeof value)))
}
