import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { createApi } from './api/api.ts'
import { createReporter, reportErrors } from './api/error-reports.ts'
import type { ApiChoice } from './api/origin.ts'
import { type AnyResult, type ServedBy, toOutcome } from './api/outcome.ts'
import type { Session } from './api/session.ts'
import { useSession } from './api/use-session.ts'
import { type Console, ConsoleContext } from './context.ts'
import { Footer } from './parts/footer.tsx'
import { Header } from './parts/header.tsx'
import { ServerLine } from './parts/server-line.tsx'
import { type Route, useRoute, VIEWS } from './route.ts'
import { DeadEvents } from './views/dead-events.tsx'
import { LlmBudget } from './views/llm-budget.tsx'
import { Reconciliation } from './views/reconciliation.tsx'
import { Revenue } from './views/revenue.tsx'
import { SignIn } from './views/sign-in.tsx'
import { System } from './views/system.tsx'

/** The page for one server. */
export function Shell({ choice, onUseOwn }: { choice: ApiChoice; onUseOwn: () => void }) {
  const { session, ended, start, end } = useSession(choice.origin)
  const token = useRef<string | null>(null)
  token.current = session?.token ?? null
  const [servedBy, setServedBy] = useState<ReadonlySet<ServedBy>>(new Set())
  const [said, setSaid] = useState('')
  const route = useRoute()
  const main = useRef<HTMLElement>(null)
  const report = useRef(createReporter())

  const api = useMemo(() => createApi(choice.origin, () => token.current), [choice.origin])
  const ask = useCallback(
    async <R extends AnyResult>(call: Promise<R>) => {
      const wasSignedIn = token.current
      const outcome = await toOutcome(call)
      if ('servedBy' in outcome)
        setServedBy((known) => (known.has(outcome.servedBy) ? known : new Set([...known, outcome.servedBy])))
      const isRefused = outcome.kind === 'problem' && outcome.problem.status === 401
      // The answer to a token of before says nothing about the present one.
      if (isRefused && wasSignedIn !== null && wasSignedIn === token.current) end('refused')
      return outcome
    },
    [end],
  )
  const shared = useMemo<Console>(
    () => ({ api, origin: choice.origin, session, servedBy, ask, announce: setSaid }),
    [api, choice.origin, session, servedBy, ask],
  )
  const isSignedIn = session !== null
  useEffect(() => (isSignedIn ? reportErrors(api, report.current) : undefined), [api, isSignedIn])
  useFocusOnMove(main, route, session)

  const View = VIEW_PARTS[route]
  return (
    <ConsoleContext.Provider value={shared}>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to content
      </button>
      <Header route={route} onSignOut={() => end('signed-out')} />
      <ServerLine choice={choice} onUseOwn={onUseOwn} />
      <main id="main" ref={main} tabIndex={-1}>
        {session === null ? <SignIn ended={ended} onSignedIn={start} /> : <View key={session.token} />}
      </main>
      <Footer origin={choice.origin} />
      <p class="visually-hidden" role="status">
        {said}
      </p>
    </ConsoleContext.Provider>
  )
}

const VIEW_PARTS: Readonly<Record<Route, () => preact.JSX.Element>> = {
  revenue: Revenue,
  reconciliation: Reconciliation,
  'dead-letters': DeadEvents,
  'llm-budget': LlmBudget,
  system: System,
}

/**
 * After a move to another view, and after signing in or out, the reader goes on at the top of what is new: at once, not
 * after the next paint, or a key pressed in between would still go to what was there before.
 */
function useFocusOnMove(main: { current: HTMLElement | null }, route: Route, session: Session | null) {
  const place = `${route} ${session?.token ?? ''}`
  const last = useRef(place)
  useLayoutEffect(() => {
    document.title = `${session === null ? 'Sign in' : VIEWS[route]} · Skeldir console`
    if (last.current === place) return
    last.current = place
    // Signing in again begins in the form's first field.
    if (session !== null) main.current?.focus()
    scrollTo({ top: 0 })
  }, [main, place, route, session])
}
