// A whole run: runner, platform, actors, then all roles, two at a time.

import { createPrivateKey, type KeyObject } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { OperationRow } from '../../../generated/operations.ts'
import { readConfig } from '../../../src/cli/environment.ts'
import { localTestCertificate, repositoryRoot } from '../../../src/cli/local-state.ts'
import { keepCertificate } from '../../../src/webhooks/simulator/certificate.ts'
import { ToolError } from '../finding.ts'
import { readNarrowed } from './narrowed.ts'
import { type Mode, type Plan, planRoles } from './plan.ts'
import { startFuzzPlatform } from './platform.ts'
import { type Actor, provisionActors } from './provision.ts'
import type { Outcome } from './report.ts'
import { mergeRoles, type RoleResult } from './results.ts'
import { accessOf, type FuzzRole, homeOf, type OutOfReach } from './roles.ts'
import { type RoleRun, runRole } from './run.ts'
import { findRunner, type Runner, SCHEMATHESIS_VERSION } from './runner.ts'

/** A sign of life while nothing else is said. */
const STILL_MS = 15_000
/** Each is one core busy with Python; the platform needs some too. */
const MAX_PARALLEL = 4

export interface SessionOptions {
  mode: Mode
  seed: number
  roles: readonly FuzzRole[]
  /** Default: all that are implemented. */
  operationIds?: readonly string[]
  maxExamples?: number
  /** A platform that runs already. Default: one of the run's own. */
  url?: string
  /** Arguments of Node for the API, instead of the command that runs in production. */
  api?: readonly string[]
  say: (line: string) => void
  signal: AbortSignal
}

/** Nothing that it started or wrote is left when it ends. Throws ToolError. */
export async function runSession(options: SessionOptions): Promise<Outcome> {
  const { mode, seed, roles, maxExamples, say, signal } = options
  const began = performance.now()
  const { operations, skipped } = await readOperations(options.operationIds)
  const narrowed = readNarrowed(new Set([...Object.keys(operations), ...(await listOperationIds())]))
  const known = options.url === undefined ? undefined : findPaypalKey()
  const outOfReach: OutOfReach = new Set(known === null ? ['paypalSignature'] : [])
  const plans = planRoles({ operations, roles, mode, outOfReach, ...(maxExamples !== undefined && { maxExamples }) })
  if (plans.length === 0) throw new ToolError('There is nothing to try: no operation is left for these roles.')
  const runner = await findRunner({ say, signal })
  say(`Schemathesis ${SCHEMATHESIS_VERSION} in ${runner.name}`)

  const stops: (() => Promise<void> | void)[] = []
  try {
    const folder = mkdtempSync(join(tmpdir(), 'skeldir-fuzz-'))
    stops.push(() => rmSync(folder, { recursive: true, force: true }))
    const { url, actors, errors } = await prepare(options, plans, { stops, folder, paypalKey: known ?? null })
    const schema = readFileSync(join(repositoryRoot, 'generated', 'openapi.json'), 'utf8')
    const all = (await import('../../../generated/operations.ts')).operations as Record<string, OperationRow>
    const settings = { runner, url, seed, operations: all, narrowed, schema, signal, folder, actors, say }
    const runs = await runAll(plans, settings)
    for (const { result } of runs) requireCalls(result, plans)
    const hits = (index: number) => runs.reduce((sum, run) => sum + (run.hits[index] ?? 0), 0)
    return {
      mode,
      seed,
      url,
      runner: { name: runner.name, schemathesis: SCHEMATHESIS_VERSION },
      operations: mergeRoles(runs.map(({ result }) => result)),
      skipped,
      outOfReach: Object.entries(operations).flatMap(([id, row]) =>
        accessOf(homeOf(row, outOfReach), row, outOfReach) === 'allowed' ? [] : [id],
      ),
      narrowed: narrowed.map((entry, index) => ({ ...entry, hits: hits(index) })),
      serverErrors: errors,
      tookMs: performance.now() - began,
    }
  } finally {
    for (const stop of stops.reverse()) await stop()
  }
}

async function prepare(
  { url, api, say, signal }: SessionOptions,
  plans: readonly Plan[],
  {
    stops,
    folder,
    paypalKey: known,
  }: { stops: (() => Promise<void> | void)[]; folder: string; paypalKey: KeyObject | null },
): Promise<{ url: string; actors: Map<FuzzRole, Actor>; errors: readonly string[] }> {
  const began = performance.now()
  const roles = plans.map(({ role }) => role)
  if (url !== undefined) {
    say(`Making a tenant for each of ${roles.length} roles at ${url} …`)
    const actors = await provisionActors({ url, config: readConfig(), roles, paypalKey: known, signal })
    return { url, actors, errors: [] }
  }
  say('Starting a platform …')
  const testCertificate = join(folder, 'paypal-test.pem')
  const { privateKey: paypalKey } = keepCertificate(testCertificate)
  const platform = await startFuzzPlatform({ signal, testCertificate, ...(api !== undefined && { api }) })
  stops.push(platform.stop)
  const actors = await provisionActors({ ...platform, roles, paypalKey, signal })
  say(`The platform answers at ${platform.url} (${seconds(began)})`)
  return { url: platform.url, actors, errors: platform.errors }
}

/** What a platform that runs already takes PayPal's test deliveries with, if its file holds the key as well. */
function findPaypalKey(): KeyObject | null {
  const file = readConfig().paypalTestCertificates ?? (process.env.DATABASE_URL ? null : localTestCertificate())
  try {
    return file === null ? null : createPrivateKey(readFileSync(file))
  } catch {
    return null
  }
}

interface AllSettings {
  runner: Runner
  url: string
  seed: number
  operations: Record<string, OperationRow>
  narrowed: ReturnType<typeof readNarrowed>
  schema: string
  signal: AbortSignal
  folder: string
  actors: Map<FuzzRole, Actor>
  say: (line: string) => void
}

/** The longest first, so that no core waits at the end. The first that breaks stops the others. */
async function runAll(
  plans: readonly Plan[],
  { actors, folder, say, signal, ...settings }: AllSettings,
): Promise<RoleRun[]> {
  const weight = ({ trials }: Plan) =>
    trials.reduce((sum, { boundaries, fuzzing }) => sum + fuzzing + Math.min(50, boundaries), 0)
  const waiting = plans.toSorted((a, b) => weight(b) - weight(a))
  const active = new Map<FuzzRole, number>()
  const broken = new AbortController()
  const either = AbortSignal.any([signal, broken.signal])
  const still = setInterval(() => {
    const names = [...active].map(([role, began]) => `${role} (${seconds(began)})`)
    say(`  … ${names.join(', ')}${waiting.length > 0 ? `, then ${waiting.map(({ role }) => role).join(', ')}` : ''}`)
  }, STILL_MS)
  const runs: RoleRun[] = []
  const work = async () => {
    for (let plan = waiting.shift(); plan !== undefined; plan = waiting.shift()) {
      const { role, trials } = plan
      const began = performance.now()
      active.set(role, began)
      const actor = actors.get(role) as Actor
      const run = await runRole({ ...settings, plan, actor, folder: join(folder, role), signal: either })
      active.delete(role)
      const calls = [...run.result.operations.values()].reduce((sum, one) => sum + one.calls, 0)
      const failures = [...run.result.operations.values()].reduce((sum, one) => sum + one.failures.length, 0)
      say(`  ${role.padEnd(10)} ${trials.length} operations, ${calls} calls, ${failures} failures (${seconds(began)})`)
      runs.push(run)
    }
  }
  say(`Fuzzing as ${plans.map(({ role }) => role).join(', ')} …`)
  try {
    const workers = Math.min(MAX_PARALLEL, Math.max(1, availableParallelism()), plans.length)
    const outcomes = await Promise.allSettled(
      Array.from({ length: workers }, () =>
        work().catch((error: unknown) => {
          broken.abort()
          throw error
        }),
      ),
    )
    signal.throwIfAborted()
    // Those that were only stopped because of it failed later.
    const first = outcomes
      .map((outcome) => (outcome.status === 'rejected' ? outcome.reason : null))
      .find((reason) => reason instanceof ToolError)
    const any = outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
    if (any !== undefined) throw first ?? any.reason
  } finally {
    clearInterval(still)
  }
  return runs.sort((a, b) => order(plans, a.result) - order(plans, b.result))
}

function order(plans: readonly Plan[], { role }: RoleResult): number {
  return plans.findIndex((plan) => plan.role === role)
}

/** An operation that was planned and never called has not passed: something between us and Schemathesis is wrong. */
function requireCalls({ role, operations }: RoleResult, plans: readonly Plan[]): void {
  const planned = plans.find((plan) => plan.role === role)?.trials ?? []
  const missed = planned.filter(({ operationId, boundaries, fuzzing }) => {
    const entry = operations.get(operationId)
    return boundaries + fuzzing > 0 && (entry?.calls ?? 0) === 0 && (entry?.failures.length ?? 0) === 0
  })
  if (missed.length === 0) return
  throw new ToolError(
    `Schemathesis never called ${missed.map(({ operationId }) => operationId).join(', ')} as ${role}.`,
  )
}

async function listOperationIds(): Promise<string[]> {
  return Object.keys((await import('../../../generated/operations.ts')).operations)
}

/** Those of the contract that are implemented, or the named ones of them. Throws ToolError for a name that is none. */
async function readOperations(
  named: readonly string[] | undefined,
): Promise<{ operations: Record<string, OperationRow>; skipped: string[] }> {
  const { operations: all } = (await import('../../../generated/operations.ts')) as {
    operations: Record<string, OperationRow>
  }
  const list = await readNotImplemented()
  const unknown = (named ?? []).filter((id) => !Object.hasOwn(all, id))
  if (unknown.length > 0) throw new ToolError(`There is no operation ${unknown.join(', ')}.`)
  const missing = (named ?? []).filter((id) => list.has(id))
  if (missing.length > 0) throw new ToolError(`Not implemented yet: ${missing.join(', ')}.`)
  const operations = Object.fromEntries(
    Object.entries(all).filter(([id]) => !list.has(id) && (named === undefined || named.includes(id))),
  )
  return { operations, skipped: Object.keys(all).filter((id) => list.has(id)) }
}

/** The keys of the list that the server keeps; a checkout whose operations are all built may do without. */
async function readNotImplemented(): Promise<Set<string>> {
  const file = join(repositoryRoot, 'src', 'main', 'not-implemented.ts')
  if (!existsSync(file)) return new Set()
  const { notImplementedOperations: list } = (await import(pathToFileURL(file).href)) as Record<
    string,
    object | undefined
  >
  if (list === undefined) throw new ToolError('src/main/not-implemented.ts exports no `notImplementedOperations`.')
  return new Set(Object.keys(list))
}

function seconds(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`
}
