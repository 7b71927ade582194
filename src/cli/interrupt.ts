/** One Ctrl-C can arrive twice: from the terminal, and passed on by npm. A second one of the user comes later. */
const SAME_INTERRUPT_MS = 1_000

/** The first interrupt asks for an orderly stop, a second one hurries. The end of whoever started us counts as one. */
export function listenForInterrupt(): { stop: AbortSignal; hurry: AbortSignal; release: () => void } {
  const stop = new AbortController()
  const hurry = new AbortController()
  let firstAt = 0
  const interrupt = () => {
    if (!stop.signal.aborted) {
      firstAt = performance.now()
      stop.abort()
    } else if (performance.now() - firstAt > SAME_INTERRUPT_MS) hurry.abort()
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, interrupt)
  // Only the channel that scripts/skeldir.mjs opened says this; other parents use theirs for something else.
  const hasLauncher = process.env.SKELDIR_LAUNCHER === String(process.ppid)
  if (hasLauncher) {
    process.on('disconnect', interrupt)
    process.channel?.unref()
  }
  return {
    stop: stop.signal,
    hurry: hurry.signal,
    release: () => {
      for (const signal of signals) process.off(signal, interrupt)
      process.off('disconnect', interrupt)
    },
  }
}
