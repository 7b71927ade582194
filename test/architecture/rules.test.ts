import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { type ArchitectureReport, checkArchitecture } from '../../scripts/check-architecture.ts'

const RULES_FILE = fileURLToPath(new URL('../../.dependency-cruiser.cjs', import.meta.url))
const rules: string[] = createRequire(import.meta.url)(RULES_FILE).forbidden.map(({ name }: { name: string }) => name)

/** A small tree that keeps every rule, in the project's folders. */
const GOOD: Record<string, string> = {
  'generated/api.ts': `export const api = 1`,
  'scripts/tool.ts': `import { config } from '../src/config.ts'\nexport const tool = config`,
  'src/config.ts': `export const config = 1`,
  'src/http/bind.ts': `import express from 'express'\nimport backend from 'openapi-backend'\nexport const bind = [express, backend]`,
  'src/db/tenant.ts': `import kysely from 'kysely'\nexport type Tx = typeof kysely\nexport const inTenant = 1`,
  'src/queue/job.ts': `import boss from 'pg-boss'\nimport { inTenant } from '../db/tenant.ts'\nexport const job = [boss, inTenant]`,
  'src/auth/handlers.ts': `import { auth } from './service.ts'\nexport const handlers = auth`,
  'src/auth/service.ts': `export const auth = 1`,
  'src/events/snippet/collect.ts': `export const collect = 1`,
  'src/revenue/queries.ts': `import kysely from 'kysely'\nimport type { Tx } from '../db/tenant.ts'\nexport interface Row { tx: Tx }\nexport const query = kysely`,
  'src/revenue/jobs.ts': `import { job } from '../queue/job.ts'\nexport const jobs = job`,
  'src/revenue/service.ts': `import { auth } from '../auth/service.ts'\nimport { inTenant } from '../db/tenant.ts'\nimport { jobs } from './jobs.ts'\nimport { query } from './queries.ts'\nexport const service = [auth, inTenant, jobs, query]`,
  'src/revenue/handlers.ts': `import type { Row } from './queries.ts'\nimport { service } from './service.ts'\nexport const handlers = service as unknown as Row`,
  'src/revenue/tasks.ts': `import { job } from '../queue/job.ts'\nimport { service } from './service.ts'\nexport const tasks = [job, service]`,
  'src/revenue/noun.test.ts': `import { test } from 'vitest'\nimport { config } from '../config.ts'\nexport const tested = [test, config]`,
  'src/tracing/spans.ts': `import { trace } from '@opentelemetry/api'\nexport const spans = trace`,
  'src/main/traces.ts': `export const traces = () => import('../tracing/spans.ts')`,
  'src/main/app.ts': `import { bind } from '../http/bind.ts'\nimport { handlers } from '../revenue/handlers.ts'\nexport const app = [bind, handlers]`,
  'src/money.ts': `export const money = 1`,
  'generated/client/index.js': `export const client = 1`,
  'src/console/main.tsx': `import { money } from '../money.ts'\nimport { App } from './app.tsx'\nexport const main = [money, App]`,
  'src/console/app.tsx': `import { useState } from 'preact'\nimport { client } from '../../generated/client/index.js'\nexport const App = [useState, client]`,
  'mocks/host.ts': `import { bind } from '../src/http/bind.ts'\nexport const host = bind`,
  'scripts/bench/mocks.ts': `import { host } from '../../mocks/host.ts'\nexport const bench = host`,
  'test/api.test.ts': `import { app } from '../src/main/app.ts'\nexport const tested = app`,
}

/** For each rule, a file that breaks it and nothing else of the tree. */
const BAD: Record<string, [file: string, source: string][]> = {
  'no-cycles': [
    ['src/revenue/cycle-a.ts', `import { b } from './cycle-b.ts'\nexport const a: unknown = b`],
    ['src/revenue/cycle-b.ts', `import { a } from './cycle-a.ts'\nexport const b: unknown = a`],
  ],
  'no-unresolved': [['src/revenue/unresolved.ts', `import { gone } from './gone.ts'\nexport const x = gone`]],
  'generated-is-a-leaf': [
    ['generated/reaches.ts', `import { config } from '../src/config.ts'\nexport const x = config`],
  ],
  'src-stands-alone': [['src/revenue/alone.ts', `import { tool } from '../../scripts/tool.ts'\nexport const x = tool`]],
  'mocks-stand-on-http': [['mocks/service.ts', `import { auth } from '../src/auth/service.ts'\nexport const x = auth`]],
  'mocks-are-tools': [['scripts/demo.ts', `import { host } from '../mocks/host.ts'\nexport const x = host`]],
  'main-is-on-top': [['src/revenue/top.ts', `import { app } from '../main/app.ts'\nexport const x = app`]],
  'http-knows-no-feature': [['src/http/knows.ts', `import { auth } from '../auth/service.ts'\nexport const x = auth`]],
  'features-know-no-http': [['src/revenue/web.ts', `import { bind } from '../http/bind.ts'\nexport const x = bind`]],
  'handlers-call-services': [
    ['src/tenants/handlers.ts', `import { inTenant } from '../db/tenant.ts'\nexport const x = inTenant`],
  ],
  'services-reach-services': [
    ['src/tenants/service.ts', `import { handlers } from '../auth/handlers.ts'\nexport const x = handlers`],
  ],
  'queries-are-the-floor': [['src/tenants/queries.ts', `import { job } from '../queue/job.ts'\nexport const x = job`]],
  'tasks-run-services': [
    ['src/tenants/tasks.ts', `import { inTenant } from '../db/tenant.ts'\nexport const x = inTenant`],
  ],
  'the-ground-knows-no-feature': [
    ['src/db/feature.ts', `import { auth } from '../auth/service.ts'\nexport const x = auth`],
  ],
  'statistics-are-pure': [
    ['src/statistics/service.ts', `import { auth } from '../auth/service.ts'\nexport const x = auth`],
    ['src/statistics/file.ts', `import { readFileSync } from 'node:fs'\nexport const x = readFileSync`],
  ],
  'express-only-in-http': [['src/revenue/express.ts', `import express from 'express'\nexport const x = express`]],
  'openapi-backend-only-in-http': [
    ['src/main/backend.ts', `import backend from 'openapi-backend'\nexport const x = backend`],
  ],
  'pg-boss-only-in-queue': [['src/revenue/boss.ts', `import boss from 'pg-boss'\nexport const x = boss`]],
  'opentelemetry-only-in-tracing': [
    ['src/main/otel.ts', `import { trace } from '@opentelemetry/api'\nexport const x = trace`],
  ],
  'tracing-is-loaded-late': [
    ['src/main/spans.ts', `import { spans } from '../tracing/spans.ts'\nexport const x = spans`],
  ],
  'sql-only-in-queries': [['src/revenue/sql.ts', `import kysely from 'kysely'\nexport const x = kysely`]],
  'console-stands-apart': [
    ['src/console/config.tsx', `import { config } from '../config.ts'\nexport const x = config`],
    ['src/console/package.tsx', `import { test } from 'vitest'\nexport const x = test`],
  ],
  'nothing-imports-the-console': [
    ['src/main/console.ts', `import { App } from '../console/app.tsx'\nexport const x = App`],
  ],
  'the-snippet-stands-alone': [
    ['src/events/snippet/money.ts', `import { money } from '../../money.ts'\nexport const x = money`],
  ],
  'nothing-imports-the-snippet': [
    ['src/main/snippet.ts', `import { collect } from '../events/snippet/collect.ts'\nexport const x = collect`],
  ],
  'nothing-but-production-packages': [['src/revenue/dev.ts', `import { test } from 'vitest'\nexport const x = test`]],
  'declared-packages': [['src/revenue/package.ts', `import stray from 'stray'\nexport const x = stray`]],
}
const PACKAGES = ['express', 'openapi-backend', '@opentelemetry/api', 'pg-boss', 'kysely', 'preact', 'vitest', 'stray']

async function plant(files: Record<string, string>): Promise<{ root: string; remove: () => Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'skeldir-architecture-'))
  const all: Record<string, string> = {
    'package.json': JSON.stringify({
      type: 'module',
      dependencies: {
        '@opentelemetry/api': '1.0.0',
        express: '1.0.0',
        'openapi-backend': '1.0.0',
        'pg-boss': '1.0.0',
        kysely: '1.0.0',
      },
      devDependencies: { preact: '1.0.0', vitest: '1.0.0' },
    }),
    'tsconfig.json': JSON.stringify({
      compilerOptions: { module: 'nodenext', allowImportingTsExtensions: true, noEmit: true },
    }),
    ...files,
  }
  for (const name of PACKAGES) {
    all[`node_modules/${name}/package.json`] = JSON.stringify({
      name,
      version: '1.0.0',
      type: 'module',
      exports: './index.js',
    })
    all[`node_modules/${name}/index.js`] = 'export default 1\nexport const test = 1\nexport const useState = 1\n'
  }
  for (const [file, source] of Object.entries(all)) {
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), `${source}\n`)
  }
  await copyFile(RULES_FILE, join(root, '.dependency-cruiser.cjs'))
  return { root, remove: () => rm(root, { recursive: true }) }
}

test('there is a bad import for every rule', () => {
  expect(Object.keys(BAD).sort()).toEqual([...rules].sort())
})

test('a tree that keeps the rules has no faults, and all of it was looked at', async ({ onTestFinished }) => {
  const { root, remove } = await plant(GOOD)
  onTestFinished(remove)
  const files = Object.keys(GOOD).length
  expect(await checkArchitecture(root)).toEqual({ files, seen: files, faults: [] })
})

describe('a bad import is caught', () => {
  let report: ArchitectureReport

  beforeAll(async () => {
    const { root, remove } = await plant({ ...GOOD, ...Object.fromEntries(Object.values(BAD).flat()) })
    report = await checkArchitecture(root)
    return remove
  })

  test.each(Object.entries(BAD))('%s', (rule, files) => {
    const named = report.faults.filter((fault) => fault.endsWith(`(${rule})`))
    expect(named.length).toBeGreaterThan(0)
    for (const fault of named)
      expect(
        files.some(([file]) => fault.startsWith(`${file}: `)),
        fault,
      ).toBe(true)
  })
})

test('a run that sees no files is a fault, not a success', async ({ onTestFinished }) => {
  const { root, remove } = await plant({ 'vitest.config.ts': 'export const config = 1' })
  onTestFinished(remove)
  const { files, faults } = await checkArchitecture(root)
  expect(files).toBe(0)
  expect(faults).toContain('saw no import in src: the parser does not understand the sources')
})

test('files that were not looked at are named', async ({ onTestFinished }) => {
  const { root, remove } = await plant({ ...GOOD, '.skeldir/hidden.ts': 'export const x = 1' })
  onTestFinished(remove)
  const blind = `const rules = require('./rules.cjs')
module.exports = { ...rules, options: { ...rules.options, exclude: { path: '^src/revenue/' } } }`
  await copyFile(RULES_FILE, join(root, 'rules.cjs'))
  await writeFile(join(root, '.dependency-cruiser.cjs'), blind)
  const { faults } = await checkArchitecture(root)
  expect(faults).toEqual([expect.stringMatching(/^looked at 19 of 25 files; not at src\/revenue\//)])
})
