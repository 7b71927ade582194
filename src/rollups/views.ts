export interface ViewDefinition {
  /** A sentence for operators. */
  holds: string
  /** Seconds that it may be behind its data. Refreshed twice a minute, whatever the target. */
  staleAfterS: number
}

/** Every view that is kept ready to read, each in the table `view_<name>`. There is no other. */
export const views = {
  allocation_summary: { holds: "what the published runs give out of each day's revenue", staleAfterS: 60 },
  channel_performance: { holds: "what each channel gets of each day's orders", staleAfterS: 3_600 },
  daily_revenue: { holds: 'what the ledger says of each UTC day', staleAfterS: 3_600 },
  realtime_revenue: { holds: 'what the ledger says of each hour, by vendor', staleAfterS: 60 },
  reconciliation_status: { holds: "how far endpoints were compared with their vendors' lists", staleAfterS: 60 },
} as const satisfies Record<string, ViewDefinition>

export type View = keyof typeof views

export const viewNames = Object.keys(views) as View[]

export function isView(name: string): name is View {
  return Object.hasOwn(views, name)
}
