import { join } from 'node:path'
import { classifyByDefault } from '../../../src/events/channels/classify.ts'
import { CATEGORY_OF } from '../../../src/events/channels/source-lists.ts'
import { compare, type Table } from '../table.ts'
import { readCsv } from './csv.ts'

/** The published channel groups, and the lists of sources that they are made of. */
export function compareChannelGroups(folder: string): Table[] {
  const groups = compare('channel groups', 0)
  for (const { source = '', medium = '', campaign = '', expected = '' } of readCsv(
    join(folder, 'expected_channel_groups.csv'),
  )) {
    const visit = { source: source || null, medium: medium || null, campaign: campaign || null }
    groups.same([source, medium, campaign].join(' / '), classifyByDefault(visit), toChannel(expected))
  }
  const sources = compare('source categories', 0)
  for (const { source = '', source_category: category = '' } of readCsv(join(folder, 'ga4_source_categories.csv'))) {
    sources.same(source, CATEGORY_OF.get(source.toLowerCase()), category.replace('SOURCE_CATEGORY_', '').toLowerCase())
  }
  return [groups, sources]
}

/** The published names only spell ours otherwise. */
function toChannel(name: string): string {
  return name === 'Mobile Push Notifications' ? 'mobile_push' : name.toLowerCase().replaceAll(/[ -]/g, '_')
}
