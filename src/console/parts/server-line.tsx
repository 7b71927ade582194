import { useEffect } from 'preact/hooks'
import type { ApiChoice } from '../api/origin.ts'
import type { ServedBy } from '../api/outcome.ts'
import { useConsole } from '../context.ts'

/** Which server the page looks at, and who gives its answers. */
export function ServerLine({ choice, onUseOwn }: { choice: ApiChoice; onUseOwn: () => void }) {
  const { api, ask, servedBy } = useConsole()
  useEffect(() => {
    // The cheapest question there is: before anyone has signed in it tells whether a mock answers here.
    void ask(api.getLiveness())
  }, [api, ask])
  return (
    <aside class="server" aria-label="Server">
      {choice.refused !== null && (
        <p class="note bad">
          The address names <code>{choice.refused === '' ? '(nothing)' : choice.refused}</code> as the API. That cannot
          be used: name an origin such as <code>https://api.example.com</code> or <code>http://localhost:4000</code>.
        </p>
      )}
      <p>
        <span>
          Server <code>{choice.origin}</code>
          {choice.isOwn ? (
            ' (this page’s own)'
          ) : (
            <>
              {' '}
              <button type="button" class="link" onClick={onUseOwn}>
                use this page’s own
              </button>
            </>
          )}
        </span>
        <span>{describe(servedBy)}</span>
      </p>
    </aside>
  )
}

function describe(servedBy: ReadonlySet<ServedBy>) {
  if (servedBy.has('mock') && servedBy.has('real'))
    return (
      <>
        Answers: some <Badge by="mock" /> and some <Badge by="real" />, as each panel says
      </>
    )
  if (servedBy.has('mock'))
    return (
      <>
        Answers: <Badge by="mock" /> examples from the contract, not your data
      </>
    )
  if (servedBy.has('real'))
    return (
      <>
        Answers: <Badge by="real" />
      </>
    )
  return servedBy.has(null) ? <>Answers: the server’s own</> : null
}

/** Who gave an answer, where the answer says so. */
export function Badge({ by }: { by: ServedBy }) {
  return by === null ? null : <span class={`badge ${by}`}>{by}</span>
}
