import pg from 'pg'

/** Statements that a process has sent, by what it sent them for. */
export interface Statements {
  /** What credentials cannot have asked for: the feed of revocations, on a connection of its own, whatever the load. */
  feed: number
  /** Permits of the rate limiter and last uses of keys: a few for thousands of requests. */
  batched: number
  /** All others: a request stood behind each of them. */
  requests: number
}

/** Functions that serve many requests at once. */
const BATCHED = ['internal.lease_permits', 'internal.record_api_key_use']

interface Open {
  statements: number
  isBatched: boolean
}

/** Counts every statement of this process from now on, as the driver sends it. Called once. */
export function countStatements(): () => Statements {
  const counts: Statements = { feed: 0, batched: 0, requests: 0 }
  const transactions = new WeakMap<pg.Client, Open>()
  const enter = ({ statements, isBatched }: Open) => {
    counts[isBatched ? 'batched' : 'requests'] += statements
  }

  function note(client: pg.Client, text: string): void {
    const isBatched = BATCHED.some((name) => text.includes(name))
    if (isOfFeed(client)) {
      counts.feed += 1
      return
    }
    if (text === 'begin') transactions.set(client, { statements: 0, isBatched: false })
    const open = transactions.get(client)
    if (open === undefined) {
      enter({ statements: 1, isBatched })
      return
    }
    open.statements += 1
    open.isBatched ||= isBatched
    if (text !== 'commit' && text !== 'rollback') return
    transactions.delete(client)
    enter(open)
  }

  const { query } = pg.Client.prototype
  pg.Client.prototype.query = function counted(this: pg.Client, ...args: unknown[]) {
    const [asked] = args
    note(this, typeof asked === 'string' ? asked : ((asked as { text?: string } | undefined)?.text ?? ''))
    return (query as (...args: unknown[]) => unknown).apply(this, args)
  } as typeof query
  return () => ({ ...counts })
}

function isOfFeed(client: pg.Client): boolean {
  const { connectionParameters } = client as unknown as { connectionParameters: { application_name?: string } }
  return connectionParameters.application_name?.endsWith(' revocations') === true
}
