import { randomUUID } from 'node:crypto'
import { hashPassword } from '../../auth/password.ts'
import type { AppContext } from '../../context.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { type AuditAction, recordAudit } from '../audit.ts'
import { nowhere, operatorIn, ProvisioningError } from '../operator.ts'
import { generatePassword, readAddress } from '../person.ts'
import { type AccountRow, findAccount, hasOtherAdmin, setPasswordHash, setUserStatus } from './queries.ts'

/*
 * What operators do to a person's account, which is one in all tenants. Each of their tenants' logs says so. Whatever
 * ends with it (sessions, tokens) ends by triggers, in the transaction that changes the account.
 * `ctx.db.main` is app_rw. All throw ProvisioningError.
 */

export interface ChangedAccount {
  userId: string
  status: 'active' | 'disabled'
  /** Slugs of the tenants that the person belongs to. */
  tenants: string[]
}

/** Nobody logs in with the account any more, and its tokens are refused. `withoutAdmin` are tenants left without one. */
export async function disableUser(
  ctx: AppContext,
  email: string,
): Promise<ChangedAccount & { withoutAdmin: string[] }> {
  const account = await requireAccount(ctx, email)
  if (account.status !== 'disabled') {
    await change(ctx, account, 'user.disabled', (tx) => setUserStatus(tx, account.userId, 'disabled'))
  }
  const withoutAdmin: string[] = []
  for (const { tenantId, slug, role } of account.memberships) {
    if (role !== 'admin') continue
    const scope = { tenantId, correlationId: randomUUID() }
    if (!(await inTenant(ctx.db.main, scope, (tx) => hasOtherAdmin(tx, tenantId, account.userId))))
      withoutAdmin.push(slug)
  }
  return { ...describe(account, 'disabled'), withoutAdmin }
}

/** The account is as it was, with the same password; sessions that ended do not come back. */
export async function enableUser(ctx: AppContext, email: string): Promise<ChangedAccount> {
  const account = await requireAccount(ctx, email)
  if (account.status !== 'active') {
    await change(ctx, account, 'user.enabled', (tx) => setUserStatus(tx, account.userId, 'active'))
  }
  return describe(account, 'active')
}

/** Gives the account a generated password, returned once, and ends all its sessions. A disabled account stays disabled. */
export async function resetPassword(ctx: AppContext, email: string): Promise<ChangedAccount & { password: string }> {
  const account = await requireAccount(ctx, email)
  const password = generatePassword()
  const passwordHash = await hashPassword(password)
  await change(ctx, account, 'user.password_reset', (tx) => setPasswordHash(tx, account.userId, passwordHash))
  return { ...describe(account, account.status), password }
}

async function requireAccount(ctx: AppContext, email: string): Promise<AccountRow> {
  const address = readAddress(email)
  const account = await findAccount(ctx.db.main.lookup, address)
  if (account === undefined) throw new ProvisioningError(`nobody has an account with the address ${address}`)
  return account
}

/** With the entry of the first tenant in the same transaction; a log is of one tenant, so the others follow. */
async function change(
  ctx: AppContext,
  { userId, memberships }: AccountRow,
  action: AuditAction,
  act: (tx: Tx) => Promise<void>,
): Promise<void> {
  const correlationId = randomUUID()
  const [first, ...others] = memberships
  if (first === undefined) {
    await inTenant(ctx.db.main, { ...nowhere(), correlationId }, act)
    return
  }
  const enter = (tenantId: string, work: (tx: Tx) => Promise<void>) => {
    const operator = operatorIn(ctx, tenantId, correlationId)
    return inTenant(ctx.db.main, operator, async (tx) => {
      await work(tx)
      await recordAudit(tx, { actor: operator.principal, action, subject: `user:${userId}` })
    })
  }
  await enter(first.tenantId, act)
  for (const { tenantId } of others) await enter(tenantId, async () => {})
}

function describe({ userId, memberships }: AccountRow, status: 'active' | 'disabled'): ChangedAccount {
  return { userId, status, tenants: memberships.map(({ slug }) => slug) }
}
