import type { Random } from '../../demo/random.ts'

/** How often an open quantifier (`*`, `+`, `{2,}`) repeats beyond its minimum, at most. */
const OPEN_REPEATS = 4
const PRINTABLE = 'abcdefghijklmnopqrstuvwxyz0123456789'

type Node =
  | { kind: 'set'; characters: string }
  | { kind: 'sequence'; parts: Node[] }
  | { kind: 'choice'; options: Node[] }
  | { kind: 'repeat'; part: Node; least: number; most: number }

/**
 * A text that a regular expression of a CHECK matches: literals, `.`, classes, `\d \w \s`, groups, `|`, anchors and
 * quantifiers. Undefined where the expression uses something else (look-around, back references): then the caller has
 * to find a text in another way. The text is a guess; the CHECK decides.
 */
export function sampleOf(pattern: string, random: Random): string | undefined {
  try {
    return write(parse(pattern), random)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function write(node: Node, random: Random): string {
  switch (node.kind) {
    case 'set':
      return random.pick([...node.characters])
    case 'sequence':
      return node.parts.map((part) => write(part, random)).join('')
    case 'choice':
      return write(random.pick(node.options), random)
    case 'repeat': {
      const times = random.integer(node.least, Math.min(node.most, node.least + OPEN_REPEATS))
      return Array.from({ length: times }, () => write(node.part, random)).join('')
    }
  }
}

function parse(pattern: string): Node {
  let at = 0
  const peek = () => pattern[at]
  const take = () => {
    const character = pattern[at]
    if (character === undefined) throw new SyntaxError('ends too early')
    at += 1
    return character
  }

  const parseChoice = (): Node => {
    const options = [parseSequence()]
    while (peek() === '|') {
      take()
      options.push(parseSequence())
    }
    return options.length === 1 ? (options[0] as Node) : { kind: 'choice', options }
  }
  const parseSequence = (): Node => {
    const parts: Node[] = []
    while (peek() !== undefined && peek() !== '|' && peek() !== ')') {
      const atom = parseAtom()
      if (atom !== null) parts.push(parseQuantifier(atom))
    }
    return { kind: 'sequence', parts }
  }
  const parseAtom = (): Node | null => {
    const character = take()
    if (character === '^' || character === '$') return null
    if (character === '(') return parseGroup()
    if (character === '[') return { kind: 'set', characters: parseClass() }
    if (character === '.') return { kind: 'set', characters: PRINTABLE }
    if (character === '\\') return { kind: 'set', characters: escaped(take()) }
    if ('*+?{'.includes(character)) throw new SyntaxError('nothing to repeat')
    return { kind: 'set', characters: character }
  }
  const parseGroup = (): Node => {
    if (peek() === '?') {
      take()
      if (take() !== ':') throw new SyntaxError('look-around')
    }
    const inner = parseChoice()
    if (take() !== ')') throw new SyntaxError('group is not closed')
    return inner
  }
  const parseQuantifier = (part: Node): Node => {
    const [least, most] = readBounds()
    if (peek() === '?' && !(least === 1 && most === 1)) take()
    return least === 1 && most === 1 ? part : { kind: 'repeat', part, least, most }
  }
  const readBounds = (): [number, number] => {
    const bounds: Record<string, [number, number]> = { '*': [0, OPEN_REPEATS], '+': [1, 1 + OPEN_REPEATS], '?': [0, 1] }
    const simple = bounds[peek() ?? '']
    if (simple !== undefined) {
      take()
      return simple
    }
    const counted = /^\{(\d+)(,(\d*))?\}/.exec(pattern.slice(at))
    if (counted === null) return [1, 1]
    at += counted[0].length
    const least = Number(counted[1])
    if (counted[2] === undefined) return [least, least]
    return [least, counted[3] === '' ? least + OPEN_REPEATS : Number(counted[3])]
  }
  const parseClass = (): string => {
    const isNegated = peek() === '^'
    if (isNegated) take()
    let characters = ''
    for (let first = true; first || peek() !== ']'; first = false) {
      const from = take()
      const members = from === '\\' ? escaped(take()) : from
      if (peek() === '-' && pattern[at + 1] !== ']' && members.length === 1) {
        take()
        characters += range(members, take())
      } else characters += members
    }
    take()
    if (!isNegated) return characters
    const rest = [...PRINTABLE].filter((character) => !characters.includes(character)).join('')
    if (rest === '') throw new SyntaxError('an empty class')
    return rest
  }

  const node = parseChoice()
  if (at < pattern.length) throw new SyntaxError(`unexpected ${peek()}`)
  return node
}

function escaped(character: string): string {
  if (character === 'd') return '0123456789'
  if (character === 'w') return `${PRINTABLE}_`
  if (character === 's') return ' '
  if (/[A-Za-z0-9]/.test(character)) throw new SyntaxError(`unknown escape ${character}`)
  return character
}

function range(from: string, to: string): string {
  const [first, last] = [from.charCodeAt(0), to.charCodeAt(0)]
  if (last < first) throw new SyntaxError('a range that runs backwards')
  return Array.from({ length: last - first + 1 }, (_, offset) => String.fromCharCode(first + offset)).join('')
}
