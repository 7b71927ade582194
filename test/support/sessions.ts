import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import type { Role } from '../../src/context.ts'
import { givenMember } from './given.ts'
import type { Answer, TestPlatform, TestTenant } from './platform.ts'

/** A person of a tenant, who can log in. */
export interface Person {
  userId: string
  email: string
  password: string
  role: Role
  tenant: TestTenant
}

/** Somebody of a tenant of their own, unless one is given. */
export async function givenPerson(
  platform: TestPlatform,
  { tenant: given, role = 'viewer' }: { tenant?: TestTenant; role?: Role } = {},
): Promise<Person> {
  const tenant = given ?? (await platform.createTenant())
  const { userId, email, password } = await givenMember(platform, {
    tenant,
    role,
    email: `${randomUUID()}@example.test`,
  })
  return { userId, email, password: password as string, role, tenant }
}

export interface Session {
  sessionId: string
  accessToken: string
  refreshToken: string
}

/** Throws unless the person is let in. */
export async function logIn(
  platform: TestPlatform,
  { email, password, tenant }: Pick<Person, 'email' | 'password' | 'tenant'>,
  headers: Record<string, string> = {},
): Promise<Session> {
  const answer = await platform.call('login', { body: { email, password, tenant: tenant.slug }, headers })
  if (answer.status !== 200) throw new Error(`login answered ${answer.status}: ${answer.text}`)
  return toSession(answer)
}

export function toSession({ body }: Answer): Session {
  return { sessionId: body.session_id, accessToken: body.access_token, refreshToken: body.refresh_token }
}

export function refresh(platform: TestPlatform, refreshToken: string): Promise<Answer> {
  return platform.call('refreshToken', { body: { refresh_token: refreshToken } })
}

/** The status of a call that needs nothing but an access token. */
export async function statusOf(platform: TestPlatform, accessToken: string): Promise<number> {
  return (await platform.call('verifyToken', { token: accessToken })).status
}

export interface RawAnswer {
  status: number
  retryAfter: number | null
  body: { code?: string; access_token?: string }
}

/** Logs in from another address of this machine (127.0.0.0/8), which to the server is another caller. */
export function logInFrom(
  { url }: TestPlatform,
  localAddress: string,
  body: { email: string; password: string },
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' }
    const req = request(`${url}/api/auth/login`, { method: 'POST', headers, localAddress, agent: false }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk) => chunks.push(chunk))
      res.on('end', () =>
        resolve({
          status: res.statusCode ?? 0,
          retryAfter: res.headers['retry-after'] === undefined ? null : Number(res.headers['retry-after']),
          body: JSON.parse(Buffer.concat(chunks).toString()),
        }),
      )
    })
    req.on('error', reject)
    req.end(JSON.stringify(body))
  })
}
