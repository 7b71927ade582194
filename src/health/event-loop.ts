import { monitorEventLoopDelay } from 'node:perf_hooks'

type IntervalHistogram = ReturnType<typeof monitorEventLoopDelay>

const RESOLUTION_MS = 20
const HALF_MS = 30_000
/** Some five seconds: before, a start that kept the process busy for a moment would be all that is known. */
const MIN_SAMPLES = 250

export interface EventLoopDelay {
  /** 99th percentile of how late timers fired in the last half to whole minute; null in the first seconds. */
  p99Ms(): number | null
  stop(): void
}

/** Two histograms, each begun anew every minute and half a minute after the other: the older one has what is asked for. */
export function watchEventLoop(): EventLoopDelay {
  const histograms = [begin(), begin()] as [IntervalHistogram, IntervalHistogram]
  let older = 0
  const turn = setInterval(() => {
    ;(histograms[older] as IntervalHistogram).reset()
    older = 1 - older
  }, HALF_MS).unref()
  return {
    p99Ms() {
      const histogram = histograms[older] as IntervalHistogram
      if (histogram.count < MIN_SAMPLES) return null
      return Math.max(0, Math.round(histogram.percentile(99) / 10_000) / 100 - RESOLUTION_MS)
    },
    stop() {
      clearInterval(turn)
      for (const histogram of histograms) histogram.disable()
    },
  }
}

function begin(): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  return histogram
}
