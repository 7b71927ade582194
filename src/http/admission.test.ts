import { expect, test } from 'vitest'
import { createAdmission } from './admission.ts'

test('so many have a place at a time; one that leaves makes room', () => {
  const admission = createAdmission({ maxWaiting: 2 })
  const leave = admission.enter(1)
  admission.enter(1)
  expect(() => admission.enter(1)).toThrow('Try again shortly')
  leave()
  admission.enter(1)
  expect(() => admission.enter(1)).toThrow(expect.objectContaining({ code: 'service_unavailable' }))
})

test('so many bytes are held at a time', () => {
  const admission = createAdmission({ maxWaiting: 100, maxBytes: 10 })
  const leave = admission.enter(8)
  expect(() => admission.enter(3)).toThrow(expect.objectContaining({ code: 'service_unavailable' }))
  admission.enter(2)
  expect(() => admission.enter(1)).toThrow(expect.objectContaining({ code: 'service_unavailable' }))
  leave()
  admission.enter(8)
})
