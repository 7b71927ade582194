import { useEffect, useState } from 'preact/hooks'

/** The views, in the order of the menu. Keys are the fragments of the address. */
export const VIEWS = {
  revenue: 'Revenue',
  reconciliation: 'Reconciliation',
  'dead-letters': 'Dead letters',
  'llm-budget': 'LLM budget',
  system: 'System',
} as const

export type Route = keyof typeof VIEWS

/** `#/llm-budget` → `llm-budget`; anything else is the first view. */
export function parseRoute(hash: string): Route {
  const name = hash.replace(/^#\/?/, '')
  return Object.hasOwn(VIEWS, name) ? (name as Route) : 'revenue'
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash))
  useEffect(() => {
    const read = () => setRoute(parseRoute(location.hash))
    addEventListener('hashchange', read)
    return () => removeEventListener('hashchange', read)
  }, [])
  return route
}
