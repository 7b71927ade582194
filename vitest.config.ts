import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // Starting processes and servers takes longer on a busy machine; a test that hangs still ends.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    sequence: { shuffle: true },
    // Two cores: more files at once would only wait for each other.
    maxWorkers: 2,
    reporters: process.env.CI ? ['default', 'junit'] : ['default'],
    outputFile: { junit: '.skeldir/junit.xml' },
  },
})
