import { type Contract, resolve } from './contract.ts'
import { throwFindings } from './findings.ts'
import { isObject, type JsonObject } from './json.ts'

const IN_PLACE_LISTS = ['allOf', 'anyOf', 'oneOf'] as const
const IN_PLACE = ['if', 'then', 'else'] as const

/**
 * Throws for every object of our own bodies that takes properties it does not name: an unnoticed column in a reply is
 * a leak, an unnoticed property of a request is a typing error that nobody hears of. Bodies of vendors
 * (`x-raw-body`) stay open.
 */
export function requireClosedBodies(contract: Contract): void {
  const findings: string[] = []
  const seen = new Set<string>()
  const visit = (schema: unknown, pointer: string, where: string, closedAround: boolean): void => {
    if (!isObject(schema)) return
    const target = resolve(contract.platform, schema, pointer)
    const { node } = target
    const key = `${target.pointer} ${closedAround}`
    if (seen.has(key)) return
    seen.add(key)
    const closedHere = node.additionalProperties === false || node.unevaluatedProperties === false
    const isMap = isObject(node.additionalProperties) && node.properties === undefined
    if (!closedHere && !isMap && !closedAround && describesObject(node)) {
      findings.push(
        `${contract.locate(target.pointer)} ${where}: the object at ${target.pointer} must have \`additionalProperties: false\``,
      )
    }
    const children: [string, unknown, boolean][] = [
      ...Object.entries(isObject(node.properties) ? node.properties : {}).map(
        ([name, child]): [string, unknown, boolean] => [`properties/${name}`, child, false],
      ),
      ['items', node.items, false],
      ['additionalProperties', node.additionalProperties, false],
      ...(Array.isArray(node.prefixItems) ? node.prefixItems : []).map((child, index): [string, unknown, boolean] => [
        `prefixItems/${index}`,
        child,
        false,
      ]),
      ...IN_PLACE_LISTS.flatMap((keyword) =>
        (Array.isArray(node[keyword]) ? node[keyword] : []).map((child, index): [string, unknown, boolean] => [
          `${keyword}/${index}`,
          child,
          closedHere || closedAround,
        ]),
      ),
      ...IN_PLACE.map((keyword): [string, unknown, boolean] => [keyword, node[keyword], closedHere || closedAround]),
    ]
    for (const [path, child, closed] of children) visit(child, `${target.pointer}/${path}`, where, closed)
  }
  for (const { id, requestBody, replies, hasRawBody } of contract.operations) {
    for (const { schema, pointer } of hasRawBody ? [] : (requestBody?.content ?? []))
      visit(schema, pointer, `${id} request`, false)
    for (const { status, content } of replies) {
      for (const { schema, pointer } of content) visit(schema, pointer, `${id} ${status}`, false)
    }
  }
  throwFindings(findings)
}

function describesObject(node: JsonObject): boolean {
  const isObjectType = [node.type].flat().includes('object')
  const composed = [...IN_PLACE_LISTS, ...IN_PLACE].some((keyword) => node[keyword] !== undefined)
  return node.properties !== undefined || (isObjectType && !composed && node.const === undefined)
}
