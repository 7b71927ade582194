import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface RegistryRow {
  /** Name of the document, `-` for `/`: `webhooks-stripe`. */
  domain: string
  port: number
}

/** Which port is whose. */
export interface Registry {
  gateway: { port: number }
  mocks: readonly RegistryRow[]
}

/** That it fits the documents is checked by `npm run contracts:check` (gate `mocks`). */
export const REGISTRY_FILE = join(import.meta.dirname, 'registry.json')

/** Throws an error that names the file and what is wrong in it. 0 is any free port. */
export function readRegistry(file = REGISTRY_FILE): Registry {
  let registry: Partial<Registry>
  try {
    registry = JSON.parse(readFileSync(file, 'utf8')) as Partial<Registry>
  } catch (error) {
    throw new Error(`${file} cannot be read: ${(error as Error).message}`)
  }
  const { gateway, mocks } = registry
  const rows = Array.isArray(mocks) ? mocks : []
  const faults = [{ domain: 'gateway', port: gateway?.port }, ...rows].flatMap(({ domain, port }) =>
    typeof domain === 'string' && Number.isInteger(port) && Number(port) >= 0 && Number(port) <= 65_535
      ? []
      : [`${String(domain)} has the port ${String(port)}`],
  )
  if (gateway === undefined || rows.length === 0) faults.push('it needs a gateway and a list of mocks')
  if (faults.length > 0) throw new Error(`${file} is wrong: ${faults.join(', ')}`)
  return { gateway: { port: (gateway as Registry['gateway']).port }, mocks: rows }
}

/** Throws when a document has no port, or a port no document: such a mock could not be reached, or would answer nothing. */
export function requireRegistered({ mocks }: Registry, domains: readonly string[]): void {
  const missing = domains.filter((domain) => !mocks.some((row) => row.domain === domain))
  const surplus = mocks.filter(({ domain }) => !domains.includes(domain)).map(({ domain }) => domain)
  if (missing.length > 0) throw new Error(`the registry has no port for ${missing.join(', ')}`)
  if (surplus.length > 0) throw new Error(`the registry names ${surplus.join(', ')}, which no document describes`)
}
