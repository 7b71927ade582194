import { type AuthWorld, logIn } from './auth-world.ts'

const ROUNDS = 20

/** Milliseconds from the answer to a log-out until another process refuses the access token; one of each round. */
export async function measureRevocation(world: AuthWorld, say: (line: string) => void): Promise<number[]> {
  say('revocations')
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const token = await logIn(world.urls.real, world.admin)
    const ask = async (url: string, method: string, path: string) => {
      const response = await fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${token}` } })
      await response.arrayBuffer()
      return response.status
    }
    const verify = () => ask(world.elsewhere, 'GET', '/api/auth/verify')
    const first = await verify()
    const out = await ask(world.urls.real, 'POST', '/api/auth/logout')
    if (first !== 200 || out !== 204) throw new Error(`a token was answered ${first}, the log-out ${out}`)
    const startedAt = performance.now()
    let status = await verify()
    while (status === 200) status = await verify()
    if (status !== 401) throw new Error(`a revoked token was answered ${status}`)
    times.push(performance.now() - startedAt)
  }
  return times
}
