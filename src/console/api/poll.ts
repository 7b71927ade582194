/** The longest pause between two questions after failures. */
const MAX_PAUSE_MS = 60_000

/** Doubles with each failure in a row. */
export function pauseAfter(failures: number, pollMs: number): number {
  return Math.min(pollMs * 2 ** failures, Math.max(pollMs, MAX_PAUSE_MS))
}

/** What of `document` is needed here. */
export interface Visibility extends EventTarget {
  readonly visibilityState: string
}

/**
 * Calls `run` once, when `pauseMs` have passed and the page can be seen: a hidden page asks nothing, and one that comes
 * back late asks at once. The returned function calls it off.
 */
export function whenVisible(page: Visibility, pauseMs: number, run: () => void): () => void {
  const dueAt = Date.now() + pauseMs
  let timer: ReturnType<typeof setTimeout> | undefined
  const cancel = () => {
    clearTimeout(timer)
    page.removeEventListener('visibilitychange', look)
  }
  const look = () => {
    clearTimeout(timer)
    if (page.visibilityState === 'hidden') return
    timer = setTimeout(
      () => {
        cancel()
        run()
      },
      Math.max(0, dueAt - Date.now()),
    )
  }
  page.addEventListener('visibilitychange', look)
  look()
  return cancel
}
