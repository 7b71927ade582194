/** The parts of an OpenAPI document that are read here. */
export interface Description {
  info: { title: string; version: string }
  paths?: Record<string, Record<string, unknown>>
}

interface Operation extends Record<string, unknown> {
  operationId?: string
  description?: string
  'x-latency-objective-ms'?: number
}

export type Implementation = 'real' | 'mock'

/** Whether the server that gives the description answers an operation itself (`real`), or with 501 (`mock`). */
export type FindImplementation = (operationId: string) => Implementation

/** Dark enough for white text (contrast 5 : 1 and more). */
const BADGE_COLORS = { real: '#1a7f37', mock: '#9a5700', latency: '#57606a' }

/**
 * The description with the state of each operation: `x-implementation` for programs, `x-badges` for Scalar, and a
 * sentence for every other reader. The given document stays as it is.
 */
export function annotate<T extends Description>(document: T, implementationOf: FindImplementation): T {
  const paths = Object.entries(document.paths ?? {}).map(([path, item]) => [
    path,
    Object.fromEntries(
      Object.entries(item).map(([key, value]) => [
        key,
        isOperation(value) ? annotateOperation(value, implementationOf(value.operationId)) : value,
      ]),
    ),
  ])
  return { ...document, paths: Object.fromEntries(paths) }
}

function isOperation(value: unknown): value is Operation & { operationId: string } {
  return typeof value === 'object' && value !== null && typeof (value as Operation).operationId === 'string'
}

function annotateOperation(operation: Operation, implementation: Implementation): Operation {
  const latencyMs = operation['x-latency-objective-ms']
  const badges: { name: string; position: string; color: string }[] = [
    { name: implementation, position: 'after', color: BADGE_COLORS[implementation] },
  ]
  if (latencyMs !== undefined)
    badges.push({ name: `p99 ≤ ${latencyMs} ms`, position: 'after', color: BADGE_COLORS.latency })
  return {
    ...operation,
    description: [operation.description, describeState(implementation, latencyMs)].filter(Boolean).join('\n\n'),
    'x-implementation': implementation,
    'x-badges': badges,
  }
}

function describeState(implementation: Implementation, latencyMs: number | undefined): string {
  const state =
    implementation === 'real'
      ? '**State: real.** This server answers the operation itself.'
      : '**State: mock.** Not built yet: the platform answers 501, the mocks answer it today.'
  return latencyMs === undefined ? state : `${state} Latency objective: 99 of 100 answers within ${latencyMs} ms.`
}
