/** Who is signed in, where and until when. */
export interface Session {
  /** Origin of the server that gave the token; it is sent to no other. */
  api: string
  token: string
  /** Milliseconds since 1970. */
  expiresAt: number
  email: string
  role: string
  tenantSlug: string
  tenantName: string
}

/** Reads what was kept; null where it is damaged, of another server, or has expired. */
export function parseSession(text: string | null, api: string, now: number): Session | null {
  const value = text === null ? null : parse(text)
  if (!isSession(value) || value.api !== api || value.expiresAt <= now) return null
  return value
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const TEXTS = ['api', 'token', 'email', 'role', 'tenantSlug', 'tenantName'] as const

function isSession(value: unknown): value is Session {
  if (typeof value !== 'object' || value === null) return false
  const record = value as Record<string, unknown>
  return TEXTS.every((name) => typeof record[name] === 'string') && typeof record.expiresAt === 'number'
}
