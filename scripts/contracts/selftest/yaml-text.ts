import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import type { Json } from '../../generate/json.ts'

/*
 * Edits of a YAML text that leave every other byte where it is, so that the line of a fault is known and the copy looks
 * like one that a person has edited. Values are written as JSON, which is YAML too.
 */

type Tokens = readonly string[]
type MapPair = Pair<Node, Node | null>

interface Parsed {
  root: Node
  lines: LineCounter
}

/** The document that was read last: a fault edits one document a few times. */
const memory: { text?: string; parsed?: Parsed } = {}

function parse(text: string): Parsed {
  if (memory.text === text && memory.parsed !== undefined) return memory.parsed
  const lines = new LineCounter()
  const { contents } = parseDocument(text, { lineCounter: lines })
  if (contents === null) throw new TypeError('the text is empty')
  memory.text = text
  memory.parsed = { root: contents as Node, lines }
  return memory.parsed
}

/** Counts from 1: of the key where the last token names a property, else of the item. */
export function lineOf(text: string, tokens: Tokens): number {
  const { root, lines } = parse(text)
  if (tokens.length === 0) return 1
  const name = tokens.at(-1) ?? ''
  const parent = nodeAt(root, tokens.slice(0, -1))
  const found = isMap(parent) ? pairOf(parent, name).key : isSeq(parent) ? parent.items[Number(name)] : undefined
  return lines.linePos(startOf(found, tokens)).line
}

/** Replaces a value. */
export function setValue(text: string, tokens: Tokens, value: Json): string {
  const node = nodeAt(parse(text).root, tokens)
  const [start, end] = rangeOf(node, tokens)
  const tail = text[end - 1] === '\n' ? '\n' : ''
  return `${text.slice(0, start)}${JSON.stringify(value)}${tail}${text.slice(end)}`
}

/** Adds a property before the others. */
export function insertKey(text: string, tokens: Tokens, key: string, value: Json): string {
  const map = mapAt(text, tokens)
  const entry = `${keyText(key)}: ${JSON.stringify(value)}`
  const first = map.items[0]
  if (map.flow || first === undefined) {
    const start = rangeOf(map, tokens)[0] + 1
    return `${text.slice(0, start)} ${entry}${first === undefined ? ' ' : ','}${text.slice(start)}`
  }
  const start = startOf(first.key, tokens)
  return `${text.slice(0, start)}${entry}\n${indentAt(text, start)}${text.slice(start)}`
}

export function removeKey(text: string, tokens: Tokens): string {
  const owner = tokens.slice(0, -1)
  const map = mapAt(text, owner)
  const pair = pairOf(map, tokens.at(-1) ?? '')
  const index = map.items.indexOf(pair)
  const start = startOf(pair.key, tokens)
  const next = map.items[index + 1]
  if (map.items.length === 1) return setValue(text, owner, {})
  if (next !== undefined) return text.slice(0, start) + text.slice(startOf(next.key, tokens))
  const end = rangeOf(pair.value ?? pair.key, tokens)[1]
  if (map.flow) return text.slice(0, rangeOf(map.items[index - 1]?.value, tokens)[1]) + text.slice(end)
  return text.slice(0, lineStart(text, start)) + text.slice(lineEnd(text, end))
}

export function renameKey(text: string, tokens: Tokens, key: string): string {
  const pair = pairOf(mapAt(text, tokens.slice(0, -1)), tokens.at(-1) ?? '')
  const [start, end] = rangeOf(pair.key, tokens)
  return text.slice(0, start) + keyText(key) + text.slice(end)
}

/** Adds an item after the others. */
export function appendItem(text: string, tokens: Tokens, value: Json): string {
  const seq = seqAt(text, tokens)
  const last = seq.items.at(-1) as Node | undefined
  if (seq.flow || last === undefined) {
    const end = rangeOf(seq, tokens)[1] - 1
    return `${text.slice(0, end)}${last === undefined ? '' : ', '}${JSON.stringify(value)}${text.slice(end)}`
  }
  const dash = text.lastIndexOf('-', startOf(last, tokens) - 1)
  const end = lineEnd(text, rangeOf(last, tokens)[1])
  return `${text.slice(0, end)}${indentAt(text, dash)}- ${JSON.stringify(value)}\n${text.slice(end)}`
}

/** Of a block sequence with at least two items, or of a flow sequence. */
export function removeItem(text: string, tokens: Tokens): string {
  const owner = tokens.slice(0, -1)
  const seq = seqAt(text, owner)
  const index = Number(tokens.at(-1))
  const items = seq.items as Node[]
  const [start, end] = rangeOf(items[index], tokens)
  const next = items[index + 1]
  if (items.length === 1) return setValue(text, owner, [])
  if (seq.flow) {
    return next === undefined
      ? text.slice(0, rangeOf(items[index - 1], tokens)[1]) + text.slice(end)
      : text.slice(0, start) + text.slice(startOf(next, tokens))
  }
  const from = lineStart(text, text.lastIndexOf('-', start - 1))
  const to = next === undefined ? lineEnd(text, end) : lineStart(text, text.lastIndexOf('-', startOf(next, tokens) - 1))
  return text.slice(0, from) + text.slice(to)
}

function nodeAt(root: Node, tokens: Tokens): Node {
  let node: Node = root
  for (const token of tokens) {
    if (isAlias(node)) throw new TypeError(`${tokens.join('/')} passes an alias`)
    const child: unknown = isMap(node)
      ? pairOf(node as YAMLMap<Node, Node | null>, token).value
      : isSeq(node)
        ? node.items[Number(token)]
        : undefined
    if (child === undefined || child === null) throw new TypeError(`there is nothing at ${tokens.join('/')}`)
    node = child as Node
  }
  return node
}

function mapAt(text: string, tokens: Tokens): YAMLMap<Node, Node | null> {
  const node = nodeAt(parse(text).root, tokens)
  if (!isMap(node)) throw new TypeError(`${tokens.join('/')} is no map`)
  return node as YAMLMap<Node, Node | null>
}

function seqAt(text: string, tokens: Tokens): YAMLSeq {
  const node = nodeAt(parse(text).root, tokens)
  if (!isSeq(node)) throw new TypeError(`${tokens.join('/')} is no list`)
  return node
}

function pairOf(map: YAMLMap, name: string): MapPair {
  const pair = map.items.find(({ key }) => String(isScalar(key) ? key.value : key) === name)
  if (!isPair(pair)) throw new TypeError(`there is no ${name}`)
  return pair as MapPair
}

function rangeOf(node: unknown, tokens: Tokens): readonly [number, number] {
  const range = (node as { range?: [number, number, number] | null } | null | undefined)?.range
  if (range === undefined || range === null) throw new TypeError(`there is nothing at ${tokens.join('/')}`)
  return [range[0], range[1]]
}

function startOf(node: unknown, tokens: Tokens): number {
  return rangeOf(node, tokens)[0]
}

function keyText(key: string): string {
  return /^[A-Za-z$/_][\w$./{}-]*$/.test(key) ? key : JSON.stringify(key)
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1
}

function lineEnd(text: string, offset: number): number {
  if (text[offset - 1] === '\n') return offset
  const end = text.indexOf('\n', offset)
  return end === -1 ? text.length : end + 1
}

function indentAt(text: string, offset: number): string {
  return ' '.repeat(offset - lineStart(text, offset))
}
