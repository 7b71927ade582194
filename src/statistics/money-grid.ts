export interface GridSolution {
  /** Steps that each channel gets, in the order of the channels; they sum to the steps of the budget. */
  steps: number[]
  response: number
  /** What the last step of the budget brought; null for a budget of no step. */
  lastStep: number | null
}

/**
 * The best division of `budget` whole steps, by dynamic programming: exact for curves of any shape. `responses[i][u]` is
 * what channel i brings with u steps; it may not take more than are listed. Among equal divisions the one wins in which
 * the last channel takes least, then the one before it. Together the channels can take the budget.
 *
 * Takes channels × budget² ÷ 2 additions: 10 ms for four channels and 1,000 steps, 0.6 s for 16 and 5,000.
 */
export function searchGrid(responses: readonly (readonly number[])[], budget: number): GridSolution {
  let best = new Float64Array(budget + 1).fill(-Infinity)
  best[0] = 0
  const choices = responses.map((response) => {
    const next = new Float64Array(budget + 1).fill(-Infinity)
    const choice = new Uint32Array(budget + 1)
    for (let spent = 0; spent <= budget; spent++) {
      const most = Math.min(response.length - 1, spent)
      for (let steps = 0; steps <= most; steps++) {
        const value = (best[spent - steps] as number) + (response[steps] as number)
        if (value > (next[spent] as number)) {
          next[spent] = value
          choice[spent] = steps
        }
      }
    }
    best = next
    return choice
  })

  const steps = new Array<number>(responses.length).fill(0)
  let left = budget
  for (let index = choices.length - 1; index >= 0; index--) {
    steps[index] = choices[index]?.[left] as number
    left -= steps[index] as number
  }
  const response = best[budget] as number
  return { steps, response, lastStep: budget === 0 ? null : response - (best[budget - 1] as number) }
}
