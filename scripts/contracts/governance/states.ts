import { stateOf } from '../../../src/webhooks/ledger/order-state.ts'
import type { Fault } from '../finding.ts'
import { placeOf } from '../source.ts'
import { fault, type Governance, isNamed } from './documents.ts'

/** The states are told apart, reachable and left again unless they are final. */
export function* checkStates({ states: written, canonical }: Governance): Generator<Fault> {
  const { facts, states, transitions } = written.data
  const names = Object.keys(states)
  const { events } = canonical.data
  const say = (at: (string | number)[], message: string) => fault('state', placeOf(written, ...at), message)

  for (const [name, { when }] of Object.entries(states)) {
    for (const [fact, values] of Object.entries(when)) {
      const known = isNamed(facts, fact) ? facts[fact]?.values : undefined
      if (known === undefined) yield say(['states', name, 'when', fact], `there is no fact ${fact}`)
      for (const value of values) {
        if (known !== undefined && !known.includes(value))
          yield say(['states', name, 'when', fact], `${fact} is never ${value}`)
      }
    }
  }
  const last = names.at(-1) ?? ''
  if (Object.keys(states[last]?.when ?? {}).length > 0) {
    yield say(['states', last], 'the last state needs no conditions, so that there always is one')
    return
  }
  const initial = names.filter((name) => states[name]?.initial)
  if (initial.length !== 1) yield say(['states'], `there are ${initial.length} initial states; one is meant`)

  const held = new Set(combinations(facts).map((combination) => stateOf({ states }, combination)))
  const reached = new Set(initial)
  for (let size = -1; size !== reached.size; ) {
    size = reached.size
    for (const { from, to } of transitions) if (reached.has(from)) for (const state of to) reached.add(state)
  }
  for (const name of names) {
    if (!held.has(name)) yield say(['states', name], `${name} never holds: the states before it take all that it would`)
    if (!reached.has(name)) yield say(['states', name], `no event leads to ${name}`)
    if (!states[name]?.final && !transitions.some(({ from }) => from === name)) {
      yield say(['states', name], `nothing leads on from ${name}, and it is not final`)
    }
  }
  const seen = new Set<string>()
  for (const [index, { from, event, to }] of transitions.entries()) {
    const key = `${from} ${event}`
    if (seen.has(key)) yield say(['transitions', index], `${from} and ${event} stand here twice`)
    seen.add(key)
    if (!isNamed(events, event)) yield say(['transitions', index, 'event'], `there is no canonical event ${event}`)
    for (const state of [from, ...to]) {
      if (!isNamed(states, state)) yield say(['transitions', index], `there is no state ${state}`)
    }
    if (to.includes(from)) yield say(['transitions', index, 'to'], `${from} is no change of ${from}`)
  }
  for (const [event, { effect, fields }] of Object.entries(events)) {
    const moves = effect.kind !== 'none'
    if (moves !== (effect.sign !== 0)) {
      yield fault('state', placeOf(canonical, 'events', event, 'effect'), 'an effect has a sign, and none has none')
    }
    if (moves && !transitions.some((transition) => transition.event === event)) {
      yield fault('state', placeOf(canonical, 'events', event), `${event} moves money and changes no state`)
    }
    const { only } = effect
    if (only !== undefined && !fields[only.field]?.values?.includes(only.is)) {
      yield fault('state', placeOf(canonical, 'events', event, 'effect', 'only'), `${only.field} is never ${only.is}`)
    }
    for (const [name, { type }] of Object.entries(fields)) {
      if (isNamed(canonical.data.types, type)) continue
      yield fault('field', placeOf(canonical, 'events', event, 'fields', name, 'type'), `there is no type ${type}`)
    }
  }
}

function combinations(facts: Record<string, { values: string[] }>): Record<string, string>[] {
  return Object.entries(facts).reduce<Record<string, string>[]>(
    (list, [fact, { values }]) => list.flatMap((each) => values.map((value) => ({ ...each, [fact]: value }))),
    [{}],
  )
}
