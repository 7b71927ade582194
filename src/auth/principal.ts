import type { Principal, TenantContext } from '../context.ts'

/** The person behind the request. The contract admits only people here, so anything else is a fault of ours. */
export function requireUser(ctx: TenantContext): Extract<Principal, { kind: 'user' }> {
  if (ctx.principal.kind !== 'user') throw new TypeError(`a person was expected, not a ${ctx.principal.kind}`)
  return ctx.principal
}
