import { expect, test } from 'vitest'
import openapi from '../../generated/openapi.json' with { type: 'json' }
import { isChannel } from './known-channels.ts'

test('knows the channels of the contract and no other', () => {
  const { enum: channels } = openapi.components.schemas.Channel
  expect(channels.filter((name) => !isChannel(name))).toEqual([])
  expect(['(unattributed)', 'toString', 'Email', ''].filter(isChannel)).toEqual([])
})
