const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const TIME_LENGTH = 10
const FORM = /^[0-9A-HJKMNP-TV-Z]{26}$/

/** 48 bits of time (ms since 1970) and 80 random ones. Source: https://github.com/ulid/spec */
export function ulid(): string {
  let text = ''
  for (let rest = Date.now(), place = 0; place < TIME_LENGTH; place += 1) {
    text = ALPHABET.charAt(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  // 32 divides 256, so every character is as likely as any other.
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) text += ALPHABET.charAt(byte % 32)
  return text
}

/** When the id was made (ms since 1970); undefined when it is no ULID. */
export function timeOf(id: string | undefined): number | undefined {
  if (id === undefined || !FORM.test(id)) return undefined
  let time = 0
  for (const character of id.slice(0, TIME_LENGTH)) time = time * 32 + ALPHABET.indexOf(character)
  return time
}
