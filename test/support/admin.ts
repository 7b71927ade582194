import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { TestPlatform } from './platform.ts'

const repositoryRoot = fileURLToPath(new URL('../../', import.meta.url))

export interface Told {
  status: number
  stdout: string
  stderr: string
}

/** `skeldir admin` as an operator runs it, on the database and with the master key of the platform. */
export function adminOf(platform: TestPlatform) {
  async function run(...args: string[]): Promise<Told> {
    const child = spawn(process.execPath, ['src/cli/main.ts', 'admin', ...args], {
      cwd: repositoryRoot,
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: platform.database.urlOf('app_user'),
        SKELDIR_MASTER_KEY: platform.config.masterKeys.map((key) => key.toString('base64')).join(','),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    return { status, stdout, stderr }
  }
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
