import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { childEnvironment } from '../support/child-environment.ts'

const WATCHDOG = new URL('../../src/queue/watchdog.ts', import.meta.url).href

/** A process that is watched with a limit of two seconds, and then does this. */
async function runWatched(script: string) {
  const source = `import { watchEventLoop } from ${JSON.stringify(WATCHDOG)}
    const watch = watchEventLoop({ logLevel: 'info', limitSeconds: 2 })
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    ${script}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    env: childEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [stdout, [status, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return { stdout, status, signal }
}

test.concurrent('a process whose event loop does not turn any more is ended, and it is said why', async () => {
  const { stdout, signal } = await runWatched('for (;;) {}')
  expect(signal).toBe('SIGKILL')
  const [line] = stdout.trim().split('\n')
  expect(JSON.parse(line ?? '')).toMatchObject({ level: 60, msg: expect.stringContaining('it is ended') })
})

test.concurrent('one that waits, or computes with pauses, is let be', async () => {
  const { stdout, status } = await runWatched(`
    const busy = (ms) => { for (const end = performance.now() + ms; performance.now() < end; ); }
    for (let turn = 0; turn < 10; turn += 1) {
      busy(300)
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    await watch.stop()
    console.log('done')`)
  expect([status, stdout.trim()]).toEqual([0, 'done'])
})
