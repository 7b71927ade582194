import { defineJob } from '../../src/queue/job.ts'

/** Taken in batches of 500. */
export const withNothing = defineJob<{ number: string }>({ name: 'bench.nothing', queue: 'attribution' })
/** Each in a transaction of its own. */
export const withEffect = defineJob<{ number: string }>({ name: 'bench.effect', queue: 'attribution' })
/** Each with its own effect and its own fence, those of a tenant that were taken at once in one transaction. */
export const withEffects = defineJob<{ number: string }>({ name: 'bench.effects', queue: 'attribution' })
/** Of a queue that its workers are told of. */
export const withWord = defineJob<{ number: string }>({ name: 'bench.word', queue: 'llm' })
