// JSON in the vendors' own byte styles: what is signed is bytes, so a platform that signs a re-serialised body is caught.

interface RawJson {
  rawJSON(text: string): unknown
}

/** A number written digit for digit; Shopify's ids exceed 2^53, which a JavaScript number cannot hold. */
export function rawNumber(digits: bigint): unknown {
  return (JSON as unknown as RawJson).rawJSON(String(digits))
}

/** Two spaces, an empty object broken over two lines and an empty array over three: so are the lengths of real deliveries. */
export function stripeJson(value: unknown): Buffer {
  const text = JSON.stringify(value, null, 2).replace(
    /^( *)((?:"(?:[^"\\]|\\.)*": )?)(\[\]|\{\})(,?)$/gm,
    (_, indent: string, key: string, empty: string, comma: string) =>
      `${indent}${key}${empty === '[]' ? '[\n' : '{'}\n${indent}${empty[1]}${comma}`,
  )
  return Buffer.from(text)
}

/** Compact, with every slash escaped. */
export function shopifyJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value).replaceAll('/', '\\/'))
}

/** Compact. */
export function paypalJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** As `wp_json_encode`: compact, slashes escaped, everything beyond ASCII as `\uXXXX`. */
export function phpJson(value: unknown): Buffer {
  const text = JSON.stringify(value)
    .replaceAll('/', '\\/')
    .replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return Buffer.from(text)
}
