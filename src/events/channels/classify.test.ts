import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ChannelRules, classify, classifyByDefault, NO_RULES_OF_ITS_OWN, type Visit } from './classify.ts'
import { CLICK_IDS } from './click-ids.ts'
import { BUILT_IN_RULES, BUILT_IN_VERSION } from './rules.ts'
import { CATEGORY_OF } from './source-lists.ts'

const NOTHING: Visit = { source: null, medium: null, campaign: null, referrerHost: null, clickIds: [] }

test.each([
  // Quirks of the published rules.
  ['google', 'cpm', null, 'paid_search'],
  ['some-site', 'cpm', null, 'display'],
  ['newsletter', 'email', 'summer shopping', 'organic_shopping'],
  ['newsletter', 'email', 'workshop', 'email'],
  ['newsletter', 'email', 'spring_shop', 'organic_shopping'],
  ['newsletter', 'email', 'eshop', 'organic_shopping'],
  ['newsletter', 'email', 'shop', 'organic_shopping'],
  ['partner', 'affiliates', null, 'unassigned'],
  ['partner', 'affiliate', null, 'affiliates'],
  ['alibaba', null, null, 'organic_shopping'],
  ['email', 'referral', null, 'referral'],
  ['klaviyo', 'emailing', null, 'unassigned'],
  ['google', 'organic', 'x-cross-network-y', 'cross_network'],
  ['(direct)', '(none)', 'shop', 'direct'],
  ['(direct)', '(not set)', null, 'direct'],
  ['(direct)', null, null, 'unassigned'],
  [null, null, 'anything', 'direct'],
  [null, 'email', null, 'email'],
  ['x', 'e mail', null, 'email'],
  ['x', 'e_mail', null, 'email'],
  ['x', 'emails', null, 'unassigned'],
  // PAID is a full match on the medium, wherever "cp" stands in it.
  ['x', 'ppc', null, 'paid_other'],
  ['x', 'xppc', null, 'unassigned'],
  ['x', 'retargeting', null, 'paid_other'],
  ['x', 'paid', null, 'paid_other'],
  ['x', 'unpaid', null, 'unassigned'],
  ['x', 'scp-link', null, 'paid_other'],
  // Each list with a paid and an organic medium.
  ['google', 'cpc', null, 'paid_search'],
  ['Google Shopping', 'cpc', null, 'paid_shopping'],
  ['google shopping', null, null, 'organic_shopping'],
  ['facebook', 'paid-social', null, 'paid_social'],
  ['facebook', 'cpc', 'spring_shop', 'paid_shopping'],
  ['facebook', 'social', 'workshop', 'organic_social'],
  ['youtube.com', 'cpv', null, 'paid_video'],
  ['youtube.com', 'cpc', null, 'paid_video'],
  ['YouTube.com', 'referral', null, 'organic_video'],
  ['some-site', 'live-video-ad', null, 'organic_video'],
  ['bing', 'referral', null, 'organic_search'],
  ['GOOGLE', 'CPC', 'Brand', 'paid_search'],
  // Where the lists know nothing.
  ['chatgpt.com', 'referral', null, 'referral'],
  ['some-site', 'link', null, 'referral'],
  ['some-site', 'app', null, 'referral'],
  ['sms', null, null, 'sms'],
  ['x', 'sms', null, 'sms'],
  ['x', 'audio', null, 'audio'],
  ['x', 'webpush', null, 'mobile_push'],
  ['x', 'push-x', null, 'unassigned'],
  ['x', 'in-mobile-app', null, 'mobile_push'],
  ['firebase', null, null, 'mobile_push'],
  ['x', 'sm', null, 'organic_social'],
  ['x', 'Social Media', null, 'organic_social'],
  ['x', 'interstitial', null, 'display'],
  ['x', null, null, 'unassigned'],
])('%s / %s / %s is %s', (source, medium, campaign, channel) => {
  expect(classify(NO_RULES_OF_ITS_OWN, { ...NOTHING, source, medium, campaign }).channel).toBe(channel)
})

describe('rules of a tenant', () => {
  const rules: ChannelRules = {
    version: 3,
    rules: [
      {
        name: 'Trade fair',
        channel: 'referral',
        conditions: [
          { field: 'source', operator: 'equals', value: 'FAIR' },
          { field: 'campaign', operator: 'starts_with', value: 'Berlin-' },
        ],
      },
      { name: 'Bing', channel: 'display', conditions: [{ field: 'click_id', operator: 'equals', value: 'msclkid' }] },
      {
        name: 'Blog',
        channel: 'affiliates',
        conditions: [{ field: 'referrer_host', operator: 'ends_with', value: '.blog.example' }],
      },
      { name: 'Mail', channel: 'email', conditions: [{ field: 'medium', operator: 'contains', value: 'mailing' }] },
      { name: 'Never', channel: 'sms', conditions: [{ field: 'source', operator: 'contains', value: 'fair' }] },
    ],
  }

  test.each([
    ['all conditions hold', { source: 'Fair', campaign: 'berlin-2026' }, 'referral', 'Trade fair'],
    ['one does not: a later rule decides', { source: 'Fair', campaign: 'Hamburg' }, 'sms', 'Never'],
    [
      'a click id among several',
      { source: 'google', medium: 'cpc', clickIds: ['gclid', 'msclkid'] },
      'display',
      'Bing',
    ],
    ['the host of the referrer', { source: 'x.blog.example', referrerHost: 'x.blog.example' }, 'affiliates', 'Blog'],
    [
      'a medium that the built-in rules do not know',
      { source: 'klaviyo', medium: 'emailing-mailing' },
      'email',
      'Mail',
    ],
    ['none: the built-in rules decide', { source: 'google', medium: 'cpc' }, 'paid_search', null],
    ['an absent field fulfils nothing', {}, 'direct', null],
  ])('%s', (_name, visit, channel, ruleName) => {
    expect(classify(rules, { ...NOTHING, ...visit })).toEqual({ channel, ruleName, ruleVersion: 'ga4.1/3' })
  })
})

test('the lists have the 819 sources, and this version of the rules is what it was', () => {
  const text = JSON.stringify([[...CATEGORY_OF], CLICK_IDS, BUILT_IN_RULES], (_key, value: unknown) =>
    value instanceof RegExp ? String(value) : value,
  )
  const counts = Object.groupBy([...CATEGORY_OF.values()], (category) => category)
  expect(Object.entries(counts).map(([category, { length }]) => [category, length])).toEqual([
    ['search', 129],
    ['shopping', 52],
    ['social', 592],
    ['video', 46],
  ])
  // Whoever changes any of them gives them another version, because figures name it.
  expect([BUILT_IN_VERSION, createHash('sha256').update(text).digest('hex').slice(0, 16)]).toEqual([
    'ga4.1',
    'cd8290ad011c1938',
  ])
})

const folder = process.env.SKELDIR_REFERENCE_DATA
describe.skipIf(folder === undefined)('against published vectors', () => {
  const read = (name: string) =>
    readFileSync(join(folder as string, 'data/attribution/channel-groups', name), 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(','))
  /** The published names, which only spell ours otherwise. */
  const toChannel = (name: string) =>
    name === 'Mobile Push Notifications' ? 'mobile_push' : name.toLowerCase().replaceAll(/[ -]/g, '_')

  test('every vector', () => {
    const vectors = read('expected_channel_groups.csv')
    const wrong = vectors.filter(([source, medium, campaign, expected]) => {
      const visit = { source: source || null, medium: medium || null, campaign: campaign || null }
      return classifyByDefault(visit) !== toChannel(expected as string)
    })
    expect({ wrong, some: vectors.length >= 25 }).toEqual({ wrong: [], some: true })
  })

  test('every source has its category', () => {
    const wrong = read('ga4_source_categories.csv').filter(
      ([source = '', category]) => CATEGORY_OF.get(source.toLowerCase()) !== category?.slice(16).toLowerCase(),
    )
    expect(wrong).toEqual([])
  })
})
