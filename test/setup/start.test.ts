import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { readRunState } from '../../src/cli/local-state.ts'
import { formatLogLine } from '../../src/cli/log-lines.ts'
import { runStart } from '../../src/cli/start.ts'
import { identify, isAlive } from '../../src/os-process.ts'
import { startApart } from '../support/apart.ts'
import { repositoryRoot, until } from './folder.ts'
import { makeWorld, ownServer, start } from './world.ts'

const startUrl = new URL('../../src/cli/platform.ts', import.meta.url).href
describe('with an own server', () => {
  test('migrates it, gives the children what they need and not the migrator, and tells what runs', async () => {
    const world = makeWorld(ownServer)
    const targets: unknown[] = []
    const platform = await start(world, {
      prepareDatabase: async (target) => {
        targets.push(target.kind)
        return { databaseUrl: ownServer.DATABASE_URL, migrationDatabaseUrl: ownServer.MIGRATION_DATABASE_URL }
      },
    })
    expect(targets).toEqual(['external'])
    expect(platform.postgres).toBeNull()
    const api = JSON.parse(readFileSync(join(world.folder, 'api.env'), 'utf8'))
    expect(api).toMatchObject({ DATABASE_URL: ownServer.DATABASE_URL, LOG_LEVEL: 'warn', SKELDIR_SUPERVISED: '1' })
    expect(api).not.toHaveProperty('MIGRATION_DATABASE_URL')
    expect(Buffer.from(api.SKELDIR_MASTER_KEY, 'base64')).toHaveLength(32)
    expect(api.SKELDIR_METRICS_FOLDER).toBe(join(world.state.folder, 'metrics'))
    expect(platform.urls.api).toBe(`http://127.0.0.1:${api.PORT}`)

    const run = readRunState(world.state)
    expect(run).toMatchObject({
      pid: process.pid,
      api: { pid: platform.pids.api, url: platform.urls.api },
      worker: { pid: platform.pids.worker },
      postgres: null,
      mocks: null,
      docs_url: `${platform.urls.api}/docs`,
    })
    await platform.stop()
    expect(readRunState(world.state)).toBeNull()
    expect(existsSync(join(world.state.folder, 'start.lock'))).toBe(false)
    for (const pid of [run?.api.pid, run?.worker.pid]) expect(isAlive(identify(pid as number))).toBe(false)
  })

  test('a second one in the same checkout is told the URL', async () => {
    const world = makeWorld(ownServer)
    const platform = await start(world)
    await expect(start(world)).rejects.toThrow(
      `Skeldir is already running: ${platform.urls.api} (process ${process.pid})`,
    )
    // The refusal has not taken anything away from the first.
    expect(readRunState(world.state)?.api.url).toBe(platform.urls.api)
  })

  test('a port that was asked for and is taken is named', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    const world = makeWorld({ ...ownServer, PORT: String(port) })
    await expect(start(world, { port: undefined } as never)).rejects.toThrow(`Port ${port} is taken`)
    other.close()
    expect(existsSync(join(world.state.folder, 'start.lock'))).toBe(false)
  })

  test('an API that ends before it is ready ends the start, and nothing stays behind', async () => {
    const world = makeWorld(ownServer)
    writeFileSync(join(world.folder, 'api.mjs'), "console.error('DATABASE_URL is not a URL'); process.exitCode = 1")
    await expect(start(world)).rejects.toThrow('The API ended before it was ready; its last lines are above.')
    expect(world.lines).toContain('api     │ DATABASE_URL is not a URL')
    // It may have been stopped before it could say its pid.
    const file = join(world.folder, 'worker.pid')
    if (existsSync(file)) expect(isAlive(identify(Number(readFileSync(file, 'utf8'))))).toBe(false)
  })

  test.each([
    ['DATABASE_URL', 'MIGRATION_DATABASE_URL'],
    ['MIGRATION_DATABASE_URL', 'DATABASE_URL'],
  ] as const)('%s alone is an error', async (set, missing) => {
    const world = makeWorld({ [set]: ownServer[set] })
    await expect(start(world)).rejects.toThrow(`${set} is set but ${missing} is not.`)
  })
})

describe('with the embedded Postgres', () => {
  test('stops it last, starts what was killed again, and kill -9 leaves nothing behind', async () => {
    const world = makeWorld({})
    const platform = await start(world, { prepareDatabase: undefined } as never)
    const { pids } = platform
    expect(pids.postgres).toBe(readRunState(world.state)?.postgres?.pid)
    await until('the worker can be told to stop', () => existsSync(join(world.folder, 'worker.pid')))
    await platform.stop()
    expect(readFileSync(join(world.folder, 'worker.end'), 'utf8')).toBe('the database still answers')
    expect(isAlive(identify(pids.postgres as number))).toBe(false)

    // The same data again, under a supervisor of its own that can be killed.
    writeFileSync(
      join(world.folder, 'supervisor.mjs'),
      `import { startPlatform } from ${JSON.stringify(startUrl)}
       const commands = ${JSON.stringify(world.commands)}
       const platform = await startPlatform({ port: 0, commands, restartDelays: { first: 300, last: 300, resetAfter: 60_000 } })
       console.log(JSON.stringify(platform.pids))`,
    )
    const supervisor = spawn(process.execPath, [join(world.folder, 'supervisor.mjs')], {
      env: world.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [line] = (await once(supervisor.stdout, 'data')) as [Buffer]
    const { worker, api, postgres } = JSON.parse(line.toString()) as Record<string, number>
    let said = ''
    supervisor.stderr.on('data', (chunk) => {
      said += chunk
    })
    process.kill(worker as number, 'SIGKILL')
    await until('run.json shows that the worker is down', () => readRunState(world.state)?.worker.pid === null)
    const back = await until('run.json shows the new worker', () => readRunState(world.state)?.worker.pid)
    expect(back).not.toBe(worker)
    expect(said).toContain('skeldir │ worker was ended by SIGKILL; it is started again in 0.3 s')

    const all = [api, back, postgres].map((pid) => identify(pid as number))
    expect(all.every(isAlive)).toBe(true)
    supervisor.kill('SIGKILL')
    await until('all children have ended', () => !all.some(isAlive))
    expect(readRunState(world.state)).toBeNull()
  })

  test('an interrupt during the start ends it and leaves nothing running', async () => {
    const world = makeWorld({})
    const interrupt = new AbortController()
    const starting = start(world, { signal: interrupt.signal })
    setImmediate(() => interrupt.abort())
    await expect(starting).rejects.toThrow('aborted')
    expect(existsSync(join(world.state.folder, 'start.lock'))).toBe(false)
    expect(existsSync(join(world.state.dataDir, 'postmaster.pid'))).toBe(false)
  })
})

describe('skeldir start', () => {
  test('--help prints the options on stdout', async () => {
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    expect(await runStart(['--help'])).toBe(0)
    for (const option of ['--port', '--no-mocks', '--verbose']) expect(written.mock.calls.join('')).toContain(option)
    written.mockRestore()
  })

  test.each([
    [['--port', 'eighty'], '--port is "eighty": a whole number from 0 to 65535 is meant.'],
    [['--quiet'], "Unknown option '--quiet'"],
  ])('%j ends with status 1 and a sentence', async (args, sentence) => {
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    expect(await runStart(args)).toBe(1)
    expect(written.mock.calls.join('')).toContain(sentence)
    written.mockRestore()
  })
})

test('skeldir start --no-mocks runs the real platform without mocks, and ends with status 0 when it is told', async () => {
  const world = makeWorld({})
  const command = spawn(process.execPath, ['src/cli/main.ts', 'start', '--no-mocks', '--port', '0'], {
    cwd: repositoryRoot,
    env: world.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void command.kill('SIGKILL'))
  let printed = ''
  command.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  await until('the banner', () => printed.includes('Ctrl-C'), 25_000)
  expect(printed).toMatch(/^ {2}API +http:\/\/127\.0\.0\.1:\d+$/m)
  expect(printed).toMatch(/^ {2}Mocks +none$/m)
  expect(readRunState(world.state)?.mocks).toBeNull()
  // The figures of its worker are for whoever asks beside it.
  const env = { SKELDIR_HOME: world.state.folder, SKELDIR_EXPORTER_PORT: '0' }
  const exporter = await startApart(['src/cli/main.ts', 'exporter'], /on (http:\S+)/, { env })
  onTestFinished(exporter.kill)
  await expect
    .poll(async () => (await fetch(exporter.told)).text(), { timeout: 15_000 })
    .toMatch(/^skd_exporter_workers 1$/m)
  const ended = once(command, 'exit')
  command.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
})

describe('a line of a child', () => {
  const entry = JSON.stringify({
    level: 40,
    time: 0,
    pid: 1,
    hostname: 'h',
    msg: 'slow\u001b[2J',
    duration_ms: 12,
    err: { message: 'gone' },
  })

  test('stays JSON where a collector may read it', () => {
    expect(formatLogLine('api', entry, false)).toBe(entry)
    expect(formatLogLine('api', 'Error: boom', false)).toBe('api     │ Error: boom')
  })

  test('is short in a terminal and cannot steer it', () => {
    const line = formatLogLine('worker', entry, true)
    expect(line).toContain('worker  │ ')
    expect(line).toMatch(/\d\d:\d\d:\d\d .*WARN.* slow {2}gone duration_ms=12$/)
    expect(line).not.toContain('\u001b[2J')
  })
})
