import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { identify, isAlive } from '../../src/os-process.ts'
import { makeFolder, repositoryRoot, until } from './folder.ts'

const isRoot = process.getuid?.() === 0
const NOBODY = 65_534
const holdScript = join(repositoryRoot, 'test/setup/hold-postgres.ts')
/** As another user the repository must be readable, which it is not in root's own folder. */
const canBeNobody =
  isRoot && spawnSync('/bin/sh', ['-c', `test -r "$1"`, 'sh', holdScript], { uid: NOBODY, gid: NOBODY }).status === 0

describe('on one data folder', () => {
  // Made once: initdb is what takes the time here.
  const dataDir = join(makeFolder(), 'postgres', 'data')
  beforeAll(async () => (await startEmbeddedPostgres({ dataDir, settings: 'test' })).stop())

  test('serves UTF-8 on 127.0.0.1 with a password, and keeps the data over a restart', async () => {
    const first = await start({ dataDir })
    const { rows } = await query(
      first.adminUrl,
      `select pg_encoding_to_char(encoding) as encoding, datlocprovider as provider, datlocale as locale, upper('äé€') as upper,
              current_setting('listen_addresses') as listens, current_setting('unix_socket_directories') as sockets,
              current_setting('TimeZone') as zone
       from pg_database where datname = current_database()`,
    )
    expect(rows).toEqual([
      {
        encoding: 'UTF8',
        provider: 'b',
        locale: 'C.UTF-8',
        upper: 'ÄÉ€',
        listens: '127.0.0.1',
        sockets: '',
        zone: 'UTC',
      },
    ])
    expect(first.version).toMatch(/^18\./)
    await expect(query(first.adminUrl.replace(/:[^:@]+@/, ':wrong@'), 'select 1')).rejects.toThrow(
      /password authentication failed/,
    )
    await query(first.adminUrl, "create table kept as select 'å' as letter")
    await first.stop()
    expect(await first.exited).toEqual({ code: 0, signal: null })
    expect(isAlive(identify(first.pid))).toBe(false)

    const second = await start({ dataDir })
    expect((await query(second.adminUrl, 'select letter from kept')).rows).toEqual([{ letter: 'å' }])
    await second.stop()
  })

  test('the password is for nobody else to read', () => {
    expect(statSync(join(dirname(dataDir), 'superuser.password')).mode & 0o777).toBe(0o600)
    expect(statSync(dataDir).mode & 0o777).toBe(0o700)
  })

  test.each([
    ['a dead process', () => spawnSync(process.execPath, ['-e', '']).pid],
    ['a live process that is no Postgres', () => process.pid],
  ])('a postmaster.pid with the pid of %s does not block', async (_name, pid) => {
    writeFileSync(join(dataDir, 'postmaster.pid'), `${pid()}\n${dataDir}\n1\n5432\n\n127.0.0.1\n\nready   \n`)
    const server = await start({ dataDir })
    expect((await query(server.adminUrl, 'select 1 as one')).rows).toEqual([{ one: 1 }])
    await server.stop()
  })

  test('a second start names the server that runs; one whose starter is gone is stopped', async () => {
    const first = await start({ dataDir })
    await expect(start({ dataDir })).rejects.toThrow(
      `(process ${first.pid}, started by process ${process.pid}). Stop it first: kill -INT ${first.pid}`,
    )

    const ownerFile = join(dirname(dataDir), 'owner.json')
    const note = JSON.parse(readFileSync(ownerFile, 'utf8'))
    writeFileSync(ownerFile, JSON.stringify({ ...note, owner: { pid: process.pid, startTicks: '1' } }))
    const lines: string[] = []
    const second = await start({ dataDir, log: (line) => lines.push(line) })
    expect(lines).toEqual([`Stopping the Postgres that was left behind (process ${first.pid}).`])
    expect(await first.exited).toEqual({ code: 0, signal: null })
    await second.stop()
  })

  test('starts again after the server was killed, while its processes still end', async () => {
    const first = await start({ dataDir, settings: 'durable' })
    await query(first.adminUrl, 'create table written as select 1 as one')
    process.kill(first.pid, 'SIGKILL')
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' })
    const second = await start({ dataDir })
    expect((await query(second.adminUrl, 'select one from written')).rows).toEqual([{ one: 1 }])
    await second.stop()
  })

  test('a port that is taken is named', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    await expect(start({ dataDir, port })).rejects.toThrow(`Port ${port} is taken`)
    other.close()
  })

  test('a start that fails shows the end of the log of this start', async () => {
    const file = join(dataDir, 'postgresql.auto.conf')
    const before = readFileSync(file, 'utf8')
    writeFileSync(file, "shared_preload_libraries = 'no_such_library'\n")
    await expect(start({ dataDir })).rejects.toThrow(
      /Postgres did not start\. The end of .*postgres\.log:\n.*no_such_library/s,
    )
    writeFileSync(file, before)
  })

  test('a log over 10 MB is begun anew', async () => {
    const logFile = join(dirname(dataDir), 'postgres.log')
    truncateSync(logFile, 11 * 1024 * 1024)
    await (await start({ dataDir })).stop()
    expect(statSync(logFile).size).toBeLessThan(100_000)
  })

  test('data of another major version is refused by name', async () => {
    writeFileSync(join(dataDir, 'PG_VERSION'), '17\n')
    await expect(start({ dataDir })).rejects.toThrow(
      /made by PostgreSQL 17, the packaged one is 18\.\d+\. Move the folder away/,
    )
    writeFileSync(join(dataDir, 'PG_VERSION'), '18\n')
  })

  test.each([
    ['the kernel (setpriv)', () => process.env.PATH],
    ['a guard, where there is no setpriv', pathWithoutSetpriv],
  ])('kill -9 of the starter stops the server through %s', async (_name, path) => {
    const holder = await hold(dataDir, { PATH: path() })
    const server = identify(holder.pid)
    const client = new pg.Client({ connectionString: holder.adminUrl })
    client.on('error', () => {})
    await client.connect()
    expect(isAlive(server)).toBe(true)
    process.kill(holder.parent, 'SIGKILL')
    await until('the server is gone', () => !isAlive(server))
    // Fast shutdown, not a crash: the lock file was taken away.
    expect(existsSync(join(dataDir, 'postmaster.pid'))).toBe(false)
    await client.end().catch(() => {})
  })
})

test('an interrupted initdb leaves nothing in the way, a data folder without its marker is put aside', async () => {
  const folder = makeFolder()
  const dataDir = join(folder, 'data')
  const interrupt = new AbortController()
  const interrupted = start({ dataDir, signal: interrupt.signal })
  const isMaking = () =>
    readdirSync(folder).some((name) => name.startsWith('data.new-') && readdirSync(join(folder, name)).includes('base'))
  await until('initdb is at work', isMaking)
  interrupt.abort()
  await expect(interrupted).rejects.toThrow('aborted')
  expect(existsSync(dataDir)).toBe(false)

  mkdirSync(join(folder, 'data.new-killed'), { mode: 0o700 })
  mkdirSync(dataDir, { mode: 0o700 })
  writeFileSync(join(dataDir, 'PG_VERSION'), '18\n')
  const lines: string[] = []
  const server = await start({ dataDir, settings: 'durable', log: (line) => lines.push(line) })
  expect(await readHash(server)).toMatch(/^SCRAM-SHA-256\$4096:/)
  await server.stop()
  expect(lines).toEqual([
    expect.stringMatching(/^The data folder of Postgres was not finished; it is now .*data\.unfinished-\d+/),
  ])
  const left = readdirSync(folder).filter((name) => name.startsWith('data'))
  expect(left).toEqual(['data', expect.stringMatching(/^data\.unfinished-/)])
})

test('without a data folder the server is a throw-away one; what a killed process left is cleared away', async () => {
  const killed = mkdtempSync(join(tmpdir(), 'skeldir-throwaway-'))
  const gone = { pid: process.pid, startTicks: '1' }
  writeFileSync(join(killed, 'owner.json'), JSON.stringify({ owner: gone, server: gone }))
  const server = await start({})
  expect(existsSync(killed)).toBe(false)
  expect(await readHash(server)).toMatch(/^SCRAM-SHA-256\$1:/)
  await server.stop()
  expect(existsSync(dirname(server.dataDir))).toBe(false)
})

test.skipIf(!isRoot)(
  'as root below a private folder the data goes to the temp folder, with one line, and stays there',
  async () => {
    const dataDir = join(makeFolder(0o700), 'postgres', 'data')
    // The private folder is not below the temp folder then.
    const temporary = makeFolder()
    vi.stubEnv('TMPDIR', temporary)
    const lines: string[] = []
    const first = await start({ dataDir, log: (line) => lines.push(line) })
    expect(first.dataDir.startsWith(`${temporary}/skeldir-`)).toBe(true)
    await query(first.adminUrl, 'create table kept as select 1 as one')
    await first.stop()
    expect(lines).toEqual([
      `Postgres runs as ${serverUser(first)}, who cannot enter ${dirname(dataDir)}: data in ${first.dataDir}.`,
    ])
    const second = await start({ dataDir })
    expect(second.dataDir).toBe(first.dataDir)
    expect((await query(second.adminUrl, 'select one from kept')).rows).toEqual([{ one: 1 }])
    await second.stop()
  },
)

test.skipIf(!isRoot)(
  'as root in a private folder of our own below the temp folder, the folder lets the server pass',
  async () => {
    const folder = makeFolder(0o700)
    const dataDir = join(folder, 'postgres', 'data')
    const lines: string[] = []
    const server = await start({ dataDir, log: (line) => lines.push(line) })
    expect({ dataDir: server.dataDir, lines }).toEqual({ dataDir, lines: [] })
    expect(statSync(folder).mode & 0o777).toBe(0o711)
  },
)

test.skipIf(!canBeNobody)('runs for a user who is not root', async () => {
  const folder = makeFolder(0o755)
  chownSync(folder, NOBODY, NOBODY)
  const dataDir = join(folder, 'postgres', 'data')
  const holder = await hold(dataDir, {}, NOBODY)
  expect((await query(holder.adminUrl, 'select 1 as one')).rows).toEqual([{ one: 1 }])
  expect(statSync(dataDir).uid).toBe(NOBODY)
  const server = identify(holder.pid)
  process.kill(holder.parent, 'SIGKILL')
  await until('the server is gone', () => !isAlive(server))
})

const started: EmbeddedPostgres[] = []

afterEach(async () => {
  vi.unstubAllEnvs()
  await Promise.all(started.splice(0).map((server) => server.stop()))
})

async function start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ settings: 'test', ...options })
  started.push(server)
  return server
}

/** How its password is kept: with the rounds that every login repeats. */
async function readHash({ adminUrl }: EmbeddedPostgres): Promise<string> {
  return (await query(adminUrl, 'select rolpassword as hash from pg_authid where rolname = current_user')).rows[0].hash
}

async function query(connectionString: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  try {
    return await client.query(text)
  } finally {
    await client.end()
  }
}

function serverUser({ dataDir }: EmbeddedPostgres): string {
  const row = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((line) => line.split(':')[2] === String(statSync(dataDir).uid))
  return row?.split(':')[0] ?? '?'
}

function pathWithoutSetpriv(): string {
  const folder = makeFolder()
  for (const name of ['sh', 'grep', 'sleep'])
    symlinkSync(spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim(), join(folder, name))
  return folder
}

async function hold(
  dataDir: string,
  env: NodeJS.ProcessEnv,
  uid?: number,
): Promise<{ parent: number; pid: number; adminUrl: string }> {
  const child = spawn(process.execPath, [holdScript, dataDir], {
    env: { ...process.env, NODE_COMPILE_CACHE: undefined, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(uid !== undefined && { uid, gid: uid }),
  })
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`hold-postgres ended with status ${code}`))),
  ])) as [string]
  return { parent: child.pid as number, ...JSON.parse(line) }
}
