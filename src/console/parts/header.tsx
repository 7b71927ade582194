import { useConsole } from '../context.ts'
import { formatClock } from '../format/time.ts'
import { type Route, VIEWS } from '../route.ts'
import { Mark } from './mark.tsx'

export function Header({ route, onSignOut }: { route: Route; onSignOut: () => void }) {
  const { session, api, ask } = useConsole()
  const signOut = () => {
    // Whether or not the server can revoke it, the token is forgotten here.
    void ask(api.logout())
    onSignOut()
  }
  return (
    <header class="top">
      <div class="bar">
        <p class="brand">
          <Mark /> Skeldir <span>console</span>
        </p>
        {session !== null && (
          <div class="account">
            <p>
              <strong>{session.tenantName}</strong>
              <span>
                {session.email}, {session.role}, until <time>{formatClock(session.expiresAt)}</time>
              </span>
            </p>
            <button type="button" class="quiet" onClick={signOut}>
              Sign out
            </button>
          </div>
        )}
      </div>
      {session !== null && (
        <nav aria-label="Views">
          <ul>
            {Object.entries(VIEWS).map(([name, title]) => (
              <li key={name}>
                <a href={`#/${name}`} aria-current={name === route ? 'page' : undefined}>
                  {title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      )}
    </header>
  )
}
