import { hash } from 'node:crypto'
import { type Outcome, rejected } from './kind.ts'

/** What a dry run remembers of the rows that it has undone: some 50 bytes of each, and none of its texts. */
export interface Rehearsal {
  /** What a row would come to after those before it. */
  judge(outcome: Outcome): Outcome
}

/** A Map takes 2^24 entries. */
const PARTS = 64

/** `isReplaced`: as of the kind of rows. */
export function startRehearsal({ isReplaced }: { isReplaced: boolean }): Rehearsal {
  const parts = Array.from({ length: PARTS }, () => new Map<number, number>())
  return {
    judge(outcome) {
      const { item, result, code } = outcome
      if (item === undefined || (result === 'rejected' && code !== 'conflict')) return outcome
      const [id, content] = [digest(item.id), digest(item.content)]
      const part = parts[id % PARTS] as Map<number, number>
      const before = part.get(id)
      if (before === content)
        return { ...outcome, result: isReplaced ? 'unchanged' : 'duplicate', code: null, sums: [] }
      if (before !== undefined && !isReplaced) return rejected('conflict')
      if (before === undefined && result !== 'accepted' && result !== 'replaced') return outcome
      part.set(id, content)
      return before === undefined ? outcome : { ...outcome, result: 'replaced', code: null, sums: item.sums }
    },
  }
}

/** 53 bits: of ten million rows two are alike by chance once in two hundred runs. */
function digest(text: string): number {
  return Number(hash('sha256', text, 'buffer').readBigUInt64BE() >> 11n)
}
