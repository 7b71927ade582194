import { expect, test } from 'vitest'
import { withPlans } from './boss.ts'

test.each([
  ['postgres://u@h/d', '-c enable_nestloop=off'],
  ['postgres://u@h/d?options=-c%20search_path%3Dx&sslmode=require', '-c search_path=x -c enable_nestloop=off'],
])('the options of the connection stay: %s', (databaseUrl, options) => {
  const { searchParams } = new URL(withPlans(databaseUrl))
  expect(searchParams.get('options')).toBe(options)
  expect(searchParams.get('sslmode')).toBe(new URL(databaseUrl).searchParams.get('sslmode'))
})
