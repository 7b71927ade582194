import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../../support/child-environment.ts'
import type { TestPlatform } from '../../support/platform.ts'

/** A process of the platform as an operator runs it, and all that it says. */
export interface Talking {
  /** Standard output and standard error. */
  output: () => string
  /** What `ready` has captured. */
  told: string
  stop: () => Promise<void>
}

/** Resolves when the output matches `ready`. */
export async function startTalking(
  { config }: TestPlatform,
  command: 'serve' | 'worker',
  databaseUrl: string,
  ready: RegExp,
  env: Record<string, string> = {},
): Promise<Talking> {
  const child = spawn(process.execPath, ['src/cli/main.ts', command], {
    cwd: fileURLToPath(new URL('../../../', import.meta.url)),
    env: {
      ...childEnvironment(),
      SKELDIR_MASTER_KEY: config.masterKeys.map((key) => key.toString('base64')).join(','),
      SKELDIR_SUPERVISED: '1',
      DATABASE_URL: databaseUrl,
      LOG_LEVEL: 'trace',
      PORT: '0',
      ...env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let seen = ''
  const ended = once(child, 'exit')
  const told = await new Promise<string>((resolve, reject) => {
    const listen = (chunk: string) => {
      seen += chunk
      const found = ready.exec(seen)
      if (found !== null) resolve(found[1] ?? found[0])
    }
    child.stdout.setEncoding('utf8').on('data', listen)
    child.stderr.setEncoding('utf8').on('data', listen)
    ended.then(() => reject(new Error(`${command} ended: ${seen}`)))
  })
  return {
    output: () => seen,
    told,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}
