import { isAbsolute, relative, sep } from 'node:path'
import { pointerTokens } from '../../generate/json.ts'
import type { Place } from '../finding.ts'
import type { Bench, Draft, Fault, Operator, Target } from './operator.ts'
import { appendItem, insertKey, lineOf, removeItem, removeKey, renameKey, setValue } from './yaml-text.ts'

/** Those that read documents, and are quick. The others (validators, types, generated, routes) run where an operator asks. */
export const DOCUMENT_GATES = [
  'document',
  'bundle',
  'lint',
  'examples',
  'error-model',
  'governance',
  'breaking',
  'changelog',
  'mocks',
  'postgres-only',
  'rules-table',
] as const

/** Plants one fault in memory. */
export function plantFault(bench: Bench, operator: Operator, target: Target, id: string): Fault {
  const edits: Record<string, string | null> = {}
  const at = target.plant(createDraft(bench, edits))
  return {
    id,
    operator: operator.id,
    what: operator.what,
    target: target.name,
    file: target.file,
    base: operator.base ?? 'clean',
    gate: operator.gate,
    rule: operator.rule,
    gates: operator.gates ?? DOCUMENT_GATES,
    follows: operator.follows ?? {},
    edits,
    at: 'pointer' in at ? createDraft(bench, edits).lineAt(at) : at,
  }
}

function createDraft({ ctx, read: pristine }: Bench, edits: Record<string, string | null>): Draft {
  const nameOf = (file: string) => (isAbsolute(file) ? relative(ctx.root, file).split(sep).join('/') : file)
  const read = (file: string) => edits[nameOf(file)] ?? pristine(nameOf(file))
  const edit = (at: Place, change: (text: string, tokens: string[]) => string) => {
    edits[nameOf(at.file)] = change(read(at.file), pointerTokens(at.pointer))
  }
  return {
    read,
    set: (at, value) => edit(at, (text, tokens) => setValue(text, tokens, value)),
    insert: (map, key, value) => edit(map, (text, tokens) => insertKey(text, tokens, key, value)),
    remove: (at) => edit(at, removeKey),
    rename: (at, key) => edit(at, (text, tokens) => renameKey(text, tokens, key)),
    append: (list, value) => edit(list, (text, tokens) => appendItem(text, tokens, value)),
    removeItem: (at) => edit(at, removeItem),
    replace(file, from, to) {
      const text = read(file)
      const index = typeof from === 'string' ? text.indexOf(from) : text.search(from)
      if (index === -1) throw new TypeError(`${nameOf(file)} has no ${String(from)}`)
      edits[nameOf(file)] = text.slice(0, index) + text.slice(index).replace(from, () => to)
      return { file: nameOf(file), line: text.slice(0, index).split('\n').length }
    },
    write(file, text) {
      edits[nameOf(file)] = text
    },
    delete(file) {
      edits[nameOf(file)] = null
    },
    lineAt: ({ file, pointer }) => ({ file: nameOf(file), line: lineOf(read(file), pointerTokens(pointer)) }),
  }
}
