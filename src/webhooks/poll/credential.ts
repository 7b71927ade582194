import type { TenantContext } from '../../context.ts'
import { inTenant } from '../../db/tenant.ts'
import {
  clickIdHasher,
  DecryptionError,
  identityHasher,
  openPollCredential,
  sealPollCredential,
  type TenantKey,
  unwrapTenantKey,
} from '../../secrets/keyring.ts'
import { recordAudit } from '../../tenants/audit.ts'
import { ProvisioningError } from '../../tenants/operator.ts'
import { getTenantKey, listTenantKeys } from '../../tenants/queries.ts'
import { type Access, PollError } from './lister.ts'
import { listers } from './listers/index.ts'
import { type Origins, VENDOR_ORIGINS } from './origins.ts'
import { listPolledEndpoints, type PolledEndpoint, setCredential } from './queries.ts'

/** What one endpoint is polled with. */
export interface EndpointReader {
  access: Access
  identityOf: (visitorId: string) => string
  hashClickId: (name: string, value: string) => Buffer
}

/** Throws PollError. */
export async function openEndpoint(
  ctx: TenantContext,
  endpoint: PolledEndpoint,
  stored: NonNullable<PolledEndpoint['credential']>,
  origins: Origins,
): Promise<EndpointReader> {
  const wrapped = await inTenant(ctx.db.ingest, ctx, (tx) => listTenantKeys(tx, ctx.tenantId))
  const keys = wrapped.map((key) => unwrapTenantKey(ctx.keys, key))
  const [first] = keys
  const key = keys.find(({ version }) => version === stored.keyVersion)
  if (first === undefined || key === undefined)
    throw new PollError('no_access', 'the key of the credential is destroyed')
  const credential = openCredential(key, endpoint.endpointId, stored.sealed)
  const identity = identityHasher(first)
  return {
    access: { origin: origins[endpoint.vendor]({ ...endpoint, site: credential.site ?? null }), credential },
    identityOf: (visitorId) => identity(visitorId).toString('hex'),
    hashClickId: clickIdHasher(first),
  }
}

function openCredential(key: TenantKey, endpointId: string, sealed: Buffer): Record<string, string> {
  try {
    return JSON.parse(openPollCredential(key, endpointId, sealed)) as Record<string, string>
  } catch (cause) {
    if (!(cause instanceof DecryptionError)) throw cause
    throw new PollError('no_access', 'the credential does not open: set it anew', { cause })
  }
}

/**
 * Keeps what an endpoint is polled with, sealed; it is never given back. `credential` has the names of the vendor's
 * lister, and for WooCommerce `site`, the shop's https address. Throws ProvisioningError.
 */
export async function setPollCredential(
  ctx: TenantContext,
  endpointId: string,
  credential: Readonly<Record<string, unknown>>,
): Promise<void> {
  await inTenant(ctx.db.ingest, ctx, async (tx) => {
    const endpoints = await listPolledEndpoints(tx, ctx.tenantId, undefined)
    const endpoint = endpoints.find((one) => one.endpointId === endpointId)
    if (endpoint === undefined) throw new ProvisioningError('the tenant has no endpoint with this id')
    const { vendor } = endpoint
    const names = listers[vendor].credential
    const wrong =
      names.find((name) => typeof credential[name] !== 'string' || !/^[\x21-\x7e]{1,500}$/.test(credential[name])) ??
      Object.keys(credential).find((name) => !names.includes(name) && name !== 'site')
    if (wrong !== undefined)
      throw new ProvisioningError(
        `a credential of ${vendor} is a JSON object with ${names.join(' and ')}, each a text; "${wrong}" is not right`,
      )
    requireOrigin(endpoint, credential.site)
    const key = unwrapTenantKey(ctx.keys, await getTenantKey(tx, ctx.tenantId))
    const sealed = sealPollCredential(key, endpointId, JSON.stringify(credential))
    await setCredential(tx, { tenantId: ctx.tenantId, endpointId, keyVersion: key.version, sealed })
    await recordAudit(tx, {
      actor: ctx.principal,
      action: 'webhook_endpoint.poll_credential_set',
      subject: `webhook_endpoint:${endpointId}`,
      details: { vendor },
    })
  })
}

function requireOrigin(endpoint: PolledEndpoint, site: unknown): void {
  try {
    VENDOR_ORIGINS[endpoint.vendor]({ ...endpoint, site: typeof site === 'string' ? site : null })
  } catch (error) {
    if (error instanceof PollError) throw new ProvisioningError(error.message, { cause: error })
    throw error
  }
}
