import { ModelError, type ModelParameters, type ParameterRule } from '../models/model.ts'
import { resolveParameters } from '../models/registry.ts'
import type { PathTransform } from './transform.ts'

type Journey = readonly { channel: string }[]

const VERSION = '1.0.0'
const channel: ParameterRule = {
  kind: 'text',
  initial: 'direct',
  maxLength: 100,
  about: 'The channel that is left out.',
}

/** Every touch stays. */
const identity: PathTransform = {
  name: 'identity',
  version: VERSION,
  parameters: {},
  keep: (journey) => [...journey.keys()],
}

/** Of touches of one channel that follow each other, the earliest stays. */
const exposure: PathTransform = {
  name: 'exposure',
  version: VERSION,
  parameters: {},
  keep: (journey) => keepWhere(journey, (index) => journey[index]?.channel !== journey[index - 1]?.channel),
}

/** Of each channel the earliest touch stays. */
const first: PathTransform = {
  name: 'first',
  version: VERSION,
  parameters: {},
  keep(journey) {
    const seen = new Set<string>()
    return keepWhere(journey, (index) => {
      const { channel: name } = journey[index] as Journey[number]
      return seen.size < seen.add(name).size
    })
  },
}

/** Touches of the channel go, unless there are no others. */
const removeUnlessAll: PathTransform = {
  name: 'remove_unless_all',
  version: VERSION,
  parameters: { channel },
  keep(journey, { channel: name }) {
    const isAll = journey.every((touch) => touch.channel === name)
    return keepWhere(journey, (index) => isAll || journey[index]?.channel !== name)
  },
}

/** Touches of the channel after the last other one go, unless there is no other one. */
const removeTrailingUnlessAll: PathTransform = {
  name: 'remove_trailing_unless_all',
  version: VERSION,
  parameters: { channel },
  keep(journey, { channel: name }) {
    const last = journey.findLastIndex((touch) => touch.channel !== name)
    return keepWhere(journey, (index) => last === -1 || index <= last)
  },
}

/** The newest touches stay, so many of them. */
const lastN: PathTransform = {
  name: 'last_n',
  version: VERSION,
  parameters: { touches: { kind: 'integer', initial: 10, min: 1, max: 1_000, about: 'How many touches stay.' } },
  keep: (journey, { touches }) => keepWhere(journey, (index) => index >= journey.length - Number(touches)),
}

export const PATH_TRANSFORMS: readonly PathTransform[] = [
  identity,
  exposure,
  first,
  removeUnlessAll,
  removeTrailingUnlessAll,
  lastN,
]

/** A transform as it is named and set. */
export interface SetTransform {
  name: string
  version: string
  parameters: ModelParameters
}

/** Throws ModelError `unknown_transform`. */
export function getTransform(name: string): PathTransform {
  const transform = PATH_TRANSFORMS.find((one) => one.name === name)
  if (transform === undefined)
    throw new ModelError('unknown_transform', null, 'There is no path transform of this name.')
  return transform
}

/** With all of its parameters. Throws ModelError. */
export function setTransform(name: string, given: Readonly<Record<string, unknown>>): SetTransform {
  const transform = getTransform(name)
  return { name, version: transform.version, parameters: resolveParameters(transform, given) }
}

/** The touches that stay, oldest first as they come: the very journey where all of them do. */
export function transformJourney<Touch extends { channel: string }>(
  { name, parameters }: SetTransform,
  journey: readonly Touch[],
): readonly Touch[] {
  if (name === identity.name) return journey
  const kept = getTransform(name).keep(journey, parameters)
  return kept.length === journey.length ? journey : kept.map((index) => journey[index] as Touch)
}

function keepWhere(journey: Journey, isKept: (index: number) => boolean): number[] {
  const kept: number[] = []
  for (let index = 0; index < journey.length; index += 1) if (isKept(index)) kept.push(index)
  return kept
}
