import { randomBytes, randomUUID } from 'node:crypto'
import { hashPassword } from '../auth/password.ts'
import { hashApiKey } from '../auth/service.ts'
import type { AppContext, Role } from '../context.ts'
import { inTenant } from '../db/tenant.ts'
import { createTenantKey } from '../secrets/keyring.ts'
import { MAX_ALLOWED_ORIGINS, setAllowedOrigins, toAllowedOrigin } from './allowed-origins.ts'
import {
  claimSlug,
  findTenantBySlug,
  findUser,
  insertApiKey,
  insertMembership,
  insertTenant,
  insertTenantKey,
  insertUser,
  listAllowedOrigins,
} from './queries.ts'

/** Thrown for what an operator asked for and cannot have; the message says why. */
export class ProvisioningError extends Error {
  override name = 'ProvisioningError'
}

const SLUG = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
/** What an API key may be allowed to do. */
export const API_KEY_SCOPES: readonly string[] = ['events:write']

/** Makes a tenant and its data key. `ctx.db.main` is app_rw: no other role may. Throws ProvisioningError. */
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
  if (!/^[A-Z]{3}$/.test(reportingCurrency))
    throw new ProvisioningError(`"${reportingCurrency}" is not an ISO 4217 code`)
  if (!isTimeZone(timeZone)) throw new ProvisioningError(`"${timeZone}" is not an IANA time zone`)
  const origins = readOrigins(allowedOrigins)
  const tenantId = randomUUID()
  await inTenant(ctx.db.main, { tenantId, correlationId: randomUUID() }, async (tx) => {
    await insertTenant(tx, { tenantId, slug, name, reportingCurrency, timeZone })
    if (!(await claimSlug(tx, slug, tenantId))) throw new ProvisioningError(`the slug "${slug}" is taken`)
    await insertTenantKey(tx, createTenantKey(ctx.keys, tenantId, 1))
    await setAllowedOrigins(tx, tenantId, origins)
  })
  return { tenantId, slug }
}

/**
 * Adds a person to a tenant. A person who is new gets a generated password, returned once and kept only as a hash;
 * one who is known keeps theirs (`password` is null).
 */
export async function createUser(
  ctx: AppContext,
  { tenantSlug, email, role }: { tenantSlug: string; email: string; role: Role },
): Promise<{ userId: string; email: string; password: string | null }> {
  const address = email.toLowerCase()
  if (!/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(address) || address.length > 254)
    throw new ProvisioningError(`"${email}" is not an e-mail address`)
  const tenantId = await requireTenant(ctx, tenantSlug)
  const password = randomBytes(18).toString('base64url')
  const passwordHash = await hashPassword(password)
  return inTenant(ctx.db.main, { tenantId, correlationId: randomUUID() }, async (tx) => {
    const known = await findUser(tx, address)
    const userId = known ?? (await insertUser(tx, address, passwordHash))
    if (!(await insertMembership(tx, tenantId, userId, role)))
      throw new ProvisioningError(`${address} is a member of ${tenantSlug} already`)
    return { userId, email: address, password: known === undefined ? password : null }
  })
}

/** Makes an API key, returned once and kept only as a hash. */
export async function createApiKey(
  ctx: AppContext,
  { tenantSlug, name, scopes }: { tenantSlug: string; name: string; scopes: string[] },
): Promise<{ keyId: string; apiKey: string }> {
  const unknown = scopes.filter((scope) => !API_KEY_SCOPES.includes(scope))
  if (scopes.length === 0 || unknown.length > 0) {
    throw new ProvisioningError(`a key needs scopes out of: ${API_KEY_SCOPES.join(', ')}`)
  }
  const tenantId = await requireTenant(ctx, tenantSlug)
  const apiKey = `skd_${randomBytes(32).toString('base64url')}`
  const key = { tenantId, name, prefix: apiKey.slice(0, 12), secretHash: hashApiKey(apiKey), scopes }
  const keyId = await inTenant(ctx.db.main, { tenantId, correlationId: randomUUID() }, (tx) => insertApiKey(tx, key))
  return { keyId, apiKey }
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
  const tenantId = await requireTenant(ctx, tenantSlug)
  return inTenant(ctx.db.main, { tenantId, correlationId: randomUUID() }, async (tx) => {
    await setAllowedOrigins(tx, tenantId, wanted)
    return listAllowedOrigins(tx, tenantId)
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

/** Throws ProvisioningError. */
export async function requireTenant(ctx: AppContext, slug: string): Promise<string> {
  const tenantId = await inTenant(ctx.db.main, { tenantId: randomUUID(), correlationId: randomUUID() }, (tx) =>
    findTenantBySlug(tx, slug),
  )
  if (tenantId === undefined) throw new ProvisioningError(`there is no tenant "${slug}"`)
  return tenantId
}

/** By name: Intl takes offsets too, but Postgres reads the sign of `+05:30` the other way round (POSIX). */
function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}
