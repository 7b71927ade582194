import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Api } from './api/api.ts'
import type { AnyResult, DataOf, Outcome, ServedBy } from './api/outcome.ts'
import type { Session } from './api/session.ts'

/** What every part of the page shares. */
export interface Console {
  api: Api
  /** Of the server. */
  origin: string
  session: Session | null
  /** Who has answered so far on this page. */
  servedBy: ReadonlySet<ServedBy>
  /** Turns a call into what it came to, and notes who answered; a 401 ends the session. */
  ask: <R extends AnyResult>(call: Promise<R>) => Promise<Outcome<DataOf<R>>>
  /** Says something to those who cannot see it. */
  announce: (text: string) => void
}

export const ConsoleContext = createContext<Console | null>(null)

export function useConsole(): Console {
  const console = useContext(ConsoleContext)
  if (console === null) throw new Error('no console around this part')
  return console
}
