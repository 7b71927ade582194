import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { operations } from '../../generated/operations.ts'
import { problems } from '../../generated/problems.ts'
import { anchorsOf, linksOfHtml, linksOfMarkdown } from './portal.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/docs/build.ts', import.meta.url))

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

function build(...args: string[]): Promise<Ended> {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, [SCRIPT, ...args])
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk) => (output[name] += String(chunk)))
    child.on('error', reject).on('close', (code) => done({ code, ...output }))
  })
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir docs '))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      resolve(entry.parentPath, entry.name)
        .slice(resolve(folder).length + 1)
        .replaceAll('\\', '/'),
    )
}

test('writes the whole portal, every link relative and alive', async () => {
  const folder = join(temporaryFolder(), 'site')
  const { code, stdout, stderr } = await build('--out', folder)
  expect([code, stdout], stderr).toEqual([0, `${folder}\n`])
  expect(stderr).toMatch(/\d+ files/)
  const files = new Set(listFiles(folder))
  for (const id of Object.keys(operations))
    for (const end of ['html', 'md']) expect(files).toContain(`operations/${id}.${end}`)
  for (const problem of Object.keys(problems)) expect(files).toContain(`problems/${problem}.html`)
  for (const name of ['index.html', 'reference.html', 'openapi.json', 'llms.txt', '.well-known/api-catalog'])
    expect(files).toContain(name)
  expect(faultsIn(folder, files)).toEqual([])
  const openapi = JSON.parse(readFileSync(join(folder, 'openapi.json'), 'utf8'))
  expect(openapi.servers).toEqual([{ url: 'http://localhost:8000', description: 'The API.' }])
  expect(openapi.paths['/health/live'].get['x-implementation']).toBe('real')
})

function faultsIn(folder: string, files: ReadonlySet<string>): string[] {
  const faults: string[] = []
  for (const name of files) {
    if (!/\.(?:html|md|txt)$/.test(name)) continue
    const text = readFileSync(join(folder, name), 'utf8')
    if (/<!--(?:state|count|mocks|main|title)/.test(text)) faults.push(`${name} has a slot left`)
    const links = name.endsWith('.html') ? linksOfHtml(text) : linksOfMarkdown(text)
    for (const link of links) {
      if (/^https:\/\/(?:www\.rfc-editor|datatracker\.ietf)\.org\//.test(link)) continue
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? name : posix.join(posix.dirname(name), path)
      if (/^(?:\/|\w+:)/.test(link)) faults.push(`${name} leads to ${link}, which is absolute`)
      else if (!files.has(target)) faults.push(`${name} leads to ${link}, which does not exist`)
      else if (anchor !== undefined && target !== 'reference.html') {
        if (!anchorsOf(readFileSync(join(folder, target), 'utf8')).has(anchor)) faults.push(`${name} leads to ${link}`)
      } else if (anchor !== undefined && !/^tag\/\w+\/operation\/\w+$/.test(anchor)) faults.push(`${name}: ${link}`)
    }
    if (name.endsWith('.html')) {
      if (!text.includes('<meta http-equiv="Content-Security-Policy"')) faults.push(`${name} has no policy`)
      if (/<style|<script(?! src="[\w.]+")|\sstyle=/.test(text.replaceAll(/<pre[\s\S]*?<\/pre>/g, '')))
        faults.push(`${name} has an inline style or script`)
    }
  }
  return faults
}

test('addresses are absolute where programs are told the base', async () => {
  const folder = join(temporaryFolder(), 'site')
  const base = 'https://docs.example/skeldir/'
  expect((await build('--out', folder, '--base', base, '--api', 'https://api.example/')).code).toBe(0)
  const { linkset } = JSON.parse(readFileSync(join(folder, '.well-known/api-catalog'), 'utf8'))
  expect(linkset[0].anchor).toBe('https://api.example')
  expect(linkset[0]['service-desc'][0].href).toBe('https://docs.example/skeldir/openapi.json')
  expect(linkset[0].status[0].href).toBe('https://api.example/health/ready')
  const links = linksOfMarkdown(readFileSync(join(folder, 'llms.txt'), 'utf8'))
  expect(links.length).toBeGreaterThan(100)
  for (const link of links) expect(existsSync(join(folder, link.replace(base, '')))).toBe(true)
})

test('a folder of somebody else is refused; an earlier build is replaced, and nothing beside it', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'thesis.txt'), 'years of work')
  const refused = await build('--out', folder)
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('is not empty')
  expect(readdirSync(folder)).toEqual(['thesis.txt'])

  const site = join(folder, 'site')
  expect((await build('--out', site)).code).toBe(0)
  const manifest = join(site, '.skeldir-docs.json')
  const { files } = JSON.parse(readFileSync(manifest, 'utf8')) as { files: string[] }
  writeFileSync(join(site, 'old.html'), 'of an earlier build')
  writeFileSync(join(site, 'own.html'), 'put there by hand')
  writeFileSync(manifest, JSON.stringify({ files: [...files, 'old.html', '../thesis.txt'] }))
  expect((await build('--out', site)).code).toBe(0)
  expect(existsSync(join(site, 'old.html'))).toBe(false)
  expect(existsSync(join(site, 'own.html'))).toBe(true)
  expect(readFileSync(join(folder, 'thesis.txt'), 'utf8')).toBe('years of work')
})

test('options are explained, and wrong ones are named', async () => {
  const help = await build('--help')
  expect([help.code, help.stderr]).toEqual([0, ''])
  for (const option of ['--out', '--api', '--base']) expect(help.stdout).toContain(option)
  for (const [args, text] of [
    [['--nope'], '--nope'],
    [['--api', 'ftp://files.test'], '--api must be an http'],
    [['--base', 'docs.example'], '--base must be an http'],
  ] as const) {
    const { code, stdout, stderr } = await build(...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(text)
  }
})
