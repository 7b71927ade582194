import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { banner } from '../../src/cli/banner.ts'
import { readRunState } from '../../src/cli/local-state.ts'
import { keepMocks } from '../../src/cli/mocks.ts'
import type { PlatformOptions } from '../../src/cli/platform.ts'
import { findFreePort } from '../../src/db/embedded.ts'
import { identify, isAlive } from '../../src/os-process.ts'
import { makeFolder, until } from './folder.ts'
import { makeWorld, ownServer, start, type World } from './world.ts'

const supervisedUrl = new URL('../../src/cli/supervised.ts', import.meta.url).href

/** What `mocks/main.ts` shows of itself to a supervisor; `script` runs in its place. */
async function standIn(world: World, script: string): Promise<Extract<PlatformOptions['mocks'], object>> {
  writeFileSync(
    join(world.folder, 'mocks.mjs'),
    `import { writeFileSync } from 'node:fs'
     import { exitWithParent } from ${JSON.stringify(supervisedUrl)}
     exitWithParent()
     ${script}
     const note = { args: process.argv.slice(2), env: process.env }
     writeFileSync(${JSON.stringify(join(world.folder, 'mocks.json'))}, JSON.stringify(note))`,
  )
  return { command: [join(world.folder, 'mocks.mjs')], gatewayPort: await findFreePort() }
}

/** What the process was started with; it says so when its script has run. */
function started(world: World): Promise<{ args: string[]; env: NodeJS.ProcessEnv }> {
  return until('the mocks were started', () => {
    try {
      return JSON.parse(readFileSync(join(world.folder, 'mocks.json'), 'utf8'))
    } catch {
      return null
    }
  })
}

const READY = `console.error('mocks: real server: it answers')
  console.log('gateway              http://127.0.0.1:65000')
  console.log('auth                 http://127.0.0.1:65001')
  setInterval(() => {}, 1000)`

const withMocks = {
  SKELDIR_MASTER_KEY: Buffer.alloc(32).toString('base64'),
  ADMIN_DATABASE_URL: 'postgresql://a:x@h/d',
}

test('mocks get the URL of the API and no secret, and run.json says where they answer', async () => {
  const world = makeWorld({ ...ownServer, ...withMocks })
  const mocks = await standIn(world, READY)
  const platform = await start(world, { mocks })
  await until('run.json shows where they answer', () => readRunState(world.state)?.mocks?.url)
  expect(readRunState(world.state)?.mocks).toEqual({ pid: platform.pids.mocks, url: 'http://127.0.0.1:65000' })
  expect(platform.mocks).toEqual({
    url: 'http://127.0.0.1:65000',
    expectedUrl: `http://127.0.0.1:${mocks.gatewayPort}`,
  })
  const { args, env } = await started(world)
  expect(args).toEqual(['--real', platform.urls.api])
  expect(env).toMatchObject({ PATH: process.env.PATH, SKELDIR_SUPERVISED: '1' })
  expect(Object.keys(env).filter((name) => /DATABASE|KEY|SECRET|PASSWORD|TOKEN/.test(name))).toEqual([])

  expect(world.lines).toContain('skeldir │ The mocks answer at http://127.0.0.1:65000')
  await until('their stderr is passed on', () => world.lines.includes('mocks   │ real server: it answers'))
  expect(world.lines.join('\n')).not.toContain('65001')
  const { mocks: pid } = platform.pids
  await platform.stop()
  expect(isAlive(identify(pid as number))).toBe(false)
})

test('the API does not wait for them, and the banner says so', async () => {
  const world = makeWorld(ownServer)
  const mocks = await standIn(world, `process.on('SIGUSR2', () => { ${READY} }); setInterval(() => {}, 1000)`)
  const platform = await start(world, { mocks })
  expect(platform.mocks?.url).toBeNull()
  const row = () => /^ {2}Mocks +(.*)$/m.exec(banner(platform, 1_000))?.[1]
  expect(row()).toBe(`http://127.0.0.1:${mocks.gatewayPort} (starting; a line below will tell)`)
  expect(banner(platform, 1_000)).toContain(`Console    ${platform.urls.api}/\n`)
  await started(world)
  process.kill(platform.pids.mocks as number, 'SIGUSR2')
  await until('they answer', () => platform.mocks?.url)
  expect(row()).toBe('http://127.0.0.1:65000')
})

test('verbose shows their table too', async () => {
  const world = makeWorld(ownServer)
  await start(world, { mocks: await standIn(world, READY), verbose: true })
  await until('the table', () => world.lines.includes('mocks   │ auth                 http://127.0.0.1:65001'))
})

test('where the port of the gateway is taken, they use free ones', async () => {
  const world = makeWorld(ownServer)
  const mocks = await standIn(world, READY)
  const other = createServer().listen(mocks.gatewayPort, '127.0.0.1')
  onTestFinished(() => void other.close())
  await once(other, 'listening')
  const platform = await start(world, { mocks })
  expect(world.lines).toContain(`skeldir │ Port ${mocks.gatewayPort} is taken, so the mocks use free ports.`)
  expect(platform.mocks?.expectedUrl).toBeNull()
  await until('they answer', () => platform.mocks?.url)
  const { args } = await started(world)
  expect(args).toEqual(['--real', platform.urls.api, '--ports', 'free'])
})

test('mocks that end are started again, and the platform goes on', async () => {
  const world = makeWorld(ownServer)
  const mocks = await standIn(world, READY)
  const platform = await start(world, { mocks, restartDelays: { first: 50, last: 50, resetAfter: 60_000 } })
  await until('they answer', () => platform.mocks?.url)
  const first = platform.pids.mocks as number
  process.kill(first, 'SIGKILL')
  await until('others answer', () => platform.pids.mocks !== first && platform.mocks?.url)
  expect(world.lines).toContain('skeldir │ mocks was ended by SIGKILL; it is started again in 0.05 s')
  expect((await fetch(platform.urls.health)).status).toBe(200)
})

test('mocks that cannot start say why, again and again, and the platform goes on', async () => {
  const world = makeWorld(ownServer)
  const mocks = await standIn(world, "console.error('mocks: the contract is broken'); process.exitCode = 1")
  const platform = await start(world, { mocks, restartDelays: { first: 20, last: 20, resetAfter: 60_000 } })
  const said = () => world.lines.filter((line) => line === 'mocks   │ the contract is broken').length
  await until('they have tried twice', () => said() >= 2)
  expect(platform.mocks?.url).toBeNull()
  expect((await fetch(platform.urls.health)).status).toBe(200)
})

test('without being asked for there are none', async () => {
  const world = makeWorld(ownServer)
  const platform = await start(world)
  expect([platform.mocks, platform.pids.mocks, readRunState(world.state)?.mocks]).toEqual([null, null, null])
  expect(banner(platform, 1_000)).toContain('Mocks      none\n')
})

test('an installation without development packages has none, and says so', async () => {
  const lines: string[] = []
  const note = (line: string) => void lines.push(line)
  const options = { apiUrl: 'http://127.0.0.1:1', env: {}, verbose: false, say: note, note, onChange: () => {} }
  expect(await keepMocks({ ...options, root: makeFolder() })).toBeNull()
  expect(lines).toEqual([
    'The mocks are left out: @stoplight/prism-http is not installed (development packages are omitted).',
  ])
})

test('the real ones say where they answer in words that are understood', async () => {
  const world = makeWorld(ownServer)
  const gatewayPort = await findFreePort()
  const platform = await start(world, { mocks: { command: ['mocks/main.ts', '--ports', 'free'], gatewayPort } })
  const url = await until('they answer', () => platform.mocks?.url, 80_000)
  const answer = await fetch(`${url}/api/tenant`, { headers: { authorization: 'Bearer any' } })
  expect(answer.headers.get('x-served-by')).toBe('mock')
}, 90_000)
