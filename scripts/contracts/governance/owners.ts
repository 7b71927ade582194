import type { CheckContext } from '../context.ts'
import type { Fault } from '../finding.ts'
import { placeOf } from '../source.ts'
import { fault, type Governance, isNamed } from './documents.ts'

/**
 * Each domain has one owner and its documents, and each operation names the owner of its domain. That `x-owner` is a
 * known name and `x-domain` the document's is what the lint gate says; it is not said twice.
 */
export function* checkOwners(ctx: CheckContext, { owners: written }: Governance): Generator<Fault> {
  const { owners, domains } = written.data
  const ownerOf = new Map<string, string>()
  for (const [owner, entry] of Object.entries(owners)) {
    for (const [index, domain] of entry.domains.entries()) {
      const at = placeOf(written, 'owners', owner, 'domains', index)
      if (!isNamed(domains, domain)) yield fault('owner', at, `there is no domain ${domain}`)
      const other = ownerOf.get(domain)
      if (other !== undefined) yield fault('owner', at, `${domain} belongs to ${other} already`)
      ownerOf.set(domain, owner)
    }
  }
  const domainOf = new Map<string, string>()
  const documents = new Set(ctx.source().documents.map(({ name }) => name))
  for (const [domain, entry] of Object.entries(domains)) {
    if (!ownerOf.has(domain)) yield fault('owner', placeOf(written, 'domains', domain), `nobody owns ${domain}`)
    for (const [index, document] of entry.documents.entries()) {
      const at = placeOf(written, 'domains', domain, 'documents', index)
      if (!documents.has(document)) yield fault('owner', at, `the contract has no document ${document}`)
      if (domainOf.has(document)) yield fault('owner', at, `${document} belongs to ${domainOf.get(document)} already`)
      domainOf.set(document, domain)
    }
  }
  for (const document of ctx.source().documents) {
    if (!domainOf.has(document.name)) yield fault('owner', document, `${document.name} is in no domain of owners.yaml`)
  }
  for (const operation of ctx.source().operations) {
    const domain = domainOf.get(operation.document.name)
    const { 'x-owner': owner, 'x-domain': named } = operation.value
    // Another domain than the document's, or an owner that nobody knows, is a finding of lint.
    if (domain === undefined || named !== domain || !isNamed(owners, String(owner))) continue
    if (owner !== ownerOf.get(domain)) {
      const message = `${operation.id}: ${domain} belongs to ${ownerOf.get(domain)} and not to ${String(owner)}`
      yield fault('owner', placeOf(operation, 'x-owner'), message)
    }
  }
}
