import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  clearRunState,
  openLocalState,
  readConnections,
  readRunState,
  readSecrets,
  repositoryRoot,
  takeStartLock,
  writeConnections,
  writeRunState,
} from '../../src/cli/local-state.ts'
import { makeFolder } from './folder.ts'

test('is .skeldir of the repository, or what SKELDIR_HOME names, closed to others', () => {
  expect(openLocalState({}).folder).toBe(join(repositoryRoot, '.skeldir'))
  const { folder } = open()
  // As root the server's user passes through; nobody may list it.
  expect(statSync(folder).mode & 0o777).toBe(process.getuid?.() === 0 ? 0o711 : 0o700)
})

test('secrets are made once, and nobody else can read them', () => {
  const state = open()
  const secrets = readSecrets(state)
  expect(Buffer.from(secrets.masterKey, 'base64')).toHaveLength(32)
  expect(secrets.runtimePassword).not.toBe(secrets.migratorPassword)
  expect(readSecrets(state)).toEqual(secrets)
  expect(statSync(join(state.folder, 'secrets.json')).mode & 0o777).toBe(0o600)
  expect(readdirSync(state.folder)).toEqual(['secrets.json'])
})

test('processes that make the secrets at the same moment get the same ones', () => {
  const folder = join(makeFolder(), 'home')
  const module = JSON.stringify(new URL('../../src/cli/local-state.ts', import.meta.url).href)
  const read = `import(${module}).then((m) => console.log(m.readSecrets(m.openLocalState()).masterKey))`
  const script = `for i in 1 2 3; do "${process.execPath}" -e '${read}' & done; wait`
  const { stdout, stderr } = spawnSync('/bin/sh', ['-c', script], {
    env: { ...process.env, SKELDIR_HOME: folder },
    encoding: 'utf8',
  })
  const keys = stdout.trim().split('\n')
  expect(keys, stderr).toHaveLength(3)
  expect(new Set(keys).size).toBe(1)
})

test('damaged secrets are an error, never replaced', () => {
  const state = open()
  writeFileSync(join(state.folder, 'secrets.json'), '{"masterKey":')
  expect(() => readSecrets(state)).toThrow(/secrets\.json is damaged/)
})

test('what runs is read back until it is cleared, and holds no password', () => {
  const state = open()
  expect(readRunState(state)).toBeNull()
  writeRunState(state, running(process.pid))
  writeConnections(state, {
    databaseUrl: 'postgresql://app_user:secret@127.0.0.1/skeldir',
    migrationDatabaseUrl: 'postgresql://m:secret@127.0.0.1/skeldir',
  })
  expect(readRunState(state)).toMatchObject({ pid: process.pid, api: { url: 'http://127.0.0.1:8000' } })
  expect(readConnections(state)?.databaseUrl).toContain('app_user')
  expect(readFileSync(join(state.folder, 'run.json'), 'utf8')).not.toContain('secret')
  for (const name of ['run.json', 'connections.json'])
    expect(statSync(join(state.folder, name)).mode & 0o777).toBe(0o600)
  clearRunState(state)
  expect(readRunState(state)).toBeNull()
  expect(readConnections(state)).toBeNull()
})

test('what a dead supervisor left does not count, nor one whose pid another process has by now', () => {
  const state = open()
  writeRunState(state, running(spawnSync(process.execPath, ['-e', '']).pid))
  expect(readRunState(state)).toBeNull()
  writeRunState(state, running(process.pid))
  const file = join(state.folder, 'run.json')
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), start_ticks: '1' }))
  expect(readRunState(state)).toBeNull()
})

test('only one holds the start lock; a dead owner does not', () => {
  const state = open()
  const release = takeStartLock(state)
  expect(takeStartLock(state)).toBeNull()
  release?.()
  writeFileSync(join(state.folder, 'start.lock'), JSON.stringify({ pid: process.pid, startTicks: '1' }))
  const again = takeStartLock(state)
  expect(again).not.toBeNull()
  again?.()
  expect(existsSync(join(state.folder, 'start.lock'))).toBe(false)
})

function open() {
  const folder = join(makeFolder(), 'home')
  mkdirSync(folder, { mode: 0o700 })
  return openLocalState({ SKELDIR_HOME: folder })
}

function running(pid: number) {
  return {
    version: '0.1.0',
    pid,
    started_at: '2026-01-01T00:00:00.000Z',
    api: { pid: 1, url: 'http://127.0.0.1:8000' },
    worker: { pid: 2 },
    postgres: null,
    mocks: null,
    docs_url: 'http://127.0.0.1:8000/docs',
    health_url: 'http://127.0.0.1:8000/health/ready',
  }
}
