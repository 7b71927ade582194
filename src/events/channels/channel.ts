import type { Request } from '../../contract.ts'

/** The vocabulary of the contract. */
export type Channel = Request<'ingestTouchpoints'>['body']['touchpoints'][number]['channel']
