import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { bootstrapDatabase } from '../../src/db/bootstrap.ts'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import type { TestServer } from './database.ts'
import { TEMPLATE } from './database.ts'
import { recordWitnesses } from './recording.ts'
import type { Share } from './share.ts'
import { WHOLE } from './whole.ts'

const PASSWORDS = { runtimePassword: 'runtime-only-for-tests', migratorPassword: 'migrator-only-for-tests' }

/**
 * What Node has compiled once in this run is not compiled again by the next worker or spawned process (0.1 to 0.3 s each,
 * measured). Spawned processes take it over with `childEnvironment`.
 */
function shareCompiledCode(): () => void {
  if (process.env.NODE_COMPILE_CACHE) return () => {}
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-compiled-'))
  process.env.NODE_COMPILE_CACHE = folder
  return () => {
    delete process.env.NODE_COMPILE_CACHE
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One Postgres for the whole run, with a migrated template; each test clones its own database from it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const forgetCompiledCode = shareCompiledCode()
  const server = await startEmbeddedPostgres({ settings: 'test' })
  try {
    const { adminUrl } = server
    const { migrationDatabaseUrl } = await bootstrapDatabase({ adminUrl, database: TEMPLATE, ...PASSWORDS })
    await migrate({ databaseUrl: migrationDatabaseUrl })
    project.provide('testServer', { adminUrl, ...PASSWORDS })
    const { mode, sequence } = project.vitest.config
    project.provide('share', { isWhole: mode === WHOLE, seed: sequence.seed })
    const endRecording = recordWitnesses(project)
    return async () => {
      endRecording()
      await server.stop()
      forgetCompiledCode()
    }
  } catch (error) {
    await server.stop()
    forgetCompiledCode()
    throw error
  }
}

declare module 'vitest' {
  interface ProvidedContext {
    testServer: TestServer
    share: Share
  }
}
