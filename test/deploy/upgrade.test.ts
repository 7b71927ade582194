import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { type Apart, run, startApart } from '../support/apart.ts'
import { createTestDatabase } from '../support/database.ts'
import { until } from '../support/platform.ts'
import { root } from './files.ts'

/** How far back it is looked for. */
const MAX_COMMITS = 500

/** A commit, or why there is none. `isFault`: there ought to be one. */
type Previous = { commit: string } | { commit: null; why: string; isFault: boolean }

/**
 * The last commit before this state of the tree that has another schema, one that ours goes on from: what could have been
 * released. A repository that has its history and none of that kind has edited a migration that was released.
 */
function findPrevious(folder = root): Previous {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8', stdio: 'pipe' })
      .trim()
      .split('\n')
  let commits: string[]
  try {
    commits = git('rev-list', `--max-count=${MAX_COMMITS}`, 'HEAD')
  } catch {
    return { commit: null, why: 'there is no git or no repository here', isFault: false }
  }
  const names = readdirSync(join(folder, 'migrations')).sort()
  const hashes = git('hash-object', ...names.map((name) => `migrations/${name}`))
  const ours = new Set(names.map((name, index) => `${hashes[index]}\tmigrations/${name}`))
  const found = commits.find((commit) => {
    const theirs = git('ls-tree', '--format=%(objectname)%x09%(path)', commit, 'migrations/')
    return theirs.length < ours.size && theirs.every((line) => ours.has(line))
  })
  if (found !== undefined) return { commit: found }
  const isShallow = git('rev-parse', '--is-shallow-repository')[0] === 'true'
  if (isShallow) return { commit: null, why: 'this clone is shallow: git fetch --unshallow', isFault: false }
  const why = `none of ${commits.length} commits has a schema that ours goes on from`
  return { commit: null, why, isFault: commits.length > 1 && commits.length < MAX_COMMITS }
}

const previous = findPrevious()
if (previous.commit === null) console.warn(`THE UPGRADE IS NOT TESTED: ${previous.why}`)

/** Its sources beside ours, with our packages: what it needs of them is part of the lock file of both. */
function checkOut(commit: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-previous-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const archive = execFileSync(
    'git',
    ['-C', root, 'archive', commit, 'src', 'generated', 'migrations', 'package.json'],
    {
      maxBuffer: 2 ** 28,
    },
  )
  execFileSync('tar', ['-x', '-C', folder], { input: archive })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

describe('what counts as the last release', () => {
  const git = (folder: string, ...args: string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@example.test', ...args], {
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim()

  /** A repository with a commit for each state of its migrations, by number and content. */
  function givenRepository(...states: Record<string, string>[]): { folder: string; commits: string[] } {
    const folder = mkdtempSync(join(tmpdir(), 'skeldir-history-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    git(folder, 'init', '--quiet')
    mkdirSync(join(folder, 'migrations'))
    const commits = states.map((files) => {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'migrations', name), text)
      git(folder, 'add', '.')
      git(folder, 'commit', '--quiet', '--allow-empty', '--message=a')
      return git(folder, 'rev-parse', 'HEAD')
    })
    return { folder, commits }
  }

  test('the newest commit with fewer migrations, all as they are now', () => {
    const { folder, commits } = givenRepository({ '1.sql': 'a' }, {}, { '2.sql': 'b' }, {})
    expect(findPrevious(folder)).toEqual({ commit: commits[1] })
    writeFileSync(join(folder, 'migrations', '3.sql'), 'c')
    expect(findPrevious(folder)).toEqual({ commit: commits[3] })
  })

  test('with history and without one it is a fault', () => {
    const { folder } = givenRepository({ '1.sql': 'a' }, { '1.sql': 'edited', '2.sql': 'b' })
    expect(findPrevious(folder)).toMatchObject({ commit: null, isFault: true })
  })

  test('a shallow clone, one commit and no repository are none', () => {
    const { folder } = givenRepository({ '1.sql': 'a' }, { '2.sql': 'b' })
    const clone = join(folder, 'clone')
    git(folder, 'clone', '--quiet', '--depth=1', `file://${folder}`, clone)
    expect(findPrevious(clone)).toEqual({ commit: null, why: expect.stringContaining('shallow'), isFault: false })
    expect(findPrevious(givenRepository({ '1.sql': 'a' }).folder)).toMatchObject({ commit: null, isFault: false })
    rmSync(join(folder, '.git'), { recursive: true })
    expect(findPrevious(folder)).toMatchObject({ commit: null, isFault: false })
  })

  test('CI clones with the history', () => {
    const { jobs } = parse(readFileSync(join(root, '.github/workflows/ci.yml'), 'utf8')) as {
      jobs: { ci: { steps: { uses?: string; with?: object }[] } }
    }
    const checkout = jobs.ci.steps.find(({ uses }) => uses?.startsWith('actions/checkout@'))
    expect(checkout?.with).toMatchObject({ 'fetch-depth': 0 })
  })

  test.runIf(process.env.CI)('it is here, where the history is', () => {
    expect(previous).not.toMatchObject({ isFault: true })
  })
})

test('the last release and this one serve one database together while one takes the place of the other', async ({
  skip,
}) => {
  if (previous.commit === null) return skip(previous.why)
  const old = checkOut(previous.commit)
  const database = await createTestDatabase({ empty: true })
  onTestFinished(database.drop)
  const env = {
    DATABASE_URL: database.urlOf('app_user'),
    MIGRATION_DATABASE_URL: database.migrationUrl,
    SKELDIR_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    PORT: '0',
  }
  const command = async (cwd: string, ...args: string[]) => {
    const { status, stdout, stderr } = await run(['src/cli/main.ts', ...args], { cwd, env })
    if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`)
    return stdout
  }
  const start = async (cwd: string, name: string, ready: RegExp) => {
    const one = await startApart(['src/cli/main.ts', name], ready, { cwd, env })
    onTestFinished(one.kill)
    return one
  }
  const startBoth = (cwd: string) =>
    Promise.all([start(cwd, 'serve', /listening on (http:\S+)/), start(cwd, 'worker', /takes jobs/)])

  // Before: the last release alone.
  await command(old, 'migrate')
  const provision = ['--slug', 'northwind', '--name', 'Northwind', '--currency', 'USD', '--time-zone', 'UTC']
  await command(old, 'admin', 'create-tenant', ...provision)
  const made = await command(
    old,
    'admin',
    ...['create-api-key', '--tenant', 'northwind', '--name', 'shop', '--scope', 'events:write', '--json'],
  )
  const { api_key: apiKey } = JSON.parse(made) as { api_key: string }
  const [oldApi, oldWorker] = await startBoth(old)
  let sent = 0
  const expectServed = async (...apis: Apart[]) => {
    for (const { told } of apis) {
      await until(
        () =>
          fetch(`${told}/health/ready`).then(async (answer) => ({
            status: answer.status,
            text: await answer.text(),
          })),
        ({ status }) => status === 200,
      )
      await sendTouchpoint(told, apiKey)
      sent += 1
    }
    // A job that is queued by either is done by whichever is there, and asked about over either.
    for (const { told } of apis) {
      await until(
        () => fetch(`${told}/health/worker`).then(({ status }) => status),
        (status) => status === 200,
      )
    }
    expect(await readState(database.adminUrl)).toMatchObject({ touchpoints: sent })
    await until(
      () => readState(database.adminUrl),
      ({ jobs }) => jobs === 0,
      40_000,
    )
    expect(await readState(database.adminUrl)).toMatchObject({ failed: 0 })
  }
  await expectServed(oldApi)

  // The schema first, while the last release serves; then workers, then the API: as the guide has it.
  await command(root, 'migrate')
  await expectServed(oldApi)
  const newWorker = await start(root, 'worker', /takes jobs/)
  await expectServed(oldApi)
  expect(await oldWorker.stop()).toBe(0)
  const newApi = await start(root, 'serve', /listening on (http:\S+)/)
  await expectServed(oldApi, newApi)
  expect(await oldApi.stop()).toBe(0)
  await expectServed(newApi)

  // And the way back, should it be needed: the last release's code on the schema of now.
  const [backApi] = await startBoth(old)
  expect(await newWorker.stop()).toBe(0)
  await expectServed(backApi, newApi)
}, 120_000)

async function sendTouchpoint(url: string, apiKey: string): Promise<void> {
  const touchpoint = {
    event_id: randomUUID(),
    visitor_id: '01K9Z3J5W8Q2Y6T4R1M7N0B5VC',
    occurred_at: new Date().toISOString(),
    channel: 'email',
  }
  const answer = await fetch(`${url}/api/events/touchpoints`, {
    method: 'POST',
    headers: { 'x-skeldir-tenant-key': apiKey, 'content-type': 'application/json' },
    body: JSON.stringify({ touchpoints: [touchpoint] }),
  })
  if (!answer.ok) throw new Error(`a touchpoint was answered ${answer.status}: ${await answer.text()}`)
}

async function readState(adminUrl: string): Promise<{ touchpoints: number; jobs: number; failed: number }> {
  const client = new pg.Client({ connectionString: adminUrl })
  await client.connect()
  try {
    const { rows } = await client.query(
      `select (select count(*)::integer from touchpoints) as touchpoints,
              count(*) filter (where name = 'attribution' and state < 'completed')::integer as jobs,
              count(*) filter (where name like '%\\_dead' or state = 'failed')::integer as failed
       from pgboss.job`,
    )
    return rows[0]
  } finally {
    await client.end()
  }
}
