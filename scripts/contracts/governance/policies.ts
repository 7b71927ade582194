import { join } from 'node:path'
import { atPointer } from '../../generate/json.ts'
import type { CheckContext } from '../context.ts'
import { type Fault, ToolError } from '../finding.ts'
import { placeOf } from '../source.ts'
import { fault, type Governance } from './documents.ts'

/** A value that stands in two places is the same in both. */
export function* checkPolicies(ctx: CheckContext, { policies: written, folder }: Governance): Generator<Fault> {
  for (const [group, entries] of Object.entries(written.data.policies)) {
    for (const [name, { value, contract = [], governance = [] }] of Object.entries(entries)) {
      const places = [...contract.map((place) => [ctx.folder, place]), ...governance.map((place) => [folder, place])]
      for (const [base = '', place = ''] of places) {
        const [file = '', pointer = ''] = place.split('#')
        const found = read(ctx, join(base, file), `#${pointer}`)
        if (JSON.stringify(found) === JSON.stringify(value)) continue
        const says = found === undefined ? 'has nothing' : `says ${JSON.stringify(found)}`
        const message = `${group}.${name} is ${JSON.stringify(value)}, and ${place} ${says}`
        yield fault('policy', placeOf(written, 'policies', group, name), message)
      }
    }
  }
}

function read(ctx: CheckContext, file: string, pointer: string): unknown {
  try {
    return atPointer(ctx.files.parse(file), pointer)
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}
