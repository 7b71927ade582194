import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { openLocalState } from '../../src/cli/local-state.ts'
import { type Platform, type PlatformOptions, startPlatform } from '../../src/cli/platform.ts'
import { makeFolder } from './folder.ts'

const supervisedUrl = new URL('../../src/cli/supervised.ts', import.meta.url).href
export const ownServer = {
  DATABASE_URL: 'postgresql://app_user:x@db.example/skeldir',
  MIGRATION_DATABASE_URL: 'postgresql://m:x@db.example/skeldir',
}

const platforms: Platform[] = []
afterEach(async () => {
  await Promise.all(platforms.splice(0).map((platform) => platform.stop()))
})

export type World = ReturnType<typeof makeWorld>

/** A home of its own and children that only do what a supervisor can see. */
export function makeWorld(env: NodeJS.ProcessEnv) {
  const folder = makeFolder()
  const lines: string[] = []
  const write = (name: string, script: string) => writeFileSync(join(folder, name), script)
  write(
    'api.mjs',
    `import { createServer } from 'node:http'
     import { writeFileSync } from 'node:fs'
     import { exitWithParent } from ${JSON.stringify(supervisedUrl)}
     exitWithParent()
     writeFileSync(${JSON.stringify(join(folder, 'api.env'))}, JSON.stringify(process.env))
     createServer((request, response) => response.writeHead(request.url === '/health/ready' ? 200 : 404).end()).listen(process.env.PORT, process.env.HOST)`,
  )
  write(
    'worker.mjs',
    `import { connect } from 'node:net'
     import { writeFileSync } from 'node:fs'
     import { exitWithParent } from ${JSON.stringify(supervisedUrl)}
     exitWithParent()
     setInterval(() => {}, 1000)
     const { hostname, port } = new URL(process.env.DATABASE_URL)
     process.on('SIGTERM', () => {
       const end = (word) => { writeFileSync(${JSON.stringify(join(folder, 'worker.end'))}, word); process.exit(0) }
       if (hostname !== '127.0.0.1') end('')
       connect(Number(port), hostname).on('connect', () => end('the database still answers')).on('error', () => end('the database is gone'))
     })
     writeFileSync(${JSON.stringify(join(folder, 'worker.pid'))}, String(process.pid))`,
  )
  const state = openLocalState({ SKELDIR_HOME: join(folder, 'home') })
  const commands = { api: [join(folder, 'api.mjs')], worker: [join(folder, 'worker.mjs')] }
  const { DATABASE_URL: _, MIGRATION_DATABASE_URL: __, PORT: ___, LOG_LEVEL: ____, ...inherited } = process.env
  return { folder, lines, state, commands, env: { ...inherited, SKELDIR_HOME: state.folder, ...env } }
}

/** Stopped after the test. */
export async function start(world: World, options: PlatformOptions = {}): Promise<Platform> {
  const platform = await startPlatform({
    port: 0,
    env: world.env,
    commands: world.commands,
    say: (line) => world.lines.push(line),
    prepareDatabase: async () => ({
      databaseUrl: ownServer.DATABASE_URL,
      migrationDatabaseUrl: ownServer.MIGRATION_DATABASE_URL,
    }),
    ...options,
  })
  platforms.push(platform)
  return platform
}
