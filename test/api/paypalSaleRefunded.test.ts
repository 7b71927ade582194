import { test } from 'vitest'
import { useTopicRoute } from '../support/signed-deliveries.ts'

const expectThat = useTopicRoute('paypalSaleRefunded', {
  vendor: 'paypal',
  topic: 'PAYMENT.SALE.REFUNDED',
  otherTopic: 'PAYMENT.SALE.COMPLETED',
})

test('200: accepted, by the endpoint whose secret signed it, and once', () => expectThat.expectTaken())

test('200: dead: it is about another topic', () => expectThat.expectOtherTopicDead())

test('401: whatever is wrong, the answer is one and the same', () => expectThat.expectRefused())

test('413: more than 1 MiB, though it is signed', () => expectThat.expectTooLarge())

test('415: compressed, though its bytes are signed', () => expectThat.expectNotCompressed())

test('429: the quota of deliveries is used up', () => expectThat.expectLimited())

test('503: the database is gone; sent again, it is taken', () => expectThat.expectUnavailable())
