import type { Principal } from '../context.ts'
import type { Tx } from '../db/tenant.ts'
import { type AuditRow, insertAuditEntry, type StoredChange } from './audit/queries.ts'

/** What the log knows, `<kind of thing>.<what happened>`. A new act gets a row here; the form is the contract's. */
export type AuditAction =
  | 'tenant.created'
  | 'tenant_key.rotated'
  | 'settings.updated'
  | 'member.added'
  | 'member.invited'
  | 'member.invitation_withdrawn'
  | 'member.joined'
  | 'member.role_changed'
  | 'member.removed'
  | 'member.tokens_revoked'
  | 'user.disabled'
  | 'user.enabled'
  | 'user.locked'
  | 'user.password_changed'
  | 'user.password_reset'
  | 'session.revoked'
  | 'api_key.created'
  | 'api_key.expiry_changed'
  | 'api_key.revoked'
  | 'rate_limit.changed'
  | 'webhook_endpoint.created'
  | 'webhook_endpoint.deleted'
  | 'webhook_secret.rotated'
  | 'retention.applied'
  | 'privacy.data_requested'
  | 'privacy.report_read'
  | 'privacy.stored_data_found'
  | 'webhook_endpoint.poll_credential_set'
  | 'webhook_endpoint.silent'
  | 'webhook_endpoint.not_polled'
  | 'dead_event.closed'
  | 'dead_event.replayed'
  | 'failed_job.closed'
  | 'failed_job.redriven'
  | 'import.started'
  | 'import.finished'

type Plain = string | number | boolean | null

export interface AuditEntry {
  actor: Principal
  action: AuditAction
  /** What it was done to, `<kind>:<id>`, such as `user:7c1f5e0a-…`; null where it concerns the tenant's data as a whole. */
  subject: `${string}:${string}` | null
  /** What holds now and did not before: no personal data, no secrets. Shown as changes from nothing. */
  details?: Readonly<Record<string, Plain>>
  /** Values before and after, by JSON Pointer. `undefined`: there is none, or it is secret. */
  changes?: Readonly<Record<string, { before?: unknown; after?: unknown }>>
}

/**
 * Writes down an administrative act of the tenant of the transaction, with the correlation id of the transaction: the
 * entry exists if and only if the act was committed. A detail that looks like an e-mail address fails the transaction.
 */
export async function recordAudit(tx: Tx, entry: AuditEntry): Promise<void> {
  const { actor, action, subject, details = {}, changes = {} } = entry
  const colon = subject?.indexOf(':') ?? -1
  await insertAuditEntry(tx, {
    ...toActor(actor),
    action,
    targetKind: subject === null ? null : subject.slice(0, colon),
    targetId: subject === null ? null : subject.slice(colon + 1),
    changes: [
      ...Object.entries(details).map(([name, after]) => toChange(toPointer(name), { after })),
      ...Object.entries(changes).map(([pointer, change]) => toChange(pointer, change)),
    ],
  })
}

/** A vendor's delivery and a job are nobody's act: the server itself did it. */
function toActor(actor: Principal): Pick<AuditRow, 'actorKind' | 'actorId'> {
  if (actor.kind === 'user') return { actorKind: 'user', actorId: actor.userId }
  if (actor.kind === 'key') return { actorKind: 'key', actorId: actor.keyId }
  return { actorKind: actor.kind === 'operator' ? 'operator' : 'system', actorId: null }
}

function toChange(pointer: string, { before, after }: { before?: unknown; after?: unknown }): StoredChange {
  return { pointer, before: toJson(before), after: toJson(after) }
}

function toJson(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value)
}

/** RFC 6901, section 3. */
function toPointer(name: string): string {
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}
