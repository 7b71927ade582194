/*
 * The last line against a slip: what looks like a secret or an address of a person is taken out of a text that is about to
 * be written down. Nothing may rely on it, since it knows only what it has a pattern for.
 */

/** Each pattern is linear, and stands on a fixed beginning or on a sign that is rare in text. */
const PATTERNS: readonly [RegExp, string][] = [
  [/\b(postgres(?:ql)?|https?):\/\/([^\s:/@]{0,255}):[^\s@/]{1,255}@/g, '$1://$2:[redacted]@'],
  [/\b(bearer|basic) +[\w.~+/=-]{8,}/gi, '$1 [redacted]'],
  [/(^|[^\w-])eyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*/g, '$1[token]'],
  [/\bskd_[A-Za-z0-9-][\w-]{19,}/g, '[key]'],
  [/\b(?:whsec|sk_live|sk_test|rk_live|rk_test|shpat|shpss)_\w{8,}/g, '[secret]'],
  [/[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}/g, '[email]'],
]

export function redact(text: string): string {
  return PATTERNS.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), text)
}
