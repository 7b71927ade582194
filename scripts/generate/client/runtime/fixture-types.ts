import type { operations } from './api.ts'

/** Of an example: the body that the contract gives this status and media type. */
export type FixtureBody<Id, Status, Media> = Id extends keyof operations
  ? Status extends keyof operations[Id]['responses']
    ? operations[Id]['responses'][Status] extends { content: infer Content }
      ? Media extends keyof Content
        ? Content[Media]
        : never
      : never
    : never
  : never
