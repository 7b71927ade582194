// Starts an embedded Postgres, prints its pid and waits to be killed.
//   node test/setup/hold-postgres.ts <data folder>
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'

const server = await startEmbeddedPostgres({ dataDir: process.argv[2] as string, settings: 'test' })
console.log(JSON.stringify({ pid: server.pid, adminUrl: server.adminUrl }))
process.stdin.resume()
