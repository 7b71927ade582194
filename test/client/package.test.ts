import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { startTinyApi } from './tiny-api.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const client = join(root, 'generated/client')
const manifest = JSON.parse(readFileSync(join(client, 'package.json'), 'utf8'))
let folder = ''
let packed: string[] = []

/** A project of somebody else: the packed client, and what it needs linked from here, since nothing is downloaded. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'skeldir-client-'))
  const installed = join(folder, 'node_modules/@skeldir/client')
  mkdirSync(installed, { recursive: true })
  const env = { ...process.env, npm_config_cache: join(folder, 'cache'), npm_config_update_notifier: 'false' }
  await run('npm', ['pack', client, '--pack-destination', folder], { cwd: folder, env })
  const tarball = join(folder, `skeldir-client-${manifest.version}.tgz`)
  packed = (await run('tar', ['-tzf', tarball])).stdout.trim().split('\n')
  await run('tar', ['-xzf', tarball, '-C', installed, '--strip-components', '1'])
  for (const name of ['openapi-fetch', 'msw']) {
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  }
  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }')
  return () => rmSync(folder, { recursive: true, force: true })
})

test('the package holds every generated file, and its version is that of the contract', () => {
  expect(packed.map((name) => name.replace('package/', '')).sort()).toEqual(readdirSync(client).sort())
  const { info } = JSON.parse(readFileSync(join(root, 'generated/openapi.json'), 'utf8'))
  expect(manifest).toMatchObject({ name: '@skeldir/client', version: info.version, license: 'MIT', type: 'module' })
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const own = { ...devDependencies, ...dependencies }
  // What it was tested with is what it asks for.
  expect(manifest.dependencies).toEqual({ 'openapi-fetch': own['openapi-fetch'] })
  expect(manifest.peerDependencies).toEqual({ msw: `^${own.msw}` })
})

test('it imports its own files, openapi-fetch and msw, and nothing else', () => {
  const files = readdirSync(client).filter((name) => /\.(js|d\.ts)$/.test(name))
  const imported = files.flatMap((name) => {
    const source = readFileSync(join(client, name), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    return [...source.matchAll(/(?:from|import\()\s*['"]([^'"]+)['"]/g)].map((match) => match[1] as string)
  })
  const outside = new Set(imported.filter((specifier) => !/^\.\/[\w-]+\.js$/.test(specifier)))
  expect([...outside].sort()).toEqual(['msw', 'openapi-fetch'])
})

test('plain JavaScript can use every entry', async () => {
  const { url, seen } = await startTinyApi([{ body: { status: 'alive' } }])
  writeFileSync(
    join(folder, 'use.js'),
    `import { createClient } from '@skeldir/client'
import { login } from '@skeldir/client/operations'
import { signStripe, verifyStripe } from '@skeldir/client/webhooks'
import { fixture } from '@skeldir/client/fixtures'
import { handlers } from '@skeldir/client/msw'
import manifest from '@skeldir/client/package.json' with { type: 'json' }

const { status, data } = await createClient({ baseUrl: process.argv[2] }).getLiveness()
const body = '{"id":"evt_1","type":"charge.succeeded"}'
const verified = await verifyStripe({ body, headers: await signStripe(body, 'whsec_x'), secrets: 'whsec_x' })
const hidden = await import('@skeldir/client/send.js').catch((error) => error.code)
console.log(JSON.stringify([status, data.status, login.path, verified.event.topic, fixture('getLiveness', 200).status,
  handlers().length > 50, manifest.version, hidden]))
`,
  )
  const { stdout } = await run(process.execPath, ['use.js', url], { cwd: folder })
  const facts = [200, 'alive', '/api/auth/login', 'charge.succeeded', 'alive', true, manifest.version]
  expect(JSON.parse(stdout)).toEqual([...facts, 'ERR_PACKAGE_PATH_NOT_EXPORTED'])
  expect(seen[0]?.url).toBe('/health/live')
})

describe('strict TypeScript', () => {
  const options = {
    target: 'es2023',
    lib: ['es2023', 'dom', 'dom.iterable'],
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noEmit: true,
  }
  const compile = async (name: string, compilerOptions: object, files: string[]) => {
    writeFileSync(
      join(folder, `${name}.json`),
      JSON.stringify({ compilerOptions: { ...options, ...compilerOptions }, files }),
    )
    const tsc = join(root, 'node_modules/typescript7/bin/tsc')
    const { stdout } = await run(process.execPath, [tsc, '-p', `${name}.json`], { cwd: folder }).catch((error) => error)
    return stdout.trim()
  }

  beforeAll(() => {
    const types = readFileSync(join(import.meta.dirname, 'client.types.ts'), 'utf8')
    const asConsumer = types.replaceAll(/'\.\.\/\.\.\/generated\/client\/(\w+)\.js'/g, (_path, entry) =>
      entry === 'index' ? "'@skeldir/client'" : `'@skeldir/client/${entry}'`,
    )
    writeFileSync(join(folder, 'types.ts'), asConsumer)
    const readme = readFileSync(join(client, 'README.md'), 'utf8')
    const blocks = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => match[1] as string)
    for (const [index, block] of blocks.entries()) writeFileSync(join(folder, `readme-${index}.ts`), block)
  })

  // The types say with `@ts-expect-error` what must not compile.
  test.each([
    ['bundler', 'esnext'],
    ['nodenext', 'nodenext'],
  ])('the types hold, and so do those of what they import (%s)', async (moduleResolution, module) => {
    expect(await compile(moduleResolution, { moduleResolution, module, skipLibCheck: false }, ['types.ts'])).toBe('')
  })

  test('every example of the README compiles', async () => {
    const examples = readdirSync(folder).filter((name) => /^readme-\d+\.ts$/.test(name))
    expect(examples.length).toBeGreaterThan(8)
    const compilerOptions = { moduleResolution: 'bundler', module: 'esnext', skipLibCheck: true }
    expect(await compile('readme', compilerOptions, examples)).toBe('')
  })

  test('what is wrong is found', async () => {
    writeFileSync(
      join(folder, 'wrong.ts'),
      "import { createClient } from '@skeldir/client'\ncreateClient({}).login()\n",
    )
    const found = await compile('wrong', { moduleResolution: 'bundler', module: 'esnext', skipLibCheck: true }, [
      'wrong.ts',
    ])
    expect(found).toMatch(/^wrong\.ts\(2,18\): error TS2554: Expected 1-2 arguments, but got 0\./)
  })
})

test('it is small, and what is not used is left out', async () => {
  const { build } = await import('vite')
  const sizeOf = async (source: string) => {
    const entry = join(folder, 'entry.js')
    writeFileSync(entry, source)
    const made = await build({
      root: folder,
      configFile: false,
      logLevel: 'silent',
      build: { write: false, modulePreload: false, rolldownOptions: { input: entry, output: { minify: true } } },
    })
    const [bundle] = [made].flat()
    if (bundle === undefined || !('output' in bundle)) throw new Error('nothing was built')
    const { code } = bundle.output[0]
    return { code, gzip: gzipSync(code).length }
  }
  const all = await sizeOf("import { createClient } from '@skeldir/client'\nglobalThis.client = createClient")
  const one = await sizeOf(
    "import { createClientOf } from '@skeldir/client'\nimport { login } from '@skeldir/client/operations'\nglobalThis.client = createClientOf({ login })",
  )
  const stripe = await sizeOf(
    "import { verifyStripe } from '@skeldir/client/webhooks'\nglobalThis.verify = verifyStripe",
  )
  expect(all.gzip).toBeLessThan(10_000)
  expect(one.gzip).toBeLessThan(6_000)
  expect(stripe.gzip).toBeLessThan(2_500)
  expect(all.code).toContain('/api/attribution/channels')
  expect(one.code).not.toContain('/api/attribution/channels')
  expect(stripe.code).not.toContain('SHA256withRSA')
})
