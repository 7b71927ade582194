import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take a quarter of a minute and more on two cores: one begun late would go on by itself when all else is done. */
const SLOWEST = [
  'test/api/getChannelAttribution.',
  'test/api/getDetailedHealth.',
  'test/api/getRecomputeJob.',
  'test/attribution/engine/crash.',
  'test/attribution/windows/windows.',
  'test/browser/collect.',
  'test/contracts/gates.',
  'test/db/isolation',
  'test/health/own-probes.',
  'test/health/processes.',
  'test/mocks/cli.',
  'test/rollups/refresh.',
  'test/security/cursors.',
  'test/security/matrix.',
  'test/security/personal-data.',
  'test/security/prototype-pollution.',
  'test/security/sql-injection.',
  'test/security/throttle.',
  'test/security/tokens.',
  'test/tenants/retention.',
  'test/tracing/tracing.',
  'test/webhooks/dead-events.',
  'test/webhooks/privacy.',
  'test/worker/failure.',
  'test/worker/leader.',
  'test/worker/pipeline.',
]

/** Where the next slowest are. */
const SLOW = [
  'test/api/',
  'test/attribution/',
  'test/cli/',
  'test/client/',
  'test/contract',
  'test/db/',
  'test/docs/',
  'test/health/',
  'test/http/server.',
  'test/metrics/',
  'test/mocks/',
  'test/security/',
  'test/setup/',
  'test/webhooks/',
  'test/worker/',
]

/**
 * Those with a process of their own first, then those that share it, which ends when a file of the other kind comes
 * between; among each the slow ones first, and then by the seed.
 */
export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const random = createRandom(this.ctx.config.sequence.seed)
    return files
      .map((file) => ({ file, rank: rankOf(file), place: random() }))
      .sort((a, b) => a.rank - b.rank || a.place - b.place)
      .map(({ file }) => file)
  }
}

function rankOf({ moduleId, project }: TestSpecification): number {
  const isOneOf = (paths: readonly string[]) => paths.some((path) => moduleId.includes(`/${path}`))
  const slowness = isOneOf(SLOWEST) ? 0 : isOneOf(SLOW) ? 1 : 2
  return project.config.isolate ? slowness : 3 + slowness
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
