import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { copyFolder, findTools, makeCluster, makeFolder, openInstallation } from './cluster.ts'
import { fillCluster, goOn, prepareRoles, readFingerprint, type Shop } from './shop.ts'

const bin = findTools()
if (bin === null)
  console.warn('pg_basebackup AND pg_dump ARE NOT TESTED: there is no whole PostgreSQL in /usr/lib/postgresql')

/** What the guide promises of every way to back up: the same books, and processes that go on with them. */
async function expectRestored(adminUrl: string, shop: Shop, fingerprint: Record<string, string>): Promise<void> {
  expect(fingerprint).toMatchObject({ ledger_entries: expect.stringMatching(/^[1-9]/) })
  expect(await readFingerprint(adminUrl)).toEqual(fingerprint)
  const { before, again, after } = await goOn(adminUrl, shop)
  expect(again).toBe(before)
  expect(after).toBeGreaterThan(before)
}

test('a copy of the folder of the packaged Postgres, made while it stands still, is the same on another port', async () => {
  const folder = makeFolder(onTestFinished)
  const start = async (name: string) => {
    const server = await startEmbeddedPostgres({ dataDir: join(folder, name, 'data'), settings: 'test' })
    onTestFinished(server.stop)
    return server
  }
  const original = await start('original')
  const shop = await fillCluster(original.adminUrl)
  const fingerprint = await readFingerprint(original.adminUrl)
  await original.stop()
  copyFolder(join(folder, 'original'), join(folder, 'copy'))
  // The original goes on: what happens there is not in the copy.
  const back = await start('original')
  await goOn(back.adminUrl, shop)

  const copy = await start('copy')
  expect(copy.port).not.toBe(back.port)
  await expectRestored(copy.adminUrl, shop, fingerprint)
})

test.skipIf(bin === null)('pg_basebackup of a running server is the same on another port', async () => {
  const folder = makeFolder(onTestFinished)
  const postgres = openInstallation(bin as string, folder, onTestFinished)
  const original = await postgres.start(makeCluster(postgres, 'original'))
  const shop = await fillCluster(original.adminUrl)
  const fingerprint = await readFingerprint(original.adminUrl)
  const target = postgres.makeOwn('backup')
  postgres.run('pg_basebackup', [`--dbname=${original.adminUrl}`, `--pgdata=${target}`, '--checkpoint=fast'])

  const restored = await postgres.start(target)
  await expectRestored(restored.adminUrl, shop, fingerprint)
})

test.skipIf(bin === null)('pg_dump into a new cluster that has the roles is the same', async () => {
  const folder = makeFolder(onTestFinished)
  const postgres = openInstallation(bin as string, folder, onTestFinished)
  const original = await postgres.start(makeCluster(postgres, 'original'))
  const shop = await fillCluster(original.adminUrl)
  const fingerprint = await readFingerprint(original.adminUrl)
  const file = join(postgres.makeOwn('dumps'), 'skeldir.dump')
  const database = (adminUrl: string) => `--dbname=${adminUrl.replace(/postgres$/, 'skeldir')}`
  postgres.run('pg_dump', ['--format=custom', `--file=${file}`, database(original.adminUrl)])

  const other = await postgres.start(makeCluster(postgres, 'other'))
  await prepareRoles(other.adminUrl, shop.secrets)
  postgres.run('pg_restore', ['--exit-on-error', '--single-transaction', database(other.adminUrl), file])
  await expectRestored(other.adminUrl, shop, fingerprint)
})
