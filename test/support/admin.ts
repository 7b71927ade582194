import { expect } from 'vitest'
import type { TestPlatform } from './platform.ts'
import { type RunSkeldir, runSkeldir, type Told } from './skeldir.ts'

/**
 * `skeldir admin` on the database and with the master key of the platform; in this process, unless `how` is
 * `spawnSkeldir`.
 */
export function adminOf(platform: TestPlatform, how: RunSkeldir = runSkeldir) {
  const run = (...args: string[]): Promise<Told> =>
    how(['admin', ...args], {
      DATABASE_URL: platform.database.urlOf('app_user'),
      SKELDIR_MASTER_KEY: platform.config.masterKeys.map((key) => key.toString('base64')).join(','),
    })
  return {
    run,
    /** What a command prints with --json; it must succeed without a word on stderr. */
    // biome-ignore lint/suspicious/noExplicitAny: tests look into what is printed
    async json(...args: string[]): Promise<any> {
      const { status, stdout, stderr } = await run(...args, '--json')
      expect([status, stderr]).toEqual([0, ''])
      return JSON.parse(stdout)
    },
    /** The one sentence with which a command refuses. */
    async refusal(...args: string[]): Promise<{ status: number; sentence: string }> {
      const { status, stdout, stderr } = await run(...args)
      expect(stdout).toBe('')
      return { status, sentence: stderr.trim() }
    },
  }
}
