import type { AggregatedPath } from '../paths.ts'
import { toPathTotals } from './counts.ts'

export interface OrderScore {
  order: number
  /** Area under the ROC curve of "converts", predicted from the last state alone: 0.5 is chance. */
  auc: number
  /** The same less what as many states would gain by chance; 0 where nothing is left. The highest is suggested. */
  penalizedAuc: number
}

export interface OrderChoice {
  scores: OrderScore[]
  /** Of the lowest order with the highest penalised score. Null without conversions, or without nulls. */
  suggested: number | null
}

const THRESHOLDS = 100

/**
 * How well chains of order 1 to `maxOrder` (at most 10) tell converting journeys from others, as choose_order of the
 * ChannelAttribution package scores them: 100 thresholds between the least and the greatest prediction, and the penalty
 * of an adjusted R² with as many parameters as there are multisets of that many channels. A score near 0.5 says that
 * the paths hardly predict anything, whichever order is suggested.
 * Throws MarkovError `bad_path`.
 */
export function chooseOrder(paths: readonly AggregatedPath[], maxOrder: number): OrderChoice {
  toPathTotals(paths)
  const counted = paths.filter(({ conversions, nulls }) => conversions + nulls > 0)
  const conversions = counted.reduce((sum, path) => sum + path.conversions, 0)
  const nulls = counted.reduce((sum, path) => sum + path.nulls, 0)
  if (conversions === 0 || nulls === 0) return { scores: [], suggested: null }

  const channels = new Set(counted.flatMap((path) => path.channels)).size
  const scores = Array.from({ length: Math.min(maxOrder, 10) }, (_, index) => {
    const auc = areaUnderRoc(predict(counted, index + 1), { conversions, nulls })
    return { order: index + 1, auc, penalizedAuc: penalize(auc, conversions + nulls, multisets(channels, index + 1)) }
  })
  const best = Math.max(...scores.map(({ penalizedAuc }) => penalizedAuc))
  return { scores, suggested: scores.find(({ penalizedAuc }) => penalizedAuc === best)?.order ?? null }
}

interface Prediction {
  /** Share of the journeys with this last state that convert. */
  chance: number
  conversions: number
  nulls: number
}

/** One for each last state. */
function predict(paths: readonly AggregatedPath[], order: number): Prediction[] {
  const byState = new Map<string, { conversions: number; nulls: number }>()
  for (const { channels, conversions, nulls } of paths) {
    const state = JSON.stringify(channels.slice(-order))
    const known = byState.get(state) ?? { conversions: 0, nulls: 0 }
    byState.set(state, { conversions: known.conversions + conversions, nulls: known.nulls + nulls })
  }
  return [...byState.values()].map((state) => ({
    ...state,
    chance: state.conversions / (state.conversions + state.nulls),
  }))
}

function areaUnderRoc(predictions: readonly Prediction[], all: { conversions: number; nulls: number }): number {
  const chances = predictions.map(({ chance }) => chance)
  const [least, greatest] = [Math.min(...chances), Math.max(...chances)]
  let area = 0
  let [trueRate, falseRate] = [0, 0]
  const moveTo = (nextTrue: number, nextFalse: number) => {
    area += ((nextFalse - falseRate) * (nextTrue + trueRate)) / 2
    ;[trueRate, falseRate] = [nextTrue, nextFalse]
  }
  for (let step = THRESHOLDS - 1; step >= 0; step -= 1) {
    const threshold = least + (step * (greatest - least)) / (THRESHOLDS - 1)
    const above = predictions.filter(({ chance }) => chance >= threshold)
    moveTo(
      above.reduce((sum, { conversions }) => sum + conversions, 0) / all.conversions,
      above.reduce((sum, { nulls }) => sum + nulls, 0) / all.nulls,
    )
  }
  moveTo(1, 1)
  return area
}

function penalize(auc: number, journeys: number, parameters: number): number {
  if (parameters >= journeys - 1) return 0
  return Math.max(0, 1 - ((1 - auc) * (journeys - 1)) / (journeys - parameters - 1))
}

/** How many multisets of `size` there are over so many kinds. */
function multisets(kinds: number, size: number): number {
  let count = 1
  for (let step = 1; step <= size; step += 1) count = (count * (kinds + step - 1)) / step
  return Math.round(count)
}
