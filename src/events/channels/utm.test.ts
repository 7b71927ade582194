import { expect, test } from 'vitest'
import { cleanText, readUtm } from './utm.ts'

const read = (query: string) => readUtm(new URL(`https://shop.example/?${query}`).searchParams)

test.each([
  [
    'all nine fields',
    'utm_source=a&utm_medium=b&utm_campaign=c&utm_content=d&utm_term=e&utm_id=f&utm_source_platform=g&utm_creative_format=h&utm_marketing_tactic=i',
    {
      source: 'a',
      medium: 'b',
      campaign: 'c',
      content: 'd',
      term: 'e',
      id: 'f',
      source_platform: 'g',
      creative_format: 'h',
      marketing_tactic: 'i',
    },
  ],
  ['the first of several values', 'utm_source=a&utm_source=b', { source: 'a' }],
  ['an empty value is absent, so the next one is the first', 'utm_source=&utm_source=+&utm_source=b', { source: 'b' }],
  ['percent-decoded once', 'utm_campaign=a%2520b', { campaign: 'a%20b' }],
  ['a plus is a space, and an encoded one is not', 'utm_campaign=+a+b%2Bc+', { campaign: 'a b+c' }],
  ['an escape that is none stays', 'utm_campaign=100%', { campaign: '100%' }],
  ['bytes that are not UTF-8 become replacement characters', 'utm_campaign=a%ff', { campaign: 'a\ufffd' }],
  ['case is kept', 'utm_source=Google&utm_campaign=BRAND', { source: 'Google', campaign: 'BRAND' }],
  ['names in any case', 'UTM_Source=a', { source: 'a' }],
  ['NFC', 'utm_campaign=Bu%CC%88cher', { campaign: 'B\u00fccher' }],
  ['control characters', 'utm_campaign=%00a%0Ab%7f', { campaign: 'a b' }],
  ['what nobody sees', 'utm_source=a%EF%BB%BF%E2%80%8Bb%C2%AD', { source: 'a b' }],
  ['what joins letters', 'utm_source=%D9%85%E2%80%8C%D8%AE', { source: '\u0645\u200c\u062e' }],
  ['other parameters are not read', 'source=a&utm_foo=b&utm_=c&xutm_source=d', {}],
  ['a name that every object has', 'utm_constructor=a&utm___proto__=b', {}],
])('%s', (_name, query, fields) => {
  expect(read(query)).toEqual({ fields, macroUnfilled: false })
})

test.each([
  ['utm_campaign=%7Bcampaign%7D', {}],
  ['utm_campaign=%7B%7Bcampaign.name%7D%7D', {}],
  ['utm_campaign=__CAMPAIGN_NAME__', {}],
  ['utm_campaign={campaign}&utm_campaign=brand', { campaign: 'brand' }],
  ['utm_campaign=brand-{campaignid}', { campaign: 'brand-{campaignid}' }],
])('a macro that nobody filled in: %s', (query, fields) => {
  expect(read(query)).toEqual({ fields, macroUnfilled: true })
})

test.each(['utm_campaign=a__b', 'utm_campaign={}brand', 'utm_campaign=__init__'])('no macro: %s', (query) => {
  expect(read(query).macroUnfilled).toBe(false)
})

test('the fragment is not read', () => {
  expect(readUtm(new URL('https://shop.example/#utm_source=a').searchParams).fields).toEqual({})
})

test('at most 255 code points, none cut in two, and no space at the end', () => {
  expect(cleanText('\u{1f9e5}'.repeat(300))).toBe('\u{1f9e5}'.repeat(255))
  expect(cleanText(`${'a'.repeat(254)} b`)).toBe('a'.repeat(254))
  // Composed by NFC first: 255 letters, not 128.
  expect(cleanText('u\u0308'.repeat(256))).toBe('\u00fc'.repeat(255))
  expect(cleanText('\ud800a')).toBe('\ufffda')
  expect(cleanText(' \t ')).toBeNull()
})
