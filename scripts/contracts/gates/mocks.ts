import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isObject, type Json } from '../../generate/json.ts'
import type { CheckContext } from '../context.ts'
import type { Fault } from '../finding.ts'
import type { Gate } from '../gate.ts'
import { placeOf, type SourceNode } from '../source.ts'

const REGISTRY = 'mocks/registry.json'

export const mocksGate: Gate = {
  name: 'mocks',
  description: 'every document has one mock on a port of its own',
  profiles: ['skeldir'],
  needs: ['document'],
  inputs: () => [REGISTRY],
  skip: (ctx) => {
    if (!ctx.isOwn) return 'the documents are not those of this repository'
    return existsSync(join(ctx.root, REGISTRY)) ? undefined : `there is no ${REGISTRY}`
  },
  rules: [
    {
      id: 'mocks/registry',
      gate: 'mocks',
      description: `\`${REGISTRY}\` gives each document exactly one port, no port twice, and nothing to documents that do not exist.`,
      check: registryFaults,
    },
  ],
}

function registryFaults(ctx: CheckContext): Fault[] {
  const file = join(ctx.root, REGISTRY)
  const value = ctx.files.parse(file)
  const registry: SourceNode = { file, pointer: '#', value: isObject(value) ? value : {} }
  const faults: Fault[] = []
  const wanted = new Set(ctx.source().documents.map(({ name }) => name.replaceAll('/', '-')))
  const owners = new Map<number, string>()
  const seen = new Set<string>()
  for (const { name, port, at } of entriesOf(registry)) {
    const isDocument = wanted.has(name)
    if (!isDocument && name !== 'gateway') faults.push({ message: `there is no document ${name}`, at })
    if (seen.has(name)) faults.push({ message: `${name} has more than one mock`, at })
    seen.add(name)
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 1024 || port > 65_535) {
      faults.push({ message: `${name} needs a port from 1024 to 65535`, at })
      continue
    }
    const owner = owners.get(port)
    if (owner !== undefined) faults.push({ message: `port ${port} of ${name} is also that of ${owner}`, at })
    owners.set(port, name)
  }
  for (const name of wanted)
    if (!seen.has(name)) faults.push({ message: `the document ${name} has no mock`, at: registry })
  return faults
}

/** `{ mocks: [{ domain, port }], gateway?: { port } }`, or a map from domain to a port or to `{ port }`. */
function entriesOf(registry: SourceNode): { name: string; port: Json | undefined; at: ReturnType<typeof placeOf> }[] {
  const list = registry.value.mocks
  const portOf = (value: Json | undefined) => (isObject(value) ? value.port : value)
  if (Array.isArray(list)) {
    const rows = list.map((row, index) => ({
      name: isObject(row) ? String(row.domain ?? row.document ?? row.name) : String(row),
      port: portOf(row),
      at: placeOf(registry, 'mocks', index),
    }))
    const { gateway } = registry.value
    return gateway === undefined
      ? rows
      : [...rows, { name: 'gateway', port: portOf(gateway), at: placeOf(registry, 'gateway') }]
  }
  const map: SourceNode = isObject(list) ? { ...placeOf(registry, 'mocks'), value: list } : registry
  return Object.entries(map.value).map(([name, value]) => ({ name, port: portOf(value), at: placeOf(map, name) }))
}
