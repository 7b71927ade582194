import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { findFreePort } from '../../src/db/embedded.ts'
import { giveTo, prepareHome, runAs } from '../../src/db/embedded-home.ts'
import { until } from '../support/platform.ts'
import type { Clean } from './shop.ts'

/** A folder that the server's user may pass; it is gone when the test is. */
export function makeFolder(clean: Clean): string {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-backup-'))
  chmodSync(folder, 0o711)
  clean(async () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const TOOLS = ['initdb', 'postgres', 'pg_basebackup', 'pg_dump', 'pg_restore']

/** Where a whole PostgreSQL is installed, with the tools that the packaged one lacks; null where there is none. */
export function findTools(folder = '/usr/lib/postgresql'): string | null {
  if (!existsSync(folder)) return null
  const versions = readdirSync(folder)
    .filter((name) => Number(name) >= 15)
    .sort((a, b) => Number(b) - Number(a))
  const bins = versions.map((version) => join(folder, version, 'bin'))
  return bins.find((bin) => TOOLS.every((tool) => existsSync(join(bin, tool)))) ?? null
}

export interface Cluster {
  adminUrl: string
  stop: () => Promise<void>
}

/** Tools of one installation, and the user whom they run as: PostgreSQL refuses root. */
export interface Installation {
  run: (tool: string, args: readonly string[]) => void
  /** A folder that belongs to that user. */
  makeOwn: (name: string) => string
  start: (dataDir: string) => Promise<Cluster>
}

const PASSWORD = 'superuser-only-for-tests'

export function openInstallation(bin: string, folder: string, clean: Clean): Installation {
  const { user } = prepareHome(join(folder, 'home', 'data'), () => {})
  const as = runAs(user)
  const env = { ...as.env, PGPASSWORD: PASSWORD }
  return {
    run: (tool, args) => void execFileSync(join(bin, tool), args, { ...as, env, stdio: 'pipe' }),
    makeOwn(name) {
      const own = join(folder, name)
      mkdirSync(own, { mode: 0o700 })
      giveTo(own, user)
      return own
    },
    async start(dataDir) {
      const port = await findFreePort()
      const settings = ['listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories=', 'fsync=off']
      const args = ['-D', dataDir, ...settings.flatMap((setting) => ['-c', setting])]
      const server = spawn(join(bin, 'postgres'), args, { ...as, stdio: 'ignore' })
      const ended = once(server, 'exit')
      const stop = async () => {
        server.kill('SIGINT')
        await ended
      }
      clean(stop)
      const adminUrl = `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`
      await until(
        () => tryToConnect(adminUrl),
        (isUp) => isUp,
      )
      return { adminUrl, stop }
    },
  }
}

/** A new cluster, as initdb of the installation makes it. */
export function makeCluster({ run, makeOwn }: Installation, name: string): string {
  const dataDir = makeOwn(name)
  run('initdb', [
    '--pgdata',
    dataDir,
    '--username=postgres',
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
  ])
  return dataDir
}

async function tryToConnect(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  return client
    .connect()
    .then(() => client.end())
    .then(
      () => true,
      () => false,
    )
}

/** Copies a folder with owners, times and links, as the guide says. */
export function copyFolder(from: string, to: string): void {
  execFileSync('cp', ['-a', from, to])
  if (readFileSync(join(to, 'data', 'PG_VERSION'), 'utf8') === '') throw new Error(`${to} is not a copy`)
}
