import { inject } from 'vitest'
import { createRandom } from '../../scripts/demo/random.ts'

export interface Share {
  isWhole: boolean
  /** That of the run, which vitest prints. */
  seed: number
}

/** Whether this run has time for everything: `npm test` has five minutes, on two cores. */
export function isWhole(): boolean {
  return inject('share').isWhole
}

/**
 * As many of the cases as `npm test` has time for, drawn by the seed of the run and by `label`, in their order; all of
 * them in `npm run test:whole`. Throws where there are not more than that, since nothing would be left out.
 */
export function shareOf<Case>(cases: readonly Case[], count: number, label: string): readonly Case[] {
  if (cases.length <= count) throw new Error(`${label}: ${count} of ${cases.length} cases are all`)
  const { isWhole, seed } = inject('share')
  if (isWhole) return cases
  const drawn = new Set(
    createRandom(seed, label)
      .shuffle(cases.map((_, place) => place))
      .slice(0, count),
  )
  return cases.filter((_, place) => drawn.has(place))
}
