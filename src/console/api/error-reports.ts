import type { Api } from './api.ts'

/** Different errors that one page reports; a fault in a loop says nothing new. */
const MAX_REPORTS = 10
const MAX_MESSAGE = 1_000
const MAX_STACK = 16_384

export interface Report {
  name?: string
  message: string
  stack?: string
  url: string
  occurred_at: string
}

/** What is told of something that was thrown; null for what this page has told before, or when it has told enough. */
export function createReporter(told = new Set<string>()): (thrown: unknown, page: string, now: Date) => Report | null {
  return (thrown, page, now) => {
    const { name, message, stack } = thrown instanceof Error ? thrown : new Error(String(thrown))
    const known = `${name} ${message} ${stack}`
    if (told.size >= MAX_REPORTS || told.has(known)) return null
    told.add(known)
    return {
      ...(thrown instanceof Error && name !== '' && { name: name.slice(0, 100) }),
      message: message.slice(0, MAX_MESSAGE) || 'no message',
      ...(thrown instanceof Error && stack && { stack: stack.slice(0, MAX_STACK) }),
      // The server would drop them too; they need not leave the browser at all.
      url: page.replace(/[?#].*/s, ''),
      occurred_at: now.toISOString(),
    }
  }
}

/** Reports what nobody catches, while somebody is signed in. Answers what ends it. */
export function reportErrors(api: Api, report: ReturnType<typeof createReporter>): () => void {
  const tell = (thrown: unknown) => {
    const body = report(thrown, location.href, new Date())
    // A report that fails is not worth another one.
    if (body !== null) api.logError({ body }).catch(() => {})
  }
  const onError = ({ error, message }: ErrorEvent) => tell(error ?? message)
  const onRejection = ({ reason }: PromiseRejectionEvent) => tell(reason)
  addEventListener('error', onError)
  addEventListener('unhandledrejection', onRejection)
  return () => {
    removeEventListener('error', onError)
    removeEventListener('unhandledrejection', onRejection)
  }
}
