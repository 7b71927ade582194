import type { ProcessContext } from './context.ts'

/**
 * Begins to trace what the process does, where SKELDIR_OTLP_URL says where to; otherwise nothing is loaded, and nothing
 * is made. Answers what sends the last of it.
 */
export async function startTraces(ctx: ProcessContext, process: 'api' | 'worker'): Promise<() => Promise<void>> {
  const { url } = ctx.config.tracing
  if (url === null) return async () => {}
  const { createTracing } = await import('../tracing/tracing.ts')
  const tracing = createTracing({ url, service: `skeldir-${process}`, log: ctx.log })
  ctx.tracing = tracing
  return tracing.stop
}
