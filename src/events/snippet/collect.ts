import { findArrival, type Touchpoint } from './arrival.ts'
import { carryToken, takeBackToken } from './carry.ts'
import { findKeptVisitor, forget, keep, newIdentity, prolongSession, tokenOf } from './identity.ts'
import { createSender, forgetKept } from './send.ts'

/*
 * /collect.js: tells the API how visitors came to a page of the shop.
 *   <script async src="https://api.example/collect.js" data-key="skp_…"></script>
 * data-consent="granted"  consent is not asked for, or was given already
 * data-wait               nothing at all is sent before consent
 * data-domain             the cookie is that of this domain and all below it
 */

type Command = (name: string, value?: unknown) => unknown
interface Stub {
  q?: ArrayLike<unknown>[]
}

/** Consent is asked for while the page loads; commands that come in this time hold for what is sent then. */
const SEND_AFTER_MS = 300

function start(script: HTMLScriptElement, key: string): Command {
  const { domain, consent, wait } = script.dataset
  const identity = newIdentity()
  const sender = createSender(new URL('/api/events/collect', script.src).href, key)
  let waiting: Touchpoint[] = []

  function note(): void {
    const arrival = findArrival(identity.isNewSession)
    identity.isNewSession = false
    if (arrival === null) return
    waiting.push(arrival)
    setTimeout(flush, SEND_AFTER_MS)
  }

  function flush(isLeaving?: boolean): void {
    if (waiting.length === 0 || (wait !== undefined && !identity.isKept)) return
    const touchpoints = waiting
    waiting = []
    sender.send(touchpoints, identity, isLeaving === true)
  }

  function grant(): void {
    // Whoever has told the browser once does not want to be asked by every page.
    if (identity.isKept || refusesTracking()) return
    keep(identity, domain)
    sender.sendKept()
    carryToken(identity)
    flush()
  }

  function deny(): void {
    const wasKept = identity.isKept
    waiting = []
    forget(domain)
    forgetKept()
    Object.assign(identity, newIdentity(), { isNewSession: false })
    takeBackToken(wasKept)
  }

  // The id of an earlier page is there because of consent, which holds until it is withdrawn.
  if (consent === 'granted' || findKeptVisitor() !== undefined) grant()
  else takeBackToken(false)
  note()
  const stay = () => {
    if (identity.isKept) prolongSession(identity, domain)
  }
  // Filling in a checkout takes its time.
  addEventListener('click', stay, true)
  addEventListener('pagehide', () => {
    stay()
    flush(true)
  })

  return (name, value) => {
    if (name === 'consent') value === 'granted' ? grant() : deny()
    if (name === 'page') note()
    if (name !== 'token') return undefined
    const token = tokenOf(identity)
    if (typeof value === 'function') value(token)
    return token
  }
}

/** Global Privacy Control (https://w3c.github.io/gpc/), or the older Do Not Track. */
function refusesTracking(): boolean {
  const { globalPrivacyControl, doNotTrack } = navigator as Navigator & { globalPrivacyControl?: boolean }
  return globalPrivacyControl === true || doNotTrack === '1'
}

function install(script: HTMLScriptElement | null): void {
  const page = window as { skeldir?: (Command & Stub) | undefined; skeldirRuns?: boolean }
  const key = script?.dataset.key
  if (script === null || key === undefined || page.skeldirRuns === true) return
  page.skeldirRuns = true
  const run = start(script, key)
  const safe: Command = (name, value) => {
    try {
      return run(name, value)
    } catch {
      return null
    }
  }
  const { q: early = [] } = page.skeldir ?? {}
  page.skeldir = safe
  for (const command of Array.from(early)) safe(String(command[0]), command[1])
}

try {
  install(document.currentScript as HTMLScriptElement | null)
} catch {
  // A page works without us: no storage, no `crypto`, an old browser.
}
