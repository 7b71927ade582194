import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { printDatabase } from '../../scripts/generate/database.ts'
import { generate } from '../../scripts/generate.ts'
import { createTestDatabase } from '../support/database.ts'

const root = join(import.meta.dirname, '../..')

test('what contract, maps, console, snippet and docs generate is what is committed', async () => {
  const { changed, timings } = await generate({ check: true, skipDatabase: true, force: true })
  expect(changed).toEqual([])
  expect(Object.keys(timings)).toEqual(['contract', 'field-maps', 'console', 'snippet', 'docs'])
})

test('what the migrations generate is what is committed', async () => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const files = await printDatabase(database.migrationUrl)
  expect([...files.keys()]).toEqual(['generated/database.ts', 'generated/grants.ts', 'generated/schema.sql'])
  for (const [path, content] of files) expect(readFileSync(join(root, path), 'utf8'), path).toBe(content)
})
