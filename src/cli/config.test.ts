import { expect, test } from 'vitest'
import { explainConfig } from './config.ts'

const KEY = Buffer.alloc(32, 7).toString('base64')
const DATABASE_URL = 'postgres://app_user:hunter22@db.test/skel?sslpassword=hunter22'

function row(env: Record<string, string>, name: string, local: Record<string, string> = {}) {
  return explainConfig(env, local).settings.find((setting) => setting.name === name)
}

test('says of each value where it came from', () => {
  const env = { DATABASE_URL, SKELDIR_MASTER_KEY: KEY, PORT: '9000', HOST: '' }
  expect(row(env, 'PORT')).toMatchObject({ value: '9000', source: 'environment' })
  expect(row(env, 'HOST')).toMatchObject({ value: '127.0.0.1', source: 'default' })
  expect(row(env, 'SKELDIR_PUBLIC_URL')).toMatchObject({ value: 'http://127.0.0.1:9000', source: 'derived' })
  expect(row(env, 'WORKER_DATABASE_URL')).toMatchObject({ source: 'derived' })
  expect(row(env, 'MIGRATION_DATABASE_URL')).toMatchObject({ value: null, source: 'not set' })
})

test('takes the platform of the checkout where the environment is silent, or says an empty value', () => {
  const local = { DATABASE_URL, SKELDIR_MASTER_KEY: KEY }
  expect(row({ DATABASE_URL: '' }, 'DATABASE_URL', local)).toMatchObject({ source: 'local platform' })
  expect(explainConfig({}, local).faults).toEqual([])
})

test('shows no secret, in no place of the output', () => {
  const env = { DATABASE_URL, SKELDIR_MASTER_KEY: KEY, MIGRATION_DATABASE_URL: DATABASE_URL }
  const shown = JSON.stringify(explainConfig(env))
  expect(shown).not.toContain('hunter22')
  expect(shown).not.toContain(KEY.slice(0, 10))
  expect(row(env, 'DATABASE_URL')?.value).toBe('postgres://app_user:***@db.test/skel?sslpassword=***')
  expect(row(env, 'SKELDIR_MASTER_KEY')?.value).toMatch(/^[0-9a-f]{16}$/)
})

test('lists all faults beside what is in effect, and names that nobody reads', () => {
  const { settings, faults, unknown } = explainConfig({
    PORT: '-1',
    SKELDIR_MASTER_KEY: 'short',
    SKELDIR_PUBLC_URL: 'x',
  })
  expect(faults).toHaveLength(3)
  expect(settings.length).toBeGreaterThan(5)
  expect(JSON.stringify(settings)).not.toContain('short')
  expect(unknown).toEqual(['SKELDIR_PUBLC_URL'])
})
