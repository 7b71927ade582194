import { randomOf } from '../../../src/webhooks/simulator/random.ts'
import type { StoredRow } from '../../load/stored.ts'
import { aim, inventDelivery, type Shot, VENDORS } from '../../load/vendors.ts'
import type { LoadTenant } from '../../load/world.ts'
import { malform, plantPersonal } from './broken.ts'

/** One delivery of a scenario, sent `times` times. */
export interface Order {
  shot: Shot
  times: number
  as: StoredRow['table'] | 'either'
}

export interface Scenario {
  name: string
  about: string
  /** `seeds` gives a number that no other delivery of the run has. */
  plan: (n: number, tenants: readonly [LoadTenant, LoadTenant], seeds: () => number) => Order[]
}

function good(tenant: LoadTenant, seed: number, times = 1): Order {
  const delivery = inventDelivery(seed)
  return { shot: aim(delivery, tenant.doors[delivery.vendor]), times, as: 'event' }
}

function bad(tenant: LoadTenant, seed: number): Order {
  const delivery = malform(inventDelivery(seed))
  return { shot: aim(delivery, tenant.doors[delivery.vendor]), times: 1, as: 'dead' }
}

function personal(tenant: LoadTenant, seed: number): Order {
  const delivery = plantPersonal(inventDelivery(seed), randomOf(`gate r3 ${seed}`))
  return { shot: aim(delivery, tenant.doors[delivery.vendor]), times: 1, as: 'either' }
}

const times = <T>(n: number, make: (index: number) => T): T[] => Array.from({ length: n }, (_, index) => make(index))

/** Of the sum of its weights, so many of each. */
const MIX = { unique: 5, repeated: 2, malformed: 1, personal: 1 }

/** What vendors really send: some of it again, some of it unusable, some of it full of people. */
export function mix(n: number, tenant: LoadTenant, seeds: () => number): Order[] {
  const random = randomOf(`gate r3 mix ${seeds()}`)
  const kinds = Object.entries(MIX).map(([kind, weight]) => ({ kind: kind as keyof typeof MIX, weight }))
  const orders: Order[] = []
  for (let sent = 0; sent < n; ) {
    const { kind } = random.pickWeighted(kinds)
    const seed = seeds()
    const order =
      kind === 'malformed'
        ? bad(tenant, seed)
        : kind === 'personal'
          ? personal(tenant, seed)
          : good(tenant, seed, kind === 'repeated' ? Math.min(2, n - sent) : 1)
    orders.push(order)
    sent += order.times
  }
  return orders
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'replay',
    about: 'one delivery of each vendor N times: 1 row each',
    plan: (n, [tenant], seeds) =>
      VENDORS.map((vendor) => {
        const delivery = inventDelivery(seeds(), vendor)
        return { shot: aim(delivery, tenant.doors[vendor]), times: n, as: 'event' }
      }),
  },
  {
    name: 'unique',
    about: 'N deliveries: N rows',
    plan: (n, [tenant], seeds) => times(n, () => good(tenant, seeds())),
  },
  {
    name: 'malformed',
    about: 'N signed bodies that nobody can use: N dead events, no event',
    plan: (n, [tenant], seeds) => times(n, () => bad(tenant, seeds())),
  },
  {
    name: 'personal',
    about: 'N deliveries full of canaries: stripped or dead, and nothing of them anywhere',
    plan: (n, [tenant], seeds) => times(n, () => personal(tenant, seeds())),
  },
  {
    name: 'two tenants',
    about: 'the same N deliveries to two tenants, twice: 1 row each',
    plan: (n, [ours, theirs], seeds) => times(n, seeds).flatMap((seed) => [good(ours, seed, 2), good(theirs, seed, 2)]),
  },
  {
    name: 'mixed',
    about: 'all of the above among each other',
    plan: (n, [tenant], seeds) => mix(n, tenant, seeds),
  },
]
