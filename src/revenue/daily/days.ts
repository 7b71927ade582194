/** The day on which a refund or a dispute counts: that of its order, or its own. A capture counts with its order in both. */
export type RevenueBasis = 'order_date' | 'refund_date'

/** Minor units; all but the net are 0 or more. */
export interface RevenueFigures {
  /** With a capture. */
  orders: number
  capturedMinor: bigint
  refundedMinor: bigint
  disputedMinor: bigint
  /** What of refunds and disputes is beyond the captured amount of their order. */
  overRefundedMinor: bigint
  /** Captured − refunded − disputed + over-refunded. */
  netMinor: bigint
}

/** `orderDateMinor` + `afterWindowMinor` − `ofOtherOrdersMinor` = `refundDateMinor`, exactly. */
export interface BasisBridge {
  orderDateMinor: bigint
  /** Taken back outside the window from orders within it. */
  afterWindowMinor: bigint
  /** Taken back within the window from orders outside it. */
  ofOtherOrdersMinor: bigint
  refundDateMinor: bigint
}

export interface DailyFigures {
  days: ({ day: string } & RevenueFigures)[]
  total: RevenueFigures
  bridge: BasisBridge
}

/** What one currency has on each of these days and on all of them. */
export function toDailyFigures(rows: readonly DayRow[], days: readonly string[], basis: RevenueBasis): DailyFigures {
  const counted = rows.filter((row) => isCounted(row, basis))
  const byDay = Map.groupBy(counted, ({ day }) => day)
  return {
    days: days.map((day) => ({ day, ...sumFigures(byDay.get(day) ?? []) })),
    total: sumFigures(counted),
    bridge: bridgeOf(rows, netOf),
  }
}

/** Where money stands to a window. */
export interface InWindow {
  /** The order was placed in it. */
  isOrdered: boolean
  /** The money moved in it; a capture does so with its order. */
  isMoved: boolean
}

/** Minor units of `currency`, none of them negative. */
export interface DayRow extends InWindow {
  day: string
  currency: string
  vendor: string
  orders: number
  capturedMinor: bigint
  refundedMinor: bigint
  disputedMinor: bigint
  overRefundedMinor: bigint
  /** Rows of the ledger. */
  entries: number
  /** Of these, reported by a signed delivery. */
  verified: number
  newest: Date
}

/** Whether it counts in the window on this basis. */
export function isCounted({ isOrdered, isMoved }: InWindow, basis: RevenueBasis): boolean {
  return basis === 'order_date' ? isOrdered : isMoved
}

/** From all that is in the window on one basis or the other. */
export function bridgeOf<Row extends InWindow>(rows: readonly Row[], netOf: (row: Row) => bigint): BasisBridge {
  const net = (those: (row: Row) => boolean) => rows.reduce((total, row) => total + (those(row) ? netOf(row) : 0n), 0n)
  return {
    orderDateMinor: net(({ isOrdered }) => isOrdered),
    afterWindowMinor: -net(({ isOrdered, isMoved }) => isOrdered && !isMoved),
    ofOtherOrdersMinor: -net(({ isOrdered, isMoved }) => !isOrdered && isMoved),
    refundDateMinor: net(({ isMoved }) => isMoved),
  }
}

export function sumFigures(rows: readonly DayRow[]): RevenueFigures {
  const sum = (of: (row: DayRow) => bigint) => rows.reduce((total, row) => total + of(row), 0n)
  return {
    orders: rows.reduce((total, { orders }) => total + orders, 0),
    capturedMinor: sum(({ capturedMinor }) => capturedMinor),
    refundedMinor: sum(({ refundedMinor }) => refundedMinor),
    disputedMinor: sum(({ disputedMinor }) => disputedMinor),
    overRefundedMinor: sum(({ overRefundedMinor }) => overRefundedMinor),
    netMinor: sum(netOf),
  }
}

function netOf({ capturedMinor, refundedMinor, disputedMinor, overRefundedMinor }: DayRow): bigint {
  return capturedMinor - refundedMinor - disputedMinor + overRefundedMinor
}
