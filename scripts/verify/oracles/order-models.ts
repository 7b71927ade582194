/** One touch of a converting journey, `hours` before the conversion. */
export interface SlowTouch {
  channel: string
  hours: number
}

/** Parts of one over the touches, oldest first, written down as the text books have them. */
type SlowModel = (touches: readonly SlowTouch[]) => number[]

const normalize = (raw: readonly number[]): number[] => {
  const total = raw.reduce((sum, part) => sum + part, 0)
  return raw.map((part) => part / total)
}

/** With the initial parameters of each model. */
export const SLOW_MODELS: Readonly<Record<string, SlowModel>> = {
  first_touch: (touches) => touches.map((_touch, index) => (index === 0 ? 1 : 0)),
  last_touch: (touches) => touches.map((_touch, index) => (index === touches.length - 1 ? 1 : 0)),
  last_non_direct(touches) {
    let winner = touches.length - 1
    while (winner >= 0 && touches[winner]?.channel === 'direct') winner -= 1
    return touches.map((_touch, index) => (index === (winner < 0 ? touches.length - 1 : winner) ? 1 : 0))
  },
  linear: (touches) => touches.map(() => 1 / touches.length),
  position(touches) {
    if (touches.length === 1) return [1]
    if (touches.length === 2) return [0.5, 0.5]
    return touches.map((_touch, index) =>
      index === 0 || index === touches.length - 1 ? 0.4 : 0.2 / (touches.length - 2),
    )
  },
  time_decay: (touches) => normalize(touches.map(({ hours }) => 2 ** (-hours / 168))),
  time_decay_bucketed: (touches) => normalize(touches.map(({ hours }) => 0.5 ** Math.floor(hours / 168))),
  decay_step: (touches) => normalize(touches.map((_touch, index) => 0.5 ** (touches.length - 1 - index))),
  shapley(touches) {
    const distinct = new Set(touches.map(({ channel }) => channel)).size
    return touches.map(({ channel }) => 1 / distinct / touches.filter((touch) => touch.channel === channel).length)
  },
  shapley_ordered: (touches) => (SLOW_MODELS.shapley as SlowModel)(touches),
  custom: (touches) =>
    normalize(
      touches.map((_touch, index) => {
        const ends = (index === 0 ? 3 : 0) + (index === touches.length - 1 ? 3 : 0)
        return ends === 0 ? 1 : ends
      }),
    ),
}
