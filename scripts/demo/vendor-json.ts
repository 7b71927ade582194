// JSON in the vendors' own byte styles: what is signed is bytes, so a platform that signs a re-serialised body is caught.

interface RawJson {
  rawJSON(text: string): unknown
}

/** A number written digit for digit; Shopify's ids exceed 2^53, which a JavaScript number cannot hold. */
export function rawNumber(digits: bigint): unknown {
  return (JSON as unknown as RawJson).rawJSON(String(digits))
}

/** Two spaces, and empty containers broken over two lines. */
export function stripeJson(value: unknown): Buffer {
  const text = JSON.stringify(value, null, 2).replace(
    /^( *)((?:"(?:[^"\\]|\\.)*": )?)(\[\]|\{\})(,?)$/gm,
    (_, indent: string, key: string, empty: string, comma: string) =>
      `${indent}${key}${empty[0]}\n${indent}${empty[1]}${comma}`,
  )
  return Buffer.from(text)
}

/** Compact, with every slash escaped. */
export function shopifyJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value).replaceAll('/', '\\/'))
}

/** `1999` in cents is `19.99`. */
export function decimalAmount(minor: bigint): string {
  const digits = String(minor).padStart(3, '0')
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/** Shopify writes times in the shop's own offset; this shop stands at UTC-5 all year. */
export function shopTime(at: number): string {
  return `${new Date(at - 5 * 3_600_000).toISOString().slice(0, 19)}-05:00`
}
