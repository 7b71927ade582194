import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { isAbsolute, relative, sep } from 'node:path'
import { parseYaml } from '@redocly/openapi-core'
import { type Document, isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import { type Json, pointerTokens } from '../generate/json.ts'
import { type Place, type Position, SyntaxFault, ToolError } from './finding.ts'
import { indexJson } from './json-position.ts'

/** Bytes. Larger descriptions take minutes in every tool that follows, so they are refused at once. */
export const MAX_FILE_BYTES = 50 * 1024 * 1024

/** The files of one run. Parsed values are shared between runs of a process by content; nobody may change them. */
export interface Files {
  root: string
  text(file: string): string
  /** Throws SyntaxFault, or ToolError when the file cannot be read. */
  parse(file: string): Json
  position(place: Place): Position
  /** Of a file: relative to the root, absolute outside it. */
  name(file: string): string
}

interface Located {
  document: Document.Parsed
  lines: LineCounter
}

// A self-test checks a hundred copies that differ in one line: what is equal is parsed once.
const parsed = new Map<string, Json>()
const located = new Map<string, Located>()
const MAX_REMEMBERED = 400

export function createFiles(root: string): Files {
  const texts = new Map<string, string>()
  const values = new Map<string, Json>()
  const documents = new Map<string, Located>()
  const indexes = new Map<string, ReturnType<typeof indexJson>>()
  const name = (file: string) => {
    const path = relative(root, file).split(sep).join('/')
    return path.startsWith('../') || isAbsolute(path) ? file.split(sep).join('/') : path
  }
  const text = (file: string): string => {
    const known = texts.get(file)
    if (known !== undefined) return known
    const read = readBounded(file, name(file))
    texts.set(file, read)
    return read
  }
  return {
    root,
    text,
    name,
    parse(file) {
      const known = values.get(file)
      if (known !== undefined) return known
      const source = text(file)
      const value = remember(parsed, hashText(source, file), () => parseText(source, file, name(file)))
      values.set(file, value)
      return value
    },
    position({ file, pointer }) {
      const source = text(file)
      if (isJson(file)) {
        const offsetIn = indexes.get(file) ?? indexJson(source)
        indexes.set(file, offsetIn)
        return { file: name(file), ...lineOf(source, offsetIn(pointerTokens(pointer))) }
      }
      const known = documents.get(file) ?? remember(located, hashText(source, file), () => parseLocated(source))
      documents.set(file, known)
      const { document, lines } = known
      const { line, col } = lines.linePos(offsetOf(document, pointerTokens(pointer)))
      return { file: name(file), line, column: col }
    },
  }
}

function parseLocated(source: string): Located {
  const lines = new LineCounter()
  return { document: parseDocument(source, { lineCounter: lines }), lines }
}

function readBounded(file: string, name: string): string {
  try {
    const { size } = statSync(file)
    if (size > MAX_FILE_BYTES) {
      const megabytes = (size / 1024 / 1024).toFixed(0)
      throw new SyntaxFault(`the file has ${megabytes} MiB; the limit is ${MAX_FILE_BYTES / 1024 / 1024} MiB`, {
        file: name,
        line: 1,
        column: 1,
      })
    }
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof SyntaxFault) throw error
    throw new ToolError(`${name} cannot be read: ${reasonOf(error)}`)
  }
}

export function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  const reasons: Record<string, string> = {
    ENOENT: 'it does not exist',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EISDIR: 'it is a folder',
    ENOTDIR: 'it is not a folder',
  }
  return reasons[code ?? ''] ?? (error instanceof Error ? error.message : String(error))
}

function parseText(source: string, file: string, name: string): Json {
  try {
    const value: unknown = isJson(file) ? JSON.parse(source) : parseYaml(source)
    return (value ?? null) as Json
  } catch (error) {
    throw new SyntaxFault(syntaxMessage(error), { file: name, ...syntaxPosition(error, source) })
  }
}

function syntaxMessage(error: unknown): string {
  const { reason, message } = error as { reason?: string; message?: string }
  return `syntax error: ${(reason ?? message ?? String(error)).replace(/ in JSON at position.*$/s, '')}`
}

function syntaxPosition(error: unknown, source: string): { line: number; column: number } {
  const { mark, message } = error as { mark?: { line: number; column: number }; message?: string }
  if (mark !== undefined) return { line: mark.line + 1, column: mark.column + 1 }
  const offset = /position (\d+)/.exec(message ?? '')?.[1]
  return lineOf(source, offset === undefined ? source.length : Number(offset))
}

function isJson(file: string): boolean {
  return file.endsWith('.json')
}

function hashText(source: string, file: string): string {
  return `${isJson(file) ? 'json' : 'yaml'} ${createHash('sha1').update(source).digest('base64')}`
}

function remember<T>(memory: Map<string, T>, key: string, make: () => T): T {
  const known = memory.get(key)
  if (known !== undefined) return known
  const made = make()
  if (memory.size >= MAX_REMEMBERED) memory.delete(memory.keys().next().value ?? '')
  memory.set(key, made)
  return made
}

export function lineOf(source: string, offset: number): { line: number; column: number } {
  let line = 1
  let start = 0
  for (let end = source.indexOf('\n'); end !== -1 && end < offset; end = source.indexOf('\n', start)) {
    line += 1
    start = end + 1
  }
  return { line, column: offset - start + 1 }
}

/** Of the key where the last token names a property, else of the value; of the nearest ancestor where it is absent. */
function offsetOf(document: Document.Parsed, tokens: string[]): number {
  let node: unknown = document.contents
  let offset = 0
  for (const token of tokens) {
    if (isAlias(node)) node = node.resolve(document)
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === token)
      if (!isPair(pair)) return offset
      offset = rangeStart(pair.key) ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      const item = node.items[Number(token)]
      if (item === undefined) return offset
      offset = rangeStart(item) ?? offset
      node = item
    } else return offset
  }
  return offset
}

function rangeStart(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] | null } | null)?.range?.[0]
}
