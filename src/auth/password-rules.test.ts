import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ProblemError } from '../problem/problem.ts'
import { MIN_PASSWORD_LENGTH, requireGoodPassword } from './password-rules.ts'

const email = 'mira.stone@northwind.example'

function faultOf(password: string): string | null {
  try {
    requireGoodPassword(password, { email, pointer: '/body/new_password' })
    return null
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    expect(error.code).toBe('validation_failed')
    expect(error.errors?.[0]?.pointer).toBe('/body/new_password')
    return error.errors?.[0]?.code ?? ''
  }
}

test.each([
  'seven green kettles sing',
  'korrekt Pferd Batterie',
  '            x  y  z',
  'hlbqvmpzrtwk',
  'ПарольНеПростой',
  'パスワードは長いほうがいいです',
  `${'a'.repeat(200)}bcd`,
])('%j is good: no kind of character is asked for', (password) => {
  expect(faultOf(password)).toBeNull()
})

test.each([
  ['elevenchars', 'minLength'],
  ['👍👍👍👍👍👍', 'minLength'],
  [email, 'email'],
  [email.toUpperCase(), 'email'],
  ['Mira.Stone2026!', 'email'],
  ['passwordpassword', 'guessable'],
  ['Password2026!!', 'guessable'],
  ['P@ssw0rd1234', 'guessable'],
  ['administrator', 'guessable'],
  ['123456789012', 'guessable'],
  ['987654321098', 'guessable'],
  ['qwertyuiopas', 'guessable'],
  ['aaaaaaaaaaaa', 'guessable'],
  ['abababababab', 'guessable'],
  ['ｐａｓｓｗｏｒｄ２０２６', 'guessable'],
])('%j is not: %s', (password, code) => {
  expect(faultOf(password)).toBe(code)
})

test('the length is that of the contract', () => {
  const document = JSON.parse(readFileSync(new URL('../../generated/openapi.json', import.meta.url), 'utf8'))
  const { minLength } = document.components.schemas.PasswordChange.properties.new_password
  expect(MIN_PASSWORD_LENGTH).toBe(minLength)
})
