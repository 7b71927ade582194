import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Fault } from '../api/outcome.ts'
import type { Session } from '../api/session.ts'
import type { Ended } from '../api/use-session.ts'
import { useConsole } from '../context.ts'
import { FaultNote } from '../parts/fault-note.tsx'

const WHY: Readonly<Record<Exclude<Ended, null>, string>> = {
  expired: 'Your session has ended. Sign in to go on where you were.',
  refused: 'The server no longer accepts the token. Sign in to go on where you were.',
  'signed-out': 'You are signed out, and the token is forgotten here.',
}

export function SignIn({ ended, onSignedIn }: { ended: Ended; onSignedIn: (session: Session) => void }) {
  const { api, origin, ask, servedBy } = useConsole()
  const [needsTenant, setNeedsTenant] = useState(false)
  const [fault, setFault] = useState<Fault | null>(null)
  const [isBusy, setIsBusy] = useState(false)
  const email = useRef<HTMLInputElement>(null)
  const tenant = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => email.current?.focus(), [])
  useLayoutEffect(() => {
    if (needsTenant) tenant.current?.focus()
  }, [needsTenant])

  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    // The button stays in reach of the keyboard while it is busy, so a second press is possible.
    if (isBusy) return
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const slug = text(form, 'tenant').trim()
    setIsBusy(true)
    setFault(null)
    const outcome = await ask(
      api.login({
        body: {
          email: text(form, 'email').trim(),
          password: text(form, 'password'),
          ...(slug !== '' && { tenant: slug }),
        },
      }),
    )
    setIsBusy(false)
    if (outcome.kind === 'data') {
      const { access_token, expires_in, user, tenant } = outcome.data
      onSignedIn({
        api: origin,
        token: access_token,
        expiresAt: Date.now() + expires_in * 1_000,
        email: user.email,
        role: user.role,
        tenantSlug: tenant.slug,
        tenantName: tenant.name,
      })
    } else if (outcome.kind === 'problem' && outcome.problem.code === 'tenant_selection_required' && !needsTenant) {
      setNeedsTenant(true)
    } else if (outcome.kind !== 'unchanged' && outcome.kind !== 'aborted') setFault(outcome)
  }

  return (
    <section class="card sign-in" aria-labelledby="sign-in">
      <h1 id="sign-in">Sign in</h1>
      {ended !== null && (
        <p class="note" role="status">
          {WHY[ended]}
        </p>
      )}
      {servedBy.has('mock') && (
        <p class="note">A mock answers here: any address will do, with any password of at least 8 characters.</p>
      )}
      <form onSubmit={(event) => void submit(event)}>
        <label>
          <span>E-mail</span>
          <input ref={email} name="email" type="email" autocomplete="username" maxLength={254} required />
        </label>
        <label>
          <span>Password</span>
          <input name="password" type="password" autocomplete="current-password" maxLength={256} required />
        </label>
        {needsTenant && (
          <label>
            <span>Tenant</span>
            <input
              ref={tenant}
              name="tenant"
              autocomplete="organization"
              autocapitalize="none"
              spellcheck={false}
              maxLength={63}
              aria-describedby="tenant-hint"
              required
            />
            <small id="tenant-hint">You belong to several. Name one by its slug, such as northwind-outdoor.</small>
          </label>
        )}
        <button type="submit" aria-disabled={isBusy}>
          {isBusy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
      <div role="alert">{fault !== null && <FaultNote fault={fault} operationId="login" />}</div>
    </section>
  )
}

function text(form: FormData, name: string): string {
  const value = form.get(name)
  return typeof value === 'string' ? value : ''
}
