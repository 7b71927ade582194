import { inject } from 'vitest'
import { cloneDatabase, dropClone, type Environment } from '../../scripts/isolation/environment.ts'
import type { RuntimeRole } from '../../src/db/bootstrap.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'

export interface ProverDatabase extends Pick<Environment, 'admin' | 'of' | 'clone'> {
  database: TestDatabase
  /** Removes the database and its copies. */
  drop(): Promise<void>
}

/** A database of the test's own, as the isolation check takes it. */
export async function createProverDatabase(): Promise<ProverDatabase> {
  const database = await createTestDatabase()
  const { adminUrl } = inject('testServer')
  const lanes: number[] = []
  return {
    database,
    admin: database.adminUrl,
    of: (role) => (role === 'skeldir_migrator' ? database.migrationUrl : database.urlOf(role as RuntimeRole)),
    clone: (lane) => {
      lanes.push(lane)
      return cloneDatabase(adminUrl, database.name, lane)
    },
    drop: async () => {
      for (const lane of lanes) await dropClone(adminUrl, database.name, lane)
      await database.drop()
    },
  }
}
