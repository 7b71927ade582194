import { topics, type Vendor } from './webhook-topics.ts'

/** `name` where the contract describes it; null otherwise. */
export function knownTopic(vendor: Vendor, name: string): string | null {
  return topics[vendor].includes(name) ? name : null
}
