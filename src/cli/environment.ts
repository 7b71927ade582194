import { type Config, loadConfig } from '../config.ts'
import { openLocalState, readConnections, readSecrets } from './local-state.ts'

/** Wrong words on the command line: the message and the usage, exit status 2. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** The configuration of this process; where none is set, that of the platform that `npm start` runs in this checkout. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Readonly<Config> {
  if (env.DATABASE_URL) return loadConfig(env)
  const connections = readConnections()
  if (connections === null) return loadConfig(env)
  const { masterKey } = readSecrets(openLocalState())
  return loadConfig({ SKELDIR_MASTER_KEY: masterKey, ...env, DATABASE_URL: connections.databaseUrl })
}
