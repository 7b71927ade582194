import { readCookie } from './cookie.ts'
import { type Identity, tokenOf } from './identity.ts'

/*
 * Ways by which an order comes to carry our token. Each does nothing on a page that has nothing to do with it.
 */

const NAME = 'skeldir'
/** WooCommerce's own checkout, and any form that asks for it. */
const FORMS = 'form.checkout,form[data-skeldir]'
const STRIPE_ELEMENTS = 'stripe-buy-button,stripe-pricing-table'
const STRIPE_LINK = /^https:\/\/(buy|book|donate)\.stripe\.com\//
const BUYER = 'client_reference_id'

interface Shopify {
  routes?: { root?: string }
}

/** For the page as it is; and for what is clicked and submitted later, with the token of that moment. */
export function carryToken(identity: Identity): void {
  const carry = () => {
    const token = tokenOf(identity)
    if (token === null) return
    for (const form of document.querySelectorAll<HTMLFormElement>(FORMS)) fillForm(form, token)
    for (const element of document.querySelectorAll(STRIPE_ELEMENTS)) {
      // Stripe takes letters, digits, - and _ only, and drops anything else without a word.
      if (!element.hasAttribute('client-reference-id'))
        element.setAttribute('client-reference-id', tokenOf(identity, '_') as string)
    }
    tellCart(token)
  }
  const atWork = ({ target }: Event) => {
    const token = tokenOf(identity)
    if (token === null || !(target instanceof Element)) return
    const form = target.closest<HTMLFormElement>(FORMS)
    if (form !== null) fillForm(form, token)
    const link = target.closest('a')
    if (link !== null) nameBuyer(link, tokenOf(identity, '_') as string)
  }
  for (const type of ['submit', 'click']) document.addEventListener(type, (event) => attempt(() => atWork(event)), true)
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', () => attempt(carry))
  else carry()
}

/** Whatever of this page carries a token of ours carries none any more; and nor does the cart, where it was told. */
export function takeBackToken(wasKept: boolean): void {
  attempt(() => {
    for (const field of document.querySelectorAll<HTMLInputElement>(`input[name=${NAME}]`)) field.value = ''
    for (const element of document.querySelectorAll('[client-reference-id^=av1_]'))
      element.removeAttribute('client-reference-id')
    for (const link of document.querySelectorAll<HTMLAnchorElement>(`a[href*="${BUYER}=av1_"]`)) {
      const url = new URL(link.href)
      url.searchParams.delete(BUYER)
      link.href = url.href
    }
    if (wasKept || sessionStorage.getItem(NAME) !== null) tellCart('')
  })
}

function attempt(work: () => void): void {
  try {
    work()
  } catch {
    // Whatever goes wrong here is nothing to the shop.
  }
}

function fillForm(form: HTMLFormElement, token: string): void {
  let field = form.querySelector<HTMLInputElement>(`input[name="${NAME}"]`)
  if (field === null) {
    field = document.createElement('input')
    field.type = 'hidden'
    field.name = NAME
    form.append(field)
  }
  field.value = token
}

/** `client_reference_id` of a payment link; one that the shop has set itself stays. */
function nameBuyer(link: HTMLAnchorElement, token: string): void {
  if (!STRIPE_LINK.test(link.href) && link.dataset.skeldir === undefined) return
  const url = new URL(link.href)
  if (url.searchParams.has(BUYER)) return
  url.searchParams.set(BUYER, token)
  link.href = url.href
}

/**
 * Once for each cart and session: the attribute stays with the cart and becomes one of the order. An empty one takes it
 * away; until it has, the mark stays, and later pages try again.
 */
function tellCart(token: string): void {
  const { Shopify: shop } = window as { Shopify?: Shopify }
  const mark = () => `${token} ${readCookie('cart') ?? ''}`
  if (shop === undefined || sessionStorage.getItem(NAME) === mark()) return
  const headers = { 'Content-Type': 'application/json' }
  const body = JSON.stringify({ attributes: { [NAME]: token } })
  fetch(`${shop.routes?.root ?? '/'}cart/update.js`, { method: 'POST', headers, body }).then(
    ({ ok }) => {
      if (!ok) return
      if (token === '') sessionStorage.removeItem(NAME)
      else sessionStorage.setItem(NAME, mark())
    },
    () => {},
  )
}
