/**
 * The web origin that `text` names, in its one canonical form: scheme and host in lower case, the host in punycode, no
 * default port (`https://shop.example:8443`). Null for everything else, such as `null`, a path, a list or a wildcard.
 * Source: https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
 */
export function toOrigin(text: string): string | null {
  // The parser would forgive white space, backslashes, credentials, asterisks and commas.
  if (!/^https?:\/\/[^\s/?#\\@*,]+$/i.test(text)) return null
  return URL.parse(text)?.origin ?? null
}
