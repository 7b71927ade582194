import { type Config, type Environment, loadConfig } from '../config.ts'
import { metricsFolder, openLocalState, readConnections, readSecrets } from './local-state.ts'

/** Wrong words on the command line: the message and the usage, exit status 2. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** The configuration of this process; where none is set, that of the platform that `npm start` runs in this checkout. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Readonly<Config> {
  return loadConfig({ ...readLocalPlatform(env), ...env })
}

/** What the platform of this checkout would say: empty without one, and where the environment names its own database. */
export function readLocalPlatform(env: NodeJS.ProcessEnv = process.env): Environment {
  if (env.DATABASE_URL) return {}
  const connections = readConnections()
  if (connections === null) return {}
  const state = openLocalState()
  const { masterKey } = readSecrets(state)
  return {
    SKELDIR_MASTER_KEY: masterKey,
    DATABASE_URL: connections.databaseUrl,
    SKELDIR_METRICS_FOLDER: metricsFolder(state),
  }
}
