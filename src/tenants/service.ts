import { randomUUID } from 'node:crypto'
import { hashPassword } from '../auth/password.ts'
import type { AppContext, Role } from '../context.ts'
import { inTenant } from '../db/tenant.ts'
import { isCurrency } from '../money.ts'
import { createTenantKey } from '../secrets/keyring.ts'
import { MAX_ALLOWED_ORIGINS, setAllowedOrigins, toAllowedOrigin } from './allowed-origins.ts'
import { API_KEY_SCOPES, type ApiKeyScope, createApiKey as makeApiKey } from './api-keys/service.ts'
import { recordAudit } from './audit.ts'
import { deleteInvitation, findAccount, findUserId, lockMembers } from './members/queries.ts'
import { userIdOf } from './members/service.ts'
import { asOperator, nowhere, operatorIn, ProvisioningError } from './operator.ts'
import { generatePassword, readAddress } from './person.ts'
import {
  claimSlug,
  getTenant,
  insertMembership,
  insertTenant,
  insertTenantKey,
  insertUser,
  listAllowedOrigins,
  listTenants as listSlugs,
} from './queries.ts'
import { lockSettings, setSettings } from './settings/queries.ts'
import { isTimeZone } from './time-zone.ts'

export { API_KEY_SCOPES } from './api-keys/service.ts'
export { ProvisioningError } from './operator.ts'

const SLUG = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Makes a tenant, its data key and its settings. `ctx.db.main` is app_rw: no other role may. Throws ProvisioningError. */
export async function createTenant(
  ctx: AppContext,
  {
    slug,
    name,
    reportingCurrency,
    timeZone,
    allowedOrigins = [],
  }: { slug: string; name: string; reportingCurrency: string; timeZone: string; allowedOrigins?: readonly string[] },
): Promise<{ tenantId: string; slug: string }> {
  if (!SLUG.test(slug))
    throw new ProvisioningError(`"${slug}" is not a slug: lower-case letters, digits and hyphens, at most 63`)
  if (name.length < 1 || name.length > 100) throw new ProvisioningError('a name has 1 to 100 characters')
  if (!isCurrency(reportingCurrency)) throw new ProvisioningError(`"${reportingCurrency}" is not an ISO 4217 code`)
  if (!isTimeZone(timeZone)) throw new ProvisioningError(`"${timeZone}" is not an IANA time zone`)
  const origins = readOrigins(allowedOrigins)
  const work = operatorIn(ctx, randomUUID())
  const { tenantId } = work
  await inTenant(ctx.db.main, work, async (tx) => {
    await insertTenant(tx, { tenantId, slug, name, reportingCurrency, timeZone })
    if (!(await claimSlug(tx, slug, tenantId))) throw new ProvisioningError(`the slug "${slug}" is taken`)
    await insertTenantKey(tx, createTenantKey(ctx.keys, tenantId, 1))
    await setAllowedOrigins(tx, tenantId, origins)
    await recordAudit(tx, {
      actor: work.principal,
      action: 'tenant.created',
      subject: `tenant:${tenantId}`,
      details: { slug, reporting_currency: reportingCurrency, time_zone: timeZone },
    })
  })
  return { tenantId, slug }
}

export interface TenantSummary {
  tenantId: string
  slug: string
  name: string
  reportingCurrency: string
  timeZone: string
}

const PAGE = 500

/** All tenants, by slug. `ctx.db.main` is app_rw. */
export async function* listTenants(ctx: AppContext): AsyncGenerator<TenantSummary> {
  let after = ''
  for (;;) {
    const page = await inTenant(ctx.db.main, nowhere(), (tx) => listSlugs(tx, after, PAGE))
    for (const { tenantId } of page) {
      yield await inTenant(ctx.db.main, { tenantId, correlationId: randomUUID() }, (tx) => getTenant(tx, tenantId))
    }
    const last = page.at(-1)
    if (last === undefined) return
    after = last.slug
  }
}

/**
 * Adds a person to a tenant. A person who is new gets a generated password, returned once and kept only as a hash. One
 * who is known keeps theirs (`password` is null), and is added only where `isExisting` says that this account is meant:
 * nobody has proven that an address is theirs, so it may be another tenant's making. An open invitation of the same
 * person is withdrawn. Throws ProvisioningError.
 */
export async function createUser(
  ctx: AppContext,
  {
    tenantSlug,
    email,
    role,
    isExisting = false,
  }: { tenantSlug: string; email: string; role: Role; isExisting?: boolean },
): Promise<{ userId: string; email: string; password: string | null }> {
  const address = readAddress(email)
  const work = await asOperator(ctx, tenantSlug)
  const { tenantId } = work
  const password = generatePassword()
  const passwordHash = await hashPassword(password)
  return inTenant(ctx.db.main, work, async (tx) => {
    await lockMembers(tx, tenantId)
    const known = await findUserId(tx, address)
    const userId = known ?? userIdOf(ctx.keys, address)
    if (known === null) await insertUser(tx, { userId, email: address, passwordHash })
    if (!(await insertMembership(tx, tenantId, userId, role)))
      throw new ProvisioningError(`${address} is a member of ${tenantSlug} already`)
    if (known !== null && !isExisting) throw new ProvisioningError(await describeAccount(ctx, address))
    await deleteInvitation(tx, tenantId, userId)
    await recordAudit(tx, {
      actor: work.principal,
      action: 'member.added',
      subject: `user:${userId}`,
      details: { role },
    })
    return { userId, email: address, password: known === null ? password : null }
  })
}

async function describeAccount(ctx: AppContext, address: string): Promise<string> {
  const slugs = (await findAccount(ctx.db.main.lookup, address))?.memberships.map(({ slug }) => slug) ?? []
  const where = slugs.length === 0 ? 'no tenant' : slugs.join(', ')
  return `${address} has an account already, in ${where}: whoever set its password would get in; --existing adds it as it is, and reset-password makes it nobody else's`
}

/** Makes an API key, returned once and kept only as a hash. Throws ProvisioningError and what the API's own operation does. */
export async function createApiKey(
  ctx: AppContext,
  request: {
    tenantSlug: string
    name: string
    scopes: readonly string[]
    expiresAt?: Date | null
    replaces?: { keyId: string; overlapHours: number } | undefined
  },
): Promise<{ keyId: string; apiKey: string }> {
  const { tenantSlug, name, scopes, expiresAt = null, replaces } = request
  if (scopes.length === 0 || !scopes.every(isScope) || new Set(scopes).size < scopes.length) {
    throw new ProvisioningError(`a key needs scopes out of: ${API_KEY_SCOPES.join(', ')}`)
  }
  if (name.length < 1 || name.length > 100) throw new ProvisioningError('a name has 1 to 100 characters')
  return makeApiKey(await asOperator(ctx, tenantSlug), { name, scopes: [...scopes], expiresAt, replaces })
}

function isScope(text: string): text is ApiKeyScope {
  return (API_KEY_SCOPES as readonly string[]).includes(text)
}

/**
 * Replaces the list of origins whose pages may read the tenant's answers, and returns it as it is now. Running processes
 * follow within seconds. Throws ProvisioningError.
 */
export async function replaceTenantOrigins(
  ctx: AppContext,
  { tenantSlug, origins }: { tenantSlug: string; origins: readonly string[] },
): Promise<string[]> {
  const wanted = readOrigins(origins)
  const work = await asOperator(ctx, tenantSlug)
  const { tenantId } = work
  return inTenant(ctx.db.main, work, async (tx) => {
    await lockSettings(tx, tenantId)
    const before = await listAllowedOrigins(tx, tenantId)
    await setAllowedOrigins(tx, tenantId, wanted)
    const after = await listAllowedOrigins(tx, tenantId)
    if (before.join(' ') === after.join(' ')) return after
    // The settings have another version now, so that what an admin of the tenant has read is not written back.
    const version = await setSettings(tx, tenantId, {}, ctx.clock())
    await recordAudit(tx, {
      actor: work.principal,
      action: 'settings.updated',
      subject: `tenant:${tenantId}`,
      changes: {
        '/version': { before: version - 1, after: version },
        '/settings/allowed_origins': { before, after },
      },
    })
    return after
  })
}

function readOrigins(texts: readonly string[]): string[] {
  if (texts.length > MAX_ALLOWED_ORIGINS)
    throw new ProvisioningError(`a tenant may allow ${MAX_ALLOWED_ORIGINS} origins, not ${texts.length}`)
  return texts.map((text) => {
    // As a browser's address bar shows it.
    const origin = toAllowedOrigin(text.replace(/\/$/, ''))
    if (origin !== null) return origin
    throw new ProvisioningError(
      `"${text}" is not an origin that can be allowed: https://host or https://host:port, or http://localhost:port`,
    )
  })
}
