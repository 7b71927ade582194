import { useEffect, useRef, useState } from 'preact/hooks'
import { useConsole } from '../context.ts'
import type { Api, UsedOperation } from './api.ts'
import type { AnyResult, DataOf, Fault, ServedBy } from './outcome.ts'
import { pauseAfter, whenVisible } from './poll.ts'

/** What a panel knows of its operation. */
export interface Answer<T> {
  operationId: UsedOperation
  /** The last good answer to the present question; while a new question is open, to the one before. */
  data: T | null
  /** When the server last said so, which for an unchanged answer is later than when it came. */
  confirmedAt: number | null
  servedBy: ServedBy
  /** Why the last call brought none. */
  fault: Fault | null
  isLoading: boolean
  reload: () => void
}

export interface CallOfAnswer {
  signal: AbortSignal
  /** Of `data`, where the server gave one. */
  etag: string | null
}

interface State<T> {
  question: string
  data: T | null
  etag: string | null
  confirmedAt: number | null
  servedBy: ServedBy
  fault: Fault | null
  /** In a row. */
  failures: number
  isLoading: boolean
}

const EMPTY = { data: null, etag: null, confirmedAt: null, servedBy: null, fault: null, failures: 0, isLoading: true }

/**
 * Asks an operation, and again when `question` (the arguments) changes, on `reload`, and every `pollMs` while the page
 * can be seen. An answer to an older question never replaces that to a newer one.
 */
export function useAnswer<R extends AnyResult>(
  operationId: UsedOperation,
  question: unknown,
  call: (api: Api, options: CallOfAnswer) => Promise<R>,
  { pollMs }: { pollMs?: number } = {},
): Answer<DataOf<R>> {
  const { api, ask } = useConsole()
  const key = JSON.stringify(question)
  const [state, setState] = useState<State<DataOf<R>>>({ ...EMPTY, question: key })
  const [round, setRound] = useState(0)
  const latest = useRef({ call, state })
  latest.current = { call, state }

  // `round` only asks once more.
  useEffect(() => {
    const controller = new AbortController()
    const known = latest.current.state
    const etag = known.question === key ? known.etag : null
    setState((now) => ({ ...now, isLoading: true }))
    void ask(latest.current.call(api, { signal: controller.signal, etag })).then((outcome) => {
      if (controller.signal.aborted || outcome.kind === 'aborted') return
      setState((now) => {
        const same = now.question === key ? now : { ...EMPTY, question: key }
        if (outcome.kind === 'data') {
          const { data, etag, servedBy } = outcome
          return {
            question: key,
            data,
            etag,
            confirmedAt: Date.now(),
            servedBy,
            fault: null,
            failures: 0,
            isLoading: false,
          }
        }
        if (outcome.kind === 'unchanged')
          return { ...same, confirmedAt: Date.now(), fault: null, failures: 0, isLoading: false }
        return { ...same, fault: outcome, failures: same.failures + 1, isLoading: false }
      })
    })
    return () => controller.abort()
  }, [api, ask, key, round])

  const { isLoading, failures } = state
  useEffect(() => {
    if (pollMs === undefined || isLoading) return
    return whenVisible(document, pauseAfter(failures, pollMs), () => setRound((last) => last + 1))
  }, [pollMs, isLoading, failures])

  const { data, confirmedAt, servedBy, fault } = state
  return { operationId, data, confirmedAt, servedBy, fault, isLoading, reload: () => setRound((last) => last + 1) }
}
