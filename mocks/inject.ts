import type { InjectionConfig, MockConfig } from './config.ts'
import type { Fault, Preferences } from './prefer.ts'

/** What befalls one request. */
export interface Injection {
  /** Milliseconds. */
  delayMs: number
  fault: Fault | undefined
  /** Of the quota, for the answer. */
  headers: Record<string, string>
}

export type Injector = (operationId: string, preferences: Preferences) => Injection

interface Window {
  startedAt: number
  used: number
}

/** Preferences of the request go before the configuration. `now` in milliseconds. */
export function createInjector(config: MockConfig = { operations: {} }, now: () => number = Date.now): Injector {
  const random = createRandom(config.seed ?? 1)
  const windows = new Map<string, Window>()
  return (operationId, { delay, fault }) => {
    const row: InjectionConfig = { ...config.operations['*'], ...config.operations[operationId] }
    const quota = row.rate_limit === undefined ? undefined : spend(windows, operationId, row.rate_limit, now())
    const isHit = row.fault !== undefined && random() < (row.rate ?? 1)
    const injected = fault ?? (isHit ? row.fault : undefined) ?? (quota?.isOver ? 'rate-limit' : undefined)
    return {
      delayMs: delay ?? row.delay_ms ?? 0,
      fault: injected,
      headers: quota?.headers ?? (injected === 'rate-limit' ? { 'Retry-After': '1' } : {}),
    }
  }
}

/** Source: draft-ietf-httpapi-ratelimit-headers, in the form that the contract gives these headers. */
function spend(
  windows: Map<string, Window>,
  operationId: string,
  { limit, window_s }: { limit: number; window_s: number },
  now: number,
): { isOver: boolean; headers: Record<string, string> } {
  let window = windows.get(operationId)
  if (window === undefined || now - window.startedAt >= window_s * 1_000) {
    window = { startedAt: now, used: 0 }
    windows.set(operationId, window)
  }
  window.used += 1
  const seconds = Math.max(1, Math.ceil((window.startedAt + window_s * 1_000 - now) / 1_000))
  return {
    isOver: window.used > limit,
    headers: {
      RateLimit: `"mock";r=${Math.max(0, limit - window.used)};t=${seconds}`,
      'RateLimit-Policy': `"mock";q=${limit};w=${window_s}`,
      'Retry-After': String(seconds),
    },
  }
}

/** Mulberry32: 32 bits of state are plenty for a mock. Source: https://github.com/bryc/code/blob/master/jshash/PRNGs.md */
function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
