import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { operations } from '../../generated/operations.ts'
import { replies, requests } from '../../generated/validators.js'
import packageJson from '../../package.json' with { type: 'json' }
import { GUIDE_GROUPS } from '../../scripts/docs/guides.ts'
import { RETENTION_RULES } from '../../src/tenants/retention/rules.ts'
import { schemaErrors } from './schema.ts'

type Validator = { (value: unknown): boolean; errors?: unknown }

const FOLDER = new URL('../../api-contracts/guides/', import.meta.url)
const guides = readdirSync(FOLDER).map((name) => ({ name, text: readFileSync(new URL(name, FOLDER), 'utf8') }))
const blocks = guides.flatMap(({ name, text }) =>
  [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', source = '']) => ({ name, info, source })),
)
const paths = Object.values(operations).map(
  ({ method, path }) => [method, new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/?\\s]+')}$`)] as const,
)

test('each guide is in one group of the menu, and begins with a title and a paragraph', () => {
  const listed = GUIDE_GROUPS.flatMap(({ names }) => names)
  expect(guides.map(({ name }) => name.slice(0, -3)).sort()).toEqual([...listed].sort())
  for (const { name, text } of guides) expect(text, name).toMatch(/^# \S.*\n\n\S/)
})

test('the table of the retention names every table that has a rule, and what becomes of its rows', () => {
  const [, section = ''] =
    /^## Retention\n([\s\S]*?)^## /m.exec(guides.find(({ name }) => name === 'operator.md')?.text ?? '') ?? []
  const told = [...section.matchAll(/^\|[^|]*\|([^|]*`[^|]*)\|[^|]*\| (\w+)/gm)].flatMap(([, tables = '', becomes]) =>
    [...tables.matchAll(/`(\w+)`/g)].map(([, table]) => `${table} ${becomes}`),
  )
  expect(told.sort()).toEqual(RETENTION_RULES.map(({ item, does }) => `${item} ${does}`).sort())
})

test('every JSON block is JSON, and valid by what it says it is', () => {
  const json = blocks.filter(({ info }) => info.startsWith('json'))
  expect(json.length).toBeGreaterThan(8)
  for (const { name, info, source } of json) {
    const value: unknown = JSON.parse(source)
    const [, kind, what = '', status] = /^json (request|reply|schema)=(\w+)(?:\.(\d+))?$/.exec(info) ?? []
    if (kind === 'schema') expect(schemaErrors(what, value), `${name}: ${info}`).toEqual([])
    else if (kind !== undefined) {
      const validate = kind === 'request' ? requestValidator(what) : replyValidator(what, Number(status))
      expect(validate(value), `${name}: ${info} ${JSON.stringify(validate.errors)}`).toBe(true)
    } else expect(info, name).toBe('json')
  }
})

function requestValidator(id: string): Validator {
  const { body } = (requests as unknown as Record<string, { body: Validator | null }>)[id] ?? {}
  if (body === undefined || body === null) throw new Error(`${id} takes no body`)
  return body
}

function replyValidator(id: string, status: number): Validator {
  const found = (replies as unknown as Record<string, Record<number, Record<string, Validator>>>)[id]?.[status]
  const validate = found?.['application/json']
  if (validate === undefined) throw new Error(`${id} has no JSON answer ${status}`)
  return validate
}

test('every path in a guide is one of the contract, with a method that it has', () => {
  const faults: string[] = []
  for (const { name, text } of guides) {
    for (const [, method, path = ''] of text.matchAll(
      /(?:\b(GET|POST|PUT|PATCH|DELETE) )?(?:https?:\/\/localhost:\d+)?(\/(?:api|health|metrics)\/[\w/{}<> $.-]*[\w}>])/g,
    )) {
      const [own = ''] = path.split(/[\s?]/)
      const exists = paths.some(
        ([verb, template]) => template.test(own) && (method === undefined || verb === method.toLowerCase()),
      )
      if (!exists && !own.includes('<') && !path.includes('<')) faults.push(`${name}: ${method ?? ''} ${own}`)
    }
  }
  expect(faults).toEqual([])
})

test('curl samples use a method that the path has, and a body that its operation takes', () => {
  const faults: string[] = []
  let bodies = 0
  for (const { name, source } of blocks.filter(({ info }) => info === 'sh')) {
    for (const command of source.replaceAll('\\\n', ' ').split('\n')) {
      const path = /curl .*?https?:\/\/localhost:\d+(\/[^\s'"?]*)/.exec(command)?.[1]
      if (path === undefined) continue
      const data = / -d '(.*?)'/.exec(command)?.[1]
      const method = (/ -X (\w+)/.exec(command)?.[1] ?? 'GET').toLowerCase()
      const row = Object.entries(operations).find(
        ([, each]) => each.method === method && new RegExp(`^${each.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path),
      )
      if (row === undefined) faults.push(`${name}: ${method} ${path}`)
      else if (data !== undefined) {
        bodies += 1
        if (!requestValidator(row[0])(JSON.parse(data))) faults.push(`${name}: ${data}`)
      }
    }
  }
  expect(faults).toEqual([])
  expect(bodies).toBeGreaterThan(1)
})

test('no command is promised that does not exist', async () => {
  const help = readFileSync(new URL('../../src/cli/main.ts', import.meta.url), 'utf8')
  const faults: string[] = []
  for (const { name, text } of guides) {
    for (const [, script = ''] of text.matchAll(/\bnpm run ([\w:-]+)/g))
      if (!Object.hasOwn(packageJson.scripts, script)) faults.push(`${name}: npm run ${script}`)
    for (const [, command = ''] of text.matchAll(/\bnpx skeldir ([a-z][\w-]*)/g))
      if (!new RegExp(`^  '?${command}'?: \\{$`, 'm').test(help)) faults.push(`${name}: npx skeldir ${command}`)
  }
  expect(faults).toEqual([])
})

test('what looks like an operation in a guide is one', () => {
  const verbs =
    /^(?:get|list|create|delete|update|upsert|resolve|replay|rotate|request|receive|ingest|compare|export|invite|accept|remove|revoke|redrive|trigger|initiate|complete|disconnect|verify|shopify|stripe|paypal|woocommerce)[A-Z]\w+$/
  // Functions of the client, and what is on its objects.
  const others = new Set(['createClient'])
  const faults: string[] = []
  for (const { name, text } of guides) {
    const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '')
    for (const [, word = ''] of prose.matchAll(/`(\w+)`/g))
      if (verbs.test(word) && !others.has(word) && !Object.hasOwn(operations, word)) faults.push(`${name}: ${word}`)
    for (const [, id = ''] of text.matchAll(/<!--state:(\w+)-->/g))
      if (!Object.hasOwn(operations, id)) faults.push(`${name}: ${id}`)
    for (const [, id = ''] of text.matchAll(/\bapi\.(\w+)\(/g))
      if (!Object.hasOwn(operations, id) && !['pages', 'iterate'].includes(id)) faults.push(`${name}: api.${id}`)
  }
  expect(faults).toEqual([])
})

test('every TypeScript block compiles against the client, as it stands', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir guides '))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'node_modules/@skeldir'), { recursive: true })
  const client = fileURLToPath(new URL('../../generated/client', import.meta.url))
  symlinkSync(client, join(folder, 'node_modules/@skeldir/client'), 'junction')
  const samples = blocks.filter(({ info }) => info === 'ts')
  expect(samples.length).toBeGreaterThan(5)
  for (const [index, { name, source }] of samples.entries())
    writeFileSync(join(folder, `${name.replace('.md', '')}-${index}.ts`), source)
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: 'es2022',
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: ['es2024', 'dom', 'dom.iterable'],
    types: [],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  const tsc = fileURLToPath(new URL('../../node_modules/typescript7/bin/tsc', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder], { cwd: folder }).catch(
    (error: { stdout: string }) => error,
  )
  expect(stdout).toBe('')
})
