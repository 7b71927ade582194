import type { Channel } from './channels/channel.ts'
import { BUILT_IN_RULES } from './channels/rules.ts'

const CHANNELS: ReadonlySet<string> = new Set([...BUILT_IN_RULES.map(({ channel }) => channel), 'unassigned'])

/** Whether this names a channel of the contract. */
export function isChannel(text: string): text is Channel {
  return CHANNELS.has(text)
}
