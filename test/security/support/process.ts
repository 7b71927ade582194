import { type Apart, startApart } from '../../support/apart.ts'
import type { TestPlatform } from '../../support/platform.ts'

/** A process of the platform that says all it can. Resolves when the output matches `ready`. */
export function startTalking(
  { config }: TestPlatform,
  command: 'serve' | 'worker',
  databaseUrl: string,
  ready: RegExp,
  env: Record<string, string> = {},
): Promise<Apart> {
  const own = {
    SKELDIR_MASTER_KEY: config.masterKeys.map((key) => key.toString('base64')).join(','),
    DATABASE_URL: databaseUrl,
    LOG_LEVEL: 'trace',
    PORT: '0',
  }
  return startApart(['src/cli/main.ts', command], ready, { env: { ...own, ...env } })
}
