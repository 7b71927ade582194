import { ProblemError } from '../problem/problem.ts'

/** Characters. NIST SP 800-63B-4, 3.1.1.2, wants length and asks for no kinds of characters; so does the contract. */
export const MIN_PASSWORD_LENGTH = 12

/**
 * Of the passwords that are guessed first, those that are long enough to be chosen here, without digits at the end and in
 * lower case; the lists of leaked passwords are full of them. Source: the heads of public lists such as SecLists.
 */
const GUESSED_FIRST: ReadonlySet<string> = new Set([
  'administrator',
  'changeme',
  'changemeplease',
  'changemenow',
  'correcthorsebatterystaple',
  'iloveyou',
  'iloveyouforever',
  'iloveyousomuch',
  'letmein',
  'letmeinplease',
  'letmeinnow',
  'mypassword',
  'p@ssw0rd',
  'p@ssword',
  'passw0rd',
  'password',
  'passwordpassword',
  'passwort',
  'princess',
  'qazwsxedc',
  'qazwsxedcrfv',
  'qwerty',
  'qwertyqwerty',
  'qwertyuiop',
  'qwertyuiopasdfghjkl',
  'asdfghjkl',
  'asdfghjklzxcvbnm',
  'zxcvbnm',
  'secret',
  'secretpassword',
  'skeldir',
  'skeldirskeldir',
  'skeldirpassword',
  'superman',
  'supersecret',
  'sunshine',
  'thisismypassword',
  'welcome',
  'welcomehome',
  'whatever',
  'yourpassword',
])
const ROWS = [
  '01234567890123456789',
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiopasdfghjklzxcvbnm',
  '1q2w3e4r5t6y7u8i9o0p',
]

/** Throws `validation_failed` unless the password may be a new one of this account. */
export function requireGoodPassword(password: string, place: { email: string; pointer: string }): void {
  const fault = findPasswordFault(password, place)
  if (fault !== undefined) throw fault
}

/**
 * `validation_failed` about the member `pointer` of the request unless the password is long enough, not the address of
 * the account, and not among those that are guessed first.
 */
export function findPasswordFault(
  password: string,
  { email, pointer }: { email: string; pointer: string },
): ProblemError | undefined {
  const fault = findFault(password.normalize('NFKC'), email)
  if (fault === undefined) return undefined
  return new ProblemError('validation_failed', 'The request breaks the contract at 1 place.', {
    errors: [{ pointer, ...fault }],
  })
}

function findFault(password: string, email: string): { code: string; detail: string } | undefined {
  const text = password.toLowerCase()
  const [local = ''] = email.split('@')
  if ([...password].length < MIN_PASSWORD_LENGTH)
    return { code: 'minLength', detail: `must NOT have fewer than ${MIN_PASSWORD_LENGTH} characters` }
  if (text === email || withoutTail(text) === local) return { code: 'email', detail: 'must NOT be the e-mail address' }
  if (isGuessedFirst(text))
    return { code: 'guessable', detail: 'must NOT be one of the passwords that are guessed first' }
  return undefined
}

function isGuessedFirst(text: string): boolean {
  if (new Set(text).size < 4) return true
  if (ROWS.some((row) => row.includes(text) || [...row].reverse().join('').includes(text))) return true
  return GUESSED_FIRST.has(text) || GUESSED_FIRST.has(withoutTail(text))
}

/** `Password2026!!` is `password`. */
function withoutTail(text: string): string {
  // By hand: /[^a-z@]+$/ begins anew at each character of a run that a letter ends.
  let end = text.length
  while (end > 0 && !/[a-z@]/.test(text.charAt(end - 1))) end -= 1
  return text.slice(0, end)
}
