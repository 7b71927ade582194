// Progress on stderr: a bar on a terminal, a line per finished step elsewhere.

import cliProgress from 'cli-progress'

export interface Step {
  /** `note` is a few words that stand behind the bar. */
  update(value: number, note?: string): void
  done(note?: string): void
}

export function startStep(task: string, total: number): Step {
  const began = performance.now()
  const bar = new cliProgress.SingleBar(
    {
      stream: process.stderr,
      format: `${task.padEnd(22)} {bar} {value}/{total} {note}`,
      clearOnComplete: true,
      hideCursor: true,
      // The bar must not take Ctrl-C away from the demo, which has something to stop.
      gracefulExit: false,
      fps: 15,
    },
    cliProgress.Presets.shades_classic,
  )
  bar.start(total, 0, { note: '' })
  return {
    update: (value, note = '') => bar.update(Math.min(value, total), { note }),
    done: (note = '') => {
      bar.stop()
      const seconds = ((performance.now() - began) / 1000).toFixed(1)
      process.stderr.write(`${task.padEnd(22)} ${note} (${seconds} s)\n`)
    },
  }
}
