// Sends a day's traffic, several requests at a time, and counts the answers.

import { signShopify, signStripe } from '../../src/webhooks/simulator/signature.ts'
import type { Client } from './client.ts'
import type { Delivery, Sending, TouchBatch, Vendor } from './day.ts'

export interface Endpoint {
  /** Where the vendor delivers to, as the platform named it. */
  path: string
  secret: string
}

export interface Doors {
  shopify: Endpoint
  stripe: Endpoint
  apiKey: string
}

export interface Answers {
  /** By vendor and result; a status that nobody should get counts under its own name, `status 500` say. */
  deliveries: Record<Vendor, Record<string, number>>
  touchpoints: { accepted: number; duplicates: number; rejected: number }
  /** Why deliveries were dead, by vendor and class. */
  deadLetters: Record<Vendor, Record<string, number>>
  /** Requests whose answer was none that the contract names. */
  surprises: string[]
}

const CONCURRENCY = 8
/** Stripe's own default of 300 s, and then some. */
const EXPIRED_S = 400

export function noAnswers(): Answers {
  return {
    deliveries: { shopify: {}, stripe: {} },
    touchpoints: { accepted: 0, duplicates: 0, rejected: 0 },
    deadLetters: { shopify: {}, stripe: {} },
    surprises: [],
  }
}

/** Sends all of one phase; adds to `answers` and calls `onAnswer` after each. */
export async function sendPhase(
  client: Client,
  doors: Doors,
  phase: readonly Sending[],
  answers: Answers,
  onAnswer: () => void,
): Promise<void> {
  await inParallel(CONCURRENCY, phase, async (sending) => {
    await (sending.kind === 'touches'
      ? sendTouches(client, doors, sending, answers)
      : deliver(client, doors, sending, answers))
    onAnswer()
  })
}

async function sendTouches(client: Client, { apiKey }: Doors, { body }: TouchBatch, answers: Answers): Promise<void> {
  const headers = {
    accept: 'application/json',
    'content-type': 'application/json',
    'x-skeldir-tenant-key': apiKey,
  }
  const answer = await client.call('POST', '/api/events/touchpoints', { headers, body })
  if (answer.status !== 200) {
    answers.surprises.push(`touchpoints answered ${answer.status} ${JSON.stringify(answer.body)?.slice(0, 300)}`)
    return
  }
  const counts = answer.body as Answers['touchpoints']
  for (const name of ['accepted', 'duplicates', 'rejected'] as const) answers.touchpoints[name] += counts[name]
}

async function deliver(client: Client, doors: Doors, delivery: Delivery, answers: Answers): Promise<void> {
  const { vendor } = delivery
  const { status, body } = await client.call('POST', addressOf(doors[vendor], delivery), sign(doors[vendor], delivery))
  const receipt = body as { result?: string; code?: string | null } | undefined
  const result =
    status === 200 ? (receipt?.result ?? 'no result') : status === 401 ? 'unauthorized' : `status ${status}`
  count(answers.deliveries[vendor], result)
  if (result === 'dead') count(answers.deadLetters[vendor], receipt?.code ?? 'unknown')
  if (status !== 200 && status !== 401) {
    answers.surprises.push(
      `${vendor} ${delivery.topic} ${delivery.externalId} answered ${status} ${JSON.stringify(body)?.slice(0, 300)}`,
    )
  }
}

function addressOf({ path }: Endpoint, { signing }: Delivery): string {
  if (signing !== 'unknown_endpoint') return path
  return path.replace(/[^/]+$/, (key) => 'A'.repeat(key.length))
}

/** The request as it goes out: signed now, or spoiled in the way that the delivery asks for. */
export function sign(
  { secret }: Pick<Endpoint, 'secret'>,
  { vendor, headers, body, signing }: Delivery,
  nowS = Math.floor(Date.now() / 1000),
): { headers: Record<string, string>; body: Buffer } {
  if (signing === 'missing') return { headers, body }
  const key = signing === 'wrong_secret' ? `${secret}-of-somebody-else` : secret
  const name = vendor === 'stripe' ? 'Stripe-Signature' : 'X-Shopify-Hmac-Sha256'
  let signature: string
  if (vendor === 'stripe') {
    const secrets = signing === 'valid_while_rolling' ? [`${key}-next`, key] : [key]
    signature = signStripe(body, secrets, signing === 'expired' ? nowS - EXPIRED_S : nowS)
    // The right bytes in the other vendor's spelling.
    if (signing === 'wrong_encoding') {
      signature = signature.replace(
        /v1=([0-9a-f]+)/,
        (_, hex: string) => `v1=${Buffer.from(hex, 'hex').toString('base64')}`,
      )
    }
  } else {
    signature = signShopify(body, key)
    if (signing === 'wrong_encoding') signature = Buffer.from(signature, 'base64').toString('hex')
  }
  // The same JSON in other bytes, as a proxy makes it that parses what it passes on.
  const sent = signing === 'altered_body' ? Buffer.from(JSON.stringify(JSON.parse(body.toString()))) : body
  return { headers: { ...headers, [name]: signature }, body: sent }
}

/** Runs `work` on all items, at most `width` at once; rejects with the first failure. */
export async function inParallel<T>(
  width: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of queue) await work(item)
    }),
  )
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1
}
