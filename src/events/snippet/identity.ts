import { readCookie, writeCookie } from './cookie.ts'
import { timeOf, ulid } from './ulid.ts'

const VISITOR = 'skeldir_v'
const SESSION = 'skeldir_s'
/** 13 months from the first visit, never prolonged. Browsers keep it for a shorter time, Safari for 7 days. */
const VISITOR_LIFE_S = 395 * 86_400
/** Of the session, after the last page. */
const SESSION_LIFE_S = 30 * 60

/** Who is here. Until consent is given, an id of this page alone: nothing is read, kept or handed on. */
export interface Identity {
  visitor: string
  session: string
  isKept: boolean
  /** No page of the session came before this one. */
  isNewSession: boolean
}

export function newIdentity(): Identity {
  return { visitor: ulid(), session: ulid(), isKept: false, isNewSession: true }
}

/** The id of an earlier visit, which only consent has kept; undefined when there is none, or it is too old. */
export function findKeptVisitor(): string | undefined {
  const kept = readCookie(VISITOR)
  const madeAt = timeOf(kept)
  return madeAt !== undefined && ageS(madeAt) < VISITOR_LIFE_S ? kept : undefined
}

/** Keeps who is here: with the ids of earlier pages where there are some, or else with those of this page. */
export function keep(identity: Identity, domain: string | undefined): void {
  const session = readCookie(SESSION)
  identity.visitor = findKeptVisitor() ?? identity.visitor
  identity.isNewSession = timeOf(session) === undefined
  if (session !== undefined && !identity.isNewSession) identity.session = session
  const leftS = VISITOR_LIFE_S - ageS(timeOf(identity.visitor) as number)
  writeCookie(VISITOR, identity.visitor, leftS, domain)
  writeCookie(SESSION, identity.session, SESSION_LIFE_S, domain)
  identity.isKept = true
}

/** One that has ended is followed by another, which may have begun in another tab. */
export function prolongSession(identity: Identity, domain: string | undefined): void {
  const session = readCookie(SESSION)
  identity.session = session !== undefined && timeOf(session) !== undefined ? session : ulid()
  writeCookie(SESSION, identity.session, SESSION_LIFE_S, domain)
}

export function forget(domain: string | undefined): void {
  for (const name of [VISITOR, SESSION]) writeCookie(name, '', 0, domain)
}

/** What an order carries, and nothing else that could say whose it is. */
export function tokenOf({ visitor, session, isKept }: Identity, separator = '.'): string | null {
  return isKept ? ['av1', visitor, session].join(separator) : null
}

function ageS(madeAt: number): number {
  return Math.floor(Math.max(0, Date.now() - madeAt) / 1000)
}
