import type { Delivery } from '../../../src/webhooks/simulator/delivery.ts'
import type { Random } from '../../../src/webhooks/simulator/random.ts'

/** Bodies that a vendor signs by mistake and that nobody can use. Each stays different from every other delivery's. */
export const BREAKAGES: readonly ((body: Buffer, seed: number) => Buffer)[] = [
  (body) => body.subarray(0, Math.floor(body.length * 0.7)),
  (body) => Buffer.concat([Buffer.from('['), body, Buffer.from(']')]),
  (body) => Buffer.concat([body.subarray(0, 20), Buffer.from([0xff]), body.subarray(20)]),
  (body) => Buffer.concat([body.subarray(0, body.lastIndexOf('}')), Buffer.from(',"x":"\\u0000"}')]),
  (_, seed) => Buffer.from(`${'{"a":'.repeat(100)}${seed}${'}'.repeat(100)}`),
]

export function malform(delivery: Delivery): Delivery {
  const how = BREAKAGES[Math.floor(delivery.seed / 4) % BREAKAGES.length] as (typeof BREAKAGES)[number]
  return { ...delivery, body: how(delivery.body, delivery.seed) }
}

/** In all that is planted, so that one search finds it. */
export const CANARY = 'cnryq7'

/**
 * The delivery with more personal data than the vendor sends: members with canaries in every object, and in half of the
 * deliveries a third of all texts too, where some of them belong to what is kept.
 */
export function plantPersonal(delivery: Delivery, random: Random): Delivery {
  let count = 0
  const inTexts = random.chance(0.5)
  const address = () => {
    count += 1
    return `${CANARY}.${delivery.seed}.${count}@example.com`
  }
  const visit = (value: unknown): unknown => {
    if (typeof value === 'string') return inTexts && random.chance(1 / 3) ? address() : value
    if (Array.isArray(value)) return value.map(visit)
    if (typeof value !== 'object' || value === null) return value
    const members = Object.entries(value).map(([name, member]) => [name, visit(member)])
    const planted = {
      'E-Mail': address(),
      phone: '+1 212 555 0199',
      browser_ip: '192.0.2.77',
      remark: `${CANARY} text`,
    }
    return { ...Object.fromEntries(members), ...planted }
  }
  return { ...delivery, body: Buffer.from(JSON.stringify(visit(JSON.parse(delivery.body.toString())))) }
}

/** What the simulator's people and the canaries are made of. Each is in nearly every body that is sent. */
export const PERSONAL_TEXTS: readonly string[] = [
  CANARY,
  '@example.com',
  '%40example.com',
  '212 555 01',
  '192.0.2.',
  'Example Street',
  "O'Sample",
  'Muster',
  'Prøve',
]
