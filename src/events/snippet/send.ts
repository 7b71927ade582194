import type { Touchpoint } from './arrival.ts'
import type { Identity } from './identity.ts'

/** Touches on their way, with whom they are of; JSON in localStorage, and only with consent. */
interface Batch {
  id: string
  /** By later pages. */
  tries: number
  body: { key: string; visitor_id: string; session_id: string; touchpoints: Touchpoint[] }
}

const KEPT = 'skeldir_q'
/** Where every request fails, by a wrong origin say, a shop's pages are not to be full of them; the oldest go. */
const MAX_KEPT = 10
const MAX_TRIES = 5

export interface Sender {
  /** Once. With consent it is kept until the API has answered, and sent again by later pages; the API drops repeats. */
  send(touchpoints: Touchpoint[], identity: Identity, isLeaving: boolean): void
  /** What earlier pages could not send. */
  sendKept(): void
}

export function createSender(url: string, key: string): Sender {
  function post({ body, id }: Batch, isLeaving: boolean, isKept: boolean): void {
    const text = JSON.stringify({ ...body, sent_at: new Date().toISOString() })
    // Only the answer to a `fetch` can be seen; a beacon survives the page more surely.
    if ((isLeaving || !isKept) && navigator.sendBeacon?.(url, text) === true) return
    // A text goes out as text/plain, which needs no preflight.
    fetch(url, { method: 'POST', body: text, keepalive: true, credentials: 'omit' }).then(
      ({ status }) => {
        if (isKept && status < 500 && status !== 429) writeKept(readKept().filter((batch) => batch.id !== id))
      },
      () => {},
    )
  }

  return {
    send(touchpoints, { visitor, session, isKept }, isLeaving) {
      const body = { key, visitor_id: visitor, session_id: session, touchpoints }
      const batch = { id: (touchpoints[0] as Touchpoint).event_id, tries: 0, body }
      if (isKept) writeKept([...readKept(), batch].slice(-MAX_KEPT))
      post(batch, isLeaving, isKept)
    },
    sendKept() {
      const batches = readKept().filter(({ tries }) => tries < MAX_TRIES)
      for (const batch of batches) batch.tries += 1
      writeKept(batches)
      for (const batch of batches) post(batch, false, true)
    },
  }
}

export function forgetKept(): void {
  writeKept([])
}

function readKept(): Batch[] {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? '[]') as Batch[]
  } catch {
    return []
  }
}

function writeKept(batches: Batch[]): void {
  try {
    if (batches.length === 0) localStorage.removeItem(KEPT)
    else localStorage.setItem(KEPT, JSON.stringify(batches))
  } catch {
    // Storage is full or switched off.
  }
}
