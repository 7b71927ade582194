import type { OperationRow } from './operation-row.ts'
import type { ClientOptions, CredentialSource } from './options.ts'

/** The security schemes of the contract for which the client holds the credential; a signature is the caller's own. */
const SCHEMES: Readonly<
  Record<string, { option: 'token' | 'tenantKey' | 'metricsToken'; header: string; prefix: string }>
> = {
  bearerAuth: { option: 'token', header: 'authorization', prefix: 'Bearer ' },
  metricsToken: { option: 'metricsToken', header: 'authorization', prefix: 'Bearer ' },
  tenantKey: { option: 'tenantKey', header: 'x-skeldir-tenant-key', prefix: '' },
}

export interface Credentials {
  /** By header name. */
  headers: ReadonlyMap<string, string>
  /** The access token among them, or null. */
  token: string | null
}

/** Of the first list of schemes for which everything is there; of the first list where there is none. */
export async function credentialsFor(row: OperationRow, options: ClientOptions): Promise<Credentials> {
  let first: Credentials | undefined
  for (const schemes of row.security) {
    const known = schemes.flatMap((name) => SCHEMES[name] ?? [])
    const headers = new Map<string, string>()
    let token: string | null = null
    for (const { option, header, prefix } of known) {
      const value = await read(options[option])
      if (value === null) continue
      headers.set(header, `${prefix}${value}`)
      if (option === 'token') token = value
    }
    const found = { headers, token }
    if (headers.size === known.length) return found
    first ??= found
  }
  return first ?? { headers: new Map(), token: null }
}

async function read(source: CredentialSource): Promise<string | null> {
  const value = typeof source === 'function' ? await source() : source
  return value === undefined || value === '' ? null : value
}
