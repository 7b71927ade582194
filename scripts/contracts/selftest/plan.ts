import { plantFault } from './draft.ts'
import type { Base, Bench, Fault, Operator, Target } from './operator.ts'

export interface Plan {
  faults: Fault[]
  /** Operators that found nothing to spoil, as an operator for a registry that does not exist yet. */
  idle: string[]
  /** Documents and shared files by the number of faults in them. */
  spread: Map<string, number>
}

/**
 * Chooses what is spoiled: every operator as often as it says, each time in the file that has the fewest faults so far, so
 * that no document is left out. The seed decides between equals.
 */
export function planFaults(benches: Readonly<Record<Base, Bench>>, operators: readonly Operator[], seed: number): Plan {
  const random = randomFrom(seed)
  const plan: Plan = { faults: [], idle: [], spread: new Map() }
  for (const file of benches.clean.ctx.source().files) plan.spread.set(benches.clean.ctx.files.name(file), 0)
  const pending = operators.map((operator) => {
    const bench = benches[operator.base ?? 'clean']
    return { operator, bench, targets: shuffled(operator.targets(bench), random), planted: 0 }
  })
  for (const { operator, targets } of pending) if (targets.length === 0) plan.idle.push(operator.id)
  // Operators with few targets first: those with many can go where the others could not.
  const order = [...pending].sort((a, b) => filesOf(a.targets) - filesOf(b.targets))
  for (let round = 0; order.some(({ operator: { times = 1 } }) => round < times); round += 1) {
    for (const each of order) {
      const { operator, bench, targets } = each
      if (round >= (operator.times ?? 1) || targets.length === 0) continue
      const target = rarest(targets, plan.spread)
      targets.splice(targets.indexOf(target), 1)
      each.planted += 1
      const id = each.planted === 1 ? operator.id : `${operator.id}-${each.planted}`
      plan.faults.push(plantFault(bench, operator, target, id))
      plan.spread.set(target.file, (plan.spread.get(target.file) ?? 0) + 1)
    }
  }
  const rank = new Map(operators.map(({ id }, index) => [id, index]))
  plan.faults.sort((a, b) => (rank.get(a.operator) ?? 0) - (rank.get(b.operator) ?? 0))
  return plan
}

function filesOf(targets: readonly Target[]): number {
  return new Set(targets.map(({ file }) => file)).size
}

/** The first one in the file with the fewest faults. */
function rarest(targets: readonly Target[], spread: ReadonlyMap<string, number>): Target {
  const count = ({ file }: Target) => spread.get(file) ?? 0
  return targets.reduce((best, target) => (count(target) < count(best) ? target : best))
}

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const result = [...values]
  for (let index = result.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1))
    const value = result[index] as T
    result[index] = result[other] as T
    result[other] = value
  }
  return result
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
