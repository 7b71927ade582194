import type { Server } from 'node:http'
import type { AppContext } from '../context.ts'
import type { Handlers, OperationId } from '../contract.ts'
import { createEngine } from './engine.ts'
import type { AnyHandler, ContractSource } from './operations.ts'
import { listenable } from './server.ts'

/** What orchestrators ask: served on a port of their own too, and left out of the figures of requests. */
export const PROBES = ['getLiveness', 'getReadiness', 'getWorkerHealth'] as const satisfies readonly OperationId[]

const isProbe = new Set<string>(PROBES)

export function isCounted(operationId: string | undefined): boolean {
  return operationId === undefined || !isProbe.has(operationId)
}

/** The probes alone, in a server of their own: not listening yet. It answers while the other one lets its requests finish. */
export function createProbeServer(
  ctx: AppContext,
  contract: ContractSource,
  handlers: Pick<Handlers, (typeof PROBES)[number]>,
): Server {
  const server = listenable(
    ctx.log,
    createEngine(ctx, {
      contract: onlyProbes(contract),
      handlers: Object.fromEntries(PROBES.map((id) => [id, handlers[id] as AnyHandler])),
      authenticators: {},
      staticRoutes: [],
      isClosing: () => !server.listening,
    }),
  )
  return server
}

function onlyProbes(contract: ContractSource): ContractSource {
  const operations = Object.fromEntries(PROBES.map((id) => [id, contract.operations[id]])) as typeof contract.operations
  const wanted = new Set(Object.values(operations).map(({ path }) => path))
  const document = contract.document as { paths: Record<string, object> }
  const paths = Object.fromEntries(Object.entries(document.paths).filter(([path]) => wanted.has(path)))
  return { ...contract, operations, document: { ...document, paths } }
}
