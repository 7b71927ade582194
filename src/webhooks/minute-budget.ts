const MINUTE_MS = 60_000

export interface MinuteBudget {
  /** Milliseconds until the key may take one again; 0: it has taken one now. */
  take(key: string): number
}

/**
 * What each key may take in a minute, in one process. `maxKeys` are counted at once: with more of them the one that took
 * nothing for longest counts anew.
 */
export function createMinuteBudget({ perMinute, maxKeys }: { perMinute: number; maxKeys: number }): MinuteBudget {
  const counts = new Map<string, { taken: number; untilMs: number }>()
  return {
    take(key) {
      const nowMs = performance.now()
      const known = counts.get(key)
      const count = known === undefined || known.untilMs <= nowMs ? { taken: 0, untilMs: nowMs + MINUTE_MS } : known
      count.taken += 1
      counts.delete(key)
      if (counts.size >= maxKeys) counts.delete(counts.keys().next().value as string)
      counts.set(key, count)
      return count.taken <= perMinute ? 0 : count.untilMs - nowMs
    },
  }
}
