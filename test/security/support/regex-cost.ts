/*
 * How the time of a regular expression grows with its text, found out from the expression alone. V8 tries one way after
 * the other, so what counts is in how many ways one text can be read: in two on the way round a loop, and the time is
 * exponential; by two loops in a row, and it is quadratic at least. Both show in the automaton, as paths that read the
 * same text. Source: Weideman et al., Analyzing Matching Time Behavior of Backtracking Regular Expression Matchers by
 * Using Ambiguity of NFA (CIAA 2016).
 *
 * It errs towards a finding, but for numbers: `{m,n}` is a loop only beyond MAX_COUNT, since what it costs has a bound.
 */

export type Cost = 'linear' | 'polynomial' | 'exponential'

/** Beyond this a counted repetition, with those around it, is as good as an endless one. */
const MAX_COUNT = 1_000

type Node =
  | { kind: 'char'; matches: (character: string) => boolean }
  | { kind: 'sequence'; items: Node[] }
  | { kind: 'choice'; items: Node[] }
  | { kind: 'repeat'; item: Node; min: number; max: number }
  | { kind: 'start' }
  /** What may fail without reading anything. */
  | { kind: 'check' }
  /** Read from the same place on as what follows. */
  | { kind: 'look'; item: Node }

/** Throws for syntax that it does not know. */
export function costOf(source: string, flags: string): Cost {
  const automaton = build(parse(source, flags), flags)
  if (isExponential(automaton)) return 'exponential'
  return isPolynomial(automaton) ? 'polynomial' : 'linear'
}

function parse(source: string, flags: string): Node {
  let at = 0
  const take = (text: string): boolean => {
    if (!source.startsWith(text, at)) return false
    at += text.length
    return true
  }
  const read = (pattern: RegExp): RegExpExecArray | null => {
    const sticky = new RegExp(pattern, 'yu')
    sticky.lastIndex = at
    const found = sticky.exec(source)
    if (found !== null) at = sticky.lastIndex
    return found
  }

  function choice(): Node {
    const items = [sequence()]
    while (take('|')) items.push(sequence())
    return items.length === 1 ? (items[0] as Node) : { kind: 'choice', items }
  }
  function sequence(): Node {
    const items: Node[] = []
    while (at < source.length && source[at] !== '|' && source[at] !== ')') items.push(repeated(atom()))
    return { kind: 'sequence', items }
  }
  function repeated(item: Node): Node {
    const found = read(/([*+?])\??|\{(\d+)(,?)(\d*)\}\??/)
    if (found === null) return item
    const [, sign, least, comma, most] = found
    const min = sign === undefined ? Number(least) : sign === '+' ? 1 : 0
    const max = sign === undefined ? (comma === '' ? min : most === '' ? Infinity : Number(most)) : Infinity
    return { kind: 'repeat', item, min, max: sign === '?' ? 1 : max }
  }
  function atom(): Node {
    if (take('^')) return { kind: 'start' }
    if (take('$') || take('\\b') || take('\\B')) return { kind: 'check' }
    const group = read(/\((\?:|\?<[A-Za-z]\w*>|\?=|\?!|\?<=|\?<!|(?!\?))/)
    if (group !== null) {
      const inner = choice()
      if (!take(')')) throw new SyntaxError(`no end of the group in ${source}`)
      return /^\?<?[=!]$/.test(group[1] ?? '') ? { kind: 'look', item: inner } : inner
    }
    const text = read(
      /\[(?:[^\\\]]|\\.)*\]|\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[^1-9pPkuxc])|[^\\()[\]{}*+?|^$]/s,
    )?.[0]
    if (text === undefined) throw new SyntaxError(`${source} at ${at}: not known here`)
    const one = new RegExp(`^${text}$`, flags.replace(/[gym]/g, ''))
    return { kind: 'char', matches: (character) => one.test(character) }
  }

  const root = choice()
  if (at < source.length) throw new SyntaxError(`${source} at ${at}: not known here`)
  return root
}

/** How often the counted repetitions within come to; endless ones are loops whatever stands about them. */
function weightOf(node: Node): number {
  if (node.kind === 'sequence' || node.kind === 'choice') return Math.max(1, ...node.items.map(weightOf))
  if (node.kind === 'look') return weightOf(node.item)
  if (node.kind !== 'repeat') return 1
  return weightOf(node.item) * (node.max === Infinity ? 1 : Math.max(1, node.max))
}

interface State {
  /** Null for the places that read nothing. */
  matches: ((character: string) => boolean) | null
  /** Whether one may not pass: an end, a border of a word, something that must follow. */
  isCheck: boolean
  /** Whether it is passed before the first character only. */
  isStart: boolean
  /** Whether the first way on is a round of a loop that ends here. */
  isLoop: boolean
  next: State[]
}

interface Automaton {
  /** Those that read a character, and the first, where all begins. */
  count: number
  /** By state and letter: whither, as often as there are ways. */
  steps: Map<number, number>[][]
  /** From where the end is reached whatever follows: whoever gets there has not failed. */
  isDone: boolean[]
}

function build(root: Node, flags: string): Automaton {
  const state = (next: State[], change: Partial<State> = {}): State => ({
    matches: null,
    isCheck: false,
    isStart: false,
    isLoop: false,
    next,
    ...change,
  })
  const end = state([])
  const copies = (count: number) => Math.min(count, 2)

  /** Entered at the result, left at `to`. `around` is how often all repetitions about it come to. */
  function compile(node: Node, to: State, around: number): State {
    switch (node.kind) {
      case 'char':
        return state([to], { matches: node.matches })
      case 'start':
        return state([to], { isStart: !flags.includes('m') })
      case 'check':
        return state([to], { isCheck: true })
      case 'look':
        return state([compile(node.item, end, around), state([to], { isCheck: true })])
      case 'sequence':
        return node.items.reduceRight((after, item) => compile(item, after, around), to)
      case 'choice':
        return state(node.items.map((item) => compile(item, to, around)))
      case 'repeat': {
        const { item, min, max } = node
        const isLoop = around * max * weightOf(item) > MAX_COUNT
        const within = around * Math.max(1, isLoop ? 1 : max)
        let from = to
        if (isLoop) {
          from = state([], { isLoop: true })
          from.next.push(compile(item, from, within), to)
        } else for (let i = 0; i < copies(max - min); i++) from = state([compile(item, from, within), to])
        for (let i = 0; i < copies(min); i++) from = compile(item, from, within)
        return from
      }
    }
  }

  const origin = state([compile(root, end, 1)], { matches: () => false })
  // A search begins anew at every character: as if any text stood before.
  if (!flags.includes('y')) {
    const before = state([...origin.next], { matches: () => true })
    before.next.push(before)
    origin.next.push(before)
  }

  const states = [origin]
  const idOf = new Map([[origin, 0]])
  const ways: Map<number, number>[] = []
  const isDone: boolean[] = []
  for (let id = 0; id < states.length; id++) {
    const found = new Map<number, number>()
    isDone.push(false)
    ways.push(found)
    // Each way through places that read nothing. A round of a loop that reads nothing is none to V8 either.
    const walk = (place: State, begun: readonly State[], isSure: boolean): void => {
      if (place === end) {
        if (isSure) isDone[id] = true
        return
      }
      if (place.matches !== null) {
        if (!idOf.has(place)) idOf.set(place, states.push(place) - 1)
        const known = idOf.get(place) as number
        found.set(known, Math.min(2, (found.get(known) ?? 0) + 1))
        return
      }
      if (begun.includes(place) || (place.isStart && id !== 0)) return
      for (const [way, next] of place.next.entries())
        walk(next, place.isLoop && way === 0 ? [...begun, place] : begun, isSure && !place.isCheck)
    }
    for (const next of (states[id] as State).next) walk(next, [], true)
  }

  const letters = lettersOf(states)
  const steps = states.map(({ matches }, id) =>
    letters.map((letter) => (matches?.(letter) ? (ways[id] as Map<number, number>) : new Map<number, number>())),
  )
  return { count: states.length, steps, isDone }
}

/** One character of each kind that the states tell apart. */
function lettersOf(states: readonly State[]): string[] {
  const kinds = new Map<string, string>()
  for (let code = 0; code < 0x250; code++) {
    const letter = String.fromCharCode(code)
    kinds.set(states.map(({ matches }) => (matches?.(letter) ? '1' : '0')).join(''), letter)
  }
  for (const letter of ['\u2028', '\u3000', '\ufeff', '\uffff', '\u212a', '\ud800'])
    kinds.set(states.map(({ matches }) => (matches?.(letter) ? '1' : '0')).join(''), letter)
  return [...kinds.values()]
}

/** Whether a state comes back to itself by one text in two ways. */
function isExponential({ count, steps, isDone }: Automaton): boolean {
  const key = (a: number, b: number) => a * count + b
  const edges = (pair: number): { to: number; isTwofold: boolean }[] => {
    const [a, b] = [Math.floor(pair / count), pair % count]
    return (steps[a] as Map<number, number>[]).flatMap((ofA, letter) => {
      const ofB = steps[b]?.[letter] as Map<number, number>
      return [...ofA].flatMap(([x, times]) =>
        [...ofB.keys()].map((y) => ({ to: key(x, y), isTwofold: a === b && x === y && times > 1 })),
      )
    })
  }
  for (let state = 0; state < count; state++) {
    if (isDone[state]) continue
    const home = key(state, state)
    // Paths of pairs from home to home that part on the way. The second bit says whether they have.
    const seen = new Set<number>()
    const pending = [home * 2]
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const hasParted = next % 2 === 1
      for (const { to, isTwofold } of edges(Math.floor(next / 2))) {
        const parted = hasParted || isTwofold || Math.floor(to / count) !== to % count
        if (parted && to === home) return true
        const reached = to * 2 + (parted ? 1 : 0)
        if (seen.has(reached)) continue
        seen.add(reached)
        pending.push(reached)
      }
    }
  }
  return false
}

/** Whether one text leads from a first loop round to itself, from there to a second one, and round that. */
function isPolynomial({ count, steps, isDone }: Automaton): boolean {
  const loops = loopsOf(steps)
  for (let first = 0; first < count; first++) {
    for (let second = 0; second < count; second++) {
      if (first === second || isDone[second] || loops[first] === null || loops[second] === null) continue
      if (leads(first, second)) return true
    }
  }
  return false

  function leads(first: number, second: number): boolean {
    const key = (a: number, b: number, c: number) => (a * count + b) * count + c
    const goal = key(first, second, second)
    const seen = new Set<number>()
    const pending: [number, number, number][] = [[first, first, second]]
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const [a, b, c] = next
      for (const [letter, ofA] of (steps[a] as Map<number, number>[]).entries()) {
        const [ofB, ofC] = [steps[b]?.[letter] as Map<number, number>, steps[c]?.[letter] as Map<number, number>]
        for (const x of ofA.keys()) {
          if (loops[x] !== loops[first]) continue
          for (const z of ofC.keys()) {
            if (loops[z] !== loops[second]) continue
            for (const y of ofB.keys()) {
              const reached = key(x, y, z)
              if (reached === goal) return true
              if (seen.has(reached)) continue
              seen.add(reached)
              pending.push([x, y, z])
            }
          }
        }
      }
    }
    return false
  }
}

/** By state the number of the loop that it is part of; null for none. */
function loopsOf(steps: readonly (readonly Map<number, number>[])[]): (number | null)[] {
  const reach = steps.map((_, from) => {
    const seen = new Set<number>()
    const pending = [from]
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const to of steps[next]?.flatMap((ways) => [...ways.keys()]) ?? []) {
        if (seen.has(to)) continue
        seen.add(to)
        pending.push(to)
      }
    }
    return seen
  })
  return reach.map((reached, state) =>
    reached.has(state) ? reach.findIndex((other, id) => other.has(state) && reached.has(id)) : null,
  )
}
