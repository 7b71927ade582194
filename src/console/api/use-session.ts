import { useCallback, useEffect, useState } from 'preact/hooks'
import { parseSession, type Session } from './session.ts'
import { recall, remember } from './storage.ts'

const KEY = 'skeldir.session'
/** The longest that a browser's timer can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Why nobody is signed in any more. */
export type Ended = 'expired' | 'refused' | 'signed-out' | null

/** The session with one server, kept for the tab, and ended when its token expires. */
export function useSession(api: string): {
  session: Session | null
  ended: Ended
  start: (session: Session) => void
  end: (why: Exclude<Ended, null>) => void
} {
  const [{ session, ended }, setState] = useState<{ session: Session | null; ended: Ended }>(() => ({
    session: parseSession(recall(KEY), api, Date.now()),
    ended: null,
  }))
  const start = useCallback((session: Session) => {
    remember(KEY, JSON.stringify(session))
    setState({ session, ended: null })
  }, [])
  const end = useCallback((why: Exclude<Ended, null>) => {
    remember(KEY, null)
    setState((now) => (now.session === null ? now : { session: null, ended: why }))
  }, [])

  useEffect(() => {
    if (session === null) return
    const look = () => {
      if (Date.now() >= session.expiresAt) end('expired')
    }
    const timer = setTimeout(look, Math.min(session.expiresAt - Date.now(), MAX_TIMER_MS))
    // A machine that slept does not count: the timer would come late.
    document.addEventListener('visibilitychange', look)
    return () => {
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', look)
    }
  }, [session, end])
  return { session, ended, start, end }
}
