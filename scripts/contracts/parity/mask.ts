/** Members, parameters and header-like names whose text values open something. Counts such as `input_tokens` are none. */
const SECRET_NAME = '(?:[A-Za-z]+_)*(?:password|secret|token|api_key|endpoint_key)'
const SECRET_PARAMETER = new RegExp(`^${SECRET_NAME}$`)
/** In JSON text, which need not be valid JSON: what is recorded as malformed must stay as it was. */
const SECRET_MEMBER = new RegExp(`("${SECRET_NAME}"\\s*:\\s*")((?:[^"\\\\]|\\\\.)*)(?=")`, 'g')
const ESCAPES_AND_CHARACTERS = /\\u[0-9a-fA-F]{4}|\\.|[a-z]|[A-Z]|[0-9]/g
/** Says what kind of secret it is, and nothing of the secret. */
const PREFIX = /^(?:whsec_|sk[dp]_)/
/** Characters. Shorter values are no secrets, and stand in too many other places. */
const MIN_SECRET_LENGTH = 8

/** The same text to every schema (length, classes of characters, escapes), with every letter and digit the same. */
export function maskText(text: string): string {
  const [prefix = ''] = PREFIX.exec(text) ?? []
  const rest = text.slice(prefix.length).replace(ESCAPES_AND_CHARACTERS, (part) => {
    if (part.startsWith('\\')) return part
    return part <= '9' ? '0' : part <= 'Z' ? 'X' : 'x'
  })
  return prefix + rest
}

/** `Bearer …` keeps its scheme, so that what is malformed about a credential stays so. */
export function maskCredential(value: string): string {
  const [scheme = ''] = /^[A-Za-z]+ /.exec(value) ?? []
  return scheme + maskText(value.slice(scheme.length))
}

/** A function that masks the secrets of one exchange wherever they stand in its texts. */
export function createMask(
  params: Readonly<Record<string, string>>,
  texts: readonly string[],
): (text: string) => string {
  const secrets = new Set<string>()
  for (const [name, value] of Object.entries(params)) if (SECRET_PARAMETER.test(name)) secrets.add(value)
  for (const text of texts) for (const [, , value = ''] of text.matchAll(SECRET_MEMBER)) secrets.add(value)
  // The longest first: one secret may hold another.
  const known = [...secrets].filter((secret) => secret.length >= MIN_SECRET_LENGTH).sort((a, b) => b.length - a.length)
  return (text) => {
    const masked = text.replace(SECRET_MEMBER, (_, start: string, value: string) => start + maskText(value))
    return known.reduce((rest, secret) => rest.replaceAll(secret, maskText(secret)), masked)
  }
}
