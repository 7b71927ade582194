import { readFileSync } from 'node:fs'
import type { SimulatedVendor } from './delivery.ts'

/** A topic as the contract has it. */
export interface ContractTopic {
  /** With `<…>` where the contract leaves a part open, such as `action.<hook>`. */
  topic: string
  /** Name of the body's schema in the vendor's document. */
  schema: string
  description: string
  /** Paths of the operations that take it, those for one topic first; deprecated ones are absent. */
  paths: string[]
}

interface Schema {
  $ref?: string
  description?: string
  anyOf?: Schema[]
  properties?: Record<string, { const?: string }>
}

interface Bundle {
  paths: Record<
    string,
    { post: { deprecated?: boolean; requestBody: { content: Record<string, { schema: Schema }> } } }
  >
  components: { schemas: Record<string, Schema> }
}

const FORM = 'application/x-www-form-urlencoded'
/** The field of the body that names the topic, where one does. */
const NAMED_BY: Record<SimulatedVendor, string | null> = {
  stripe: 'type',
  shopify: null,
  paypal: 'event_type',
  woocommerce: null,
}

export const SIMULATED_VENDORS = Object.keys(NAMED_BY) as SimulatedVendor[]

/** The vendor's webhooks, bundled; schemas of its topics are under `components/schemas`. */
export function contractBundle(vendor: SimulatedVendor): Bundle {
  const file = new URL(`../../../generated/bundles/webhooks-${vendor}.json`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')) as Bundle
}

/** Every topic that the vendor's operations name, in the order of the contract. */
export function contractTopics(vendor: SimulatedVendor): ContractTopic[] {
  const bundle = contractBundle(vendor)
  const routes = Object.entries(bundle.paths).filter(([, { post }]) => post.deprecated !== true)
  const topics = new Map<string, ContractTopic>()
  const add = (topic: string, schema: string, path: string) => {
    const known = topics.get(topic) ?? { topic, schema, description: describe(bundle, schema), paths: [] }
    if (!known.paths.includes(path)) known.paths.push(path)
    topics.set(topic, known)
  }
  // An operation for one topic names one schema; that of a whole vendor any of several.
  for (const wantsOne of [true, false]) {
    for (const [path, { post }] of routes) {
      for (const [mediaType, { schema }] of Object.entries(post.requestBody.content)) {
        const name = nameOf(schema)
        const options = bundle.components.schemas[name]?.anyOf?.map(nameOf)
        if ((options === undefined) !== wantsOne) continue
        for (const option of options ?? [name]) {
          for (const topic of topicsOf(vendor, bundle, option, path, mediaType)) add(topic, option, path)
        }
      }
    }
  }
  return [...topics.values()]
}

/** The schema of all that the contract does not name. */
export function otherSchema(vendor: SimulatedVendor): string {
  const { schemas } = contractBundle(vendor).components
  const options = Object.values(schemas).flatMap(({ anyOf = [] }) => anyOf.map(nameOf))
  const other = options.find((name) => name.includes('Other'))
  if (other === undefined) throw new TypeError(`the contract has no schema for other topics of ${vendor}`)
  return other
}

/** None for the schema of all that is not named. */
function topicsOf(vendor: SimulatedVendor, bundle: Bundle, schema: string, path: string, mediaType: string): string[] {
  if (mediaType === FORM) return ['ping']
  const { properties, description = '' } = bundle.components.schemas[schema] ?? {}
  const field = NAMED_BY[vendor]
  if (field !== null) {
    const name = properties?.[field]?.const
    return name === undefined ? [] : [name]
  }
  // Where the topic stands in a header, the description of the schema names it.
  const named = [...description.matchAll(/`([a-z_]+[./][a-z_<>]+)`/g)].map(([, name]) => name as string)
  if (named.length > 0) return named
  // A relay's message for one change of status: its operation says which.
  const [, resource, event] = /\/([a-z]+)[/_]([a-z]+)$/.exec(path) ?? []
  return path.includes('{') || resource === undefined ? [] : [`${resource}.${event}`]
}

export const OTHER_TOPIC = 'One of the topics that carry no revenue; acknowledged and counted.'

function describe(bundle: Bundle, schema: string): string {
  if (schema.includes('Other')) return OTHER_TOPIC
  const text = (bundle.components.schemas[schema]?.description ?? '').replace(/^`[^`]+`: /, '').replace(/\s+/g, ' ')
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

function nameOf({ $ref = '' }: Schema): string {
  return $ref.slice($ref.lastIndexOf('/') + 1)
}
