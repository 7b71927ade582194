import ajvFormats from 'ajv-formats/dist/formats.js'

const DATE =
  '(?!0000)(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))' +
  '|(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)'
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)'

/**
 * The formats that the contract may use, all as expressions, so that the generated module carries them and imports
 * nothing. What a format accepts, `new Date` and Postgres accept too: therefore no year 0000 and no leap second
 * (RFC 3339 allows both), and no `urn:uuid:` before a UUID, which ajv-formats allows.
 */
export const formats: Record<string, RegExp> = {
  date: new RegExp(`^${DATE}$`),
  'date-time': new RegExp(`^${DATE}[Tt]${TIME}$`),
  uuid: /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i,
  // RFC 5321, 4.5.3.1.3: 254 octets. The look-ahead comes first because the rest takes quadratic time on long strings.
  email: bounded(ajvFormats.fullFormats.email, 254),
  'json-pointer': bounded(ajvFormats.fullFormats['json-pointer'], 8192),
  uri: bounded(ajvFormats.fastFormats.uri, 8192),
  'uri-reference': bounded(ajvFormats.fullFormats['uri-reference'], 8192),
}

function bounded(format: unknown, maxLength: number): RegExp {
  if (!(format instanceof RegExp)) throw new TypeError('ajv-formats no longer gives an expression for this format')
  return new RegExp(format.source.replace('^', `^(?=[^]{0,${maxLength}}$)`), format.flags)
}
