import { globSync, readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'
import { SlowestFirst } from './test/support/order.ts'
import { WHOLE } from './test/support/whole.ts'

/**
 * Files that change nothing of their process (no environment, no replaced function, no measured memory) share it with
 * others: to load the server anew takes longer than most of them (measured). What a file has of its own is its database,
 * its servers and their ports.
 */
const TOGETHER = [
  'test/api/**/*.test.ts',
  'test/architecture/**/*.test.ts',
  'test/attribution/**/!(path-data).test.ts',
  'test/client/!(fixtures|package).test.ts',
  'test/contract/!(console-bundle).test.ts',
  'test/contracts/**/*.test.ts',
  'test/db/**/*.test.ts',
  'test/demo/**/*.test.ts',
  'test/docs/**/*.test.ts',
  'test/events/**/*.test.ts',
  'test/fixtures/**/*.test.ts',
  'test/gates/!(r3).test.ts',
  'test/http/!(attacks).test.ts',
  'test/isolation/!(main).test.ts',
  'test/mocks/!(cli|reload).test.ts',
  'test/security/**/*.test.ts',
  'test/tenants/**/*.test.ts',
  'test/webhooks/!(cli|paypal-certificates|privacy).test.ts',
  'test/worker/!(large-tenant).test.ts',
]

/** Each takes nine seconds of a core and more for a few claims: only in `npm run test:whole`, which CI runs. */
const LONG = [
  'test/attribution/windows/path-data.test.ts',
  'test/browser/{console,console-quality,docs}.test.ts',
  'test/deploy/{backup,many,shutdown,upgrade}.test.ts',
  'test/gates/r3.test.ts',
  'test/mocks/reload.test.ts',
]

// Starting processes and servers takes longer on a busy machine; a test that hangs still ends.
const limits = { testTimeout: 60_000, hookTimeout: 60_000, sequence: { shuffle: true } }

/** Those that try a share of their cases in `npm test`. */
function listShared(): string[] {
  const files = globSync('test/**/*.test.ts', { cwd: import.meta.dirname })
  return files.filter((file) => readFileSync(`${import.meta.dirname}/${file}`, 'utf8').includes('/support/share.ts'))
}

export default defineConfig(({ mode }) => ({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    sequence: { shuffle: true, sequencer: SlowestFirst },
    // One more than the two cores that it has to do with: a file often waits for a process or a timer.
    maxWorkers: 3,
    reporters: process.env.CI ? ['default', 'junit'] : ['default'],
    outputFile: { junit: '.skeldir/junit.xml' },
    projects:
      mode === WHOLE
        ? [{ test: { ...limits, name: WHOLE, include: [...LONG, ...listShared()] } }]
        : [
            { test: { ...limits, name: 'alone', include: ['test/**/*.test.ts'], exclude: [...TOGETHER, ...LONG] } },
            { test: { ...limits, name: 'together', include: ['src/**/*.test.ts', ...TOGETHER], isolate: false } },
          ],
  },
}))
