import { type FixtureNames, fixtures } from './fixture-data.ts'
import type { FixtureBody } from './fixture-types.ts'

export { type FixtureNames, type Fixtures, fixtures, type Requests, replyHeaders, requests } from './fixture-data.ts'
export type { FixtureBody } from './fixture-types.ts'

type Names = FixtureNames
/** The media type that is taken where none is named: JSON where it is one of several. */
type Usual<M> = Extract<'application/json' extends keyof M ? 'application/json' : keyof M, keyof M>

/**
 * A copy of one named example of the contract: the body that `operationId` answers with `status`. Without a name the
 * first one. Throws RangeError where there is none, as for a status without a body.
 */
export function fixture<
  Id extends keyof Names,
  Status extends keyof Names[Id],
  Media extends keyof Names[Id][Status] = Usual<Names[Id][Status]>,
>(
  operationId: Id,
  status: Status,
  { name, mediaType }: { name?: Names[Id][Status][Media]; mediaType?: Media } = {},
): FixtureBody<Id, Status, Media> {
  const byMedia = (fixtures as AnyFixtures)[operationId]?.[status as number] ?? {}
  const [first = ''] = Object.keys(byMedia)
  const bodies = byMedia[(mediaType as string | undefined) ?? first] ?? {}
  const found = (name as string | undefined) ?? Object.keys(bodies)[0] ?? ''
  if (!Object.hasOwn(bodies, found)) {
    throw new RangeError(`${operationId} ${String(status)} has no example ${found}`)
  }
  return structuredClone(bodies[found]) as FixtureBody<Id, Status, Media>
}

export type AnyFixtures = Readonly<
  Record<string, Readonly<Record<number, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>>
>
