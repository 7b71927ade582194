import type { JsonObject } from '../../generate/json.ts'
import { childOf, placeOf, references, type SourceOperation } from '../source.ts'
import type { Bench, Operator, Target } from './operator.ts'
import { eachDocument, eachOperation, nameOf } from './targets.ts'

const SHARED = '_common/schemas.yaml#/components/schemas/'
const MISSING_TEXT = { type: 'string', maxLength: 10 }

/** Faults that keep a document from being read, or the documents from becoming one. */
export const documentFaults: readonly Operator[] = [
  {
    id: 'syntax-error',
    what: 'a description with an unquoted colon',
    gate: 'document',
    rule: 'document/readable',
    targets: (bench) =>
      eachOperation(bench, hasPlainSummary(bench), (draft, operation) =>
        draft.replace(operation.file, summaryLine(operation), '      summary: one: two\n'),
      ),
  },
  {
    id: 'repeated-key',
    what: 'a key that is written twice',
    gate: 'document',
    rule: 'document/readable',
    targets: (bench) =>
      eachOperation(bench, hasPlainSummary(bench), (draft, operation) => {
        const line = summaryLine(operation)
        const first = draft.replace(operation.file, line, line + line)
        return { ...first, line: first.line + 1 }
      }),
  },
  {
    id: 'other-version',
    what: 'one document with a version of its own',
    gate: 'document',
    rule: 'document/version',
    targets: (bench) =>
      eachDocument(
        bench,
        (_document, index) => index > 0,
        (draft, document) => {
          draft.set(placeOf(document, 'info', 'version'), '7.7.7')
          return placeOf(document, 'info', 'version')
        },
      ),
  },
  {
    id: 'loose-version',
    what: 'a version that is not semantic',
    gate: 'document',
    rule: 'document/version',
    targets: (bench) =>
      eachDocument(
        bench,
        (_document, index) => index > 0,
        (draft, document) => {
          draft.set(placeOf(document, 'info', 'version'), '0.1')
          return placeOf(document, 'info', 'version')
        },
      ),
  },
  {
    id: 'old-openapi',
    what: 'a document of OpenAPI 3.0',
    gate: 'document',
    rule: 'document/version',
    targets: (bench) =>
      eachDocument(
        bench,
        () => true,
        (draft, document) => {
          draft.set(placeOf(document, 'openapi'), '3.0.3')
          return placeOf(document, 'openapi')
        },
      ),
  },
  {
    id: 'unknown-field',
    what: 'a misspelt field of an operation',
    gate: 'document',
    rule: 'document/struct',
    times: 2,
    targets: (bench) =>
      eachOperation(
        bench,
        () => true,
        (draft, operation) => {
          draft.insert(operation, 'sumary', 'Misspelt')
          return placeOf(operation, 'sumary')
        },
      ),
  },
  {
    id: 'wrong-type',
    what: '`deprecated` as a word',
    gate: 'document',
    rule: 'document/struct',
    targets: (bench) =>
      eachOperation(
        bench,
        ({ value }) => value.deprecated === undefined,
        (draft, operation) => {
          draft.insert(operation, 'deprecated', 'soon')
          return placeOf(operation, 'deprecated')
        },
      ),
  },
  {
    id: 'unknown-scheme-type',
    what: 'a security scheme of a kind that OpenAPI does not have',
    gate: 'document',
    rule: 'document/struct',
    targets: (bench) =>
      bench.ctx.source().files.flatMap((file) => {
        const node = { file, pointer: '#', value: bench.ctx.files.parse(file) as JsonObject }
        return Object.keys(childOf(node, 'components', 'securitySchemes')?.value ?? {}).flatMap((name): Target[] => {
          const scheme = childOf(node, 'components', 'securitySchemes', name)
          if (scheme === undefined || scheme.value.type === undefined) return []
          return [
            {
              file: nameOf(bench, scheme),
              name,
              plant: (draft) => {
                draft.set(placeOf(scheme, 'type'), 'passphrase')
                return placeOf(scheme, 'type')
              },
            },
          ]
        })
      }),
  },
  {
    id: 'nullable',
    what: '`nullable` of OpenAPI 3.0',
    gate: 'document',
    rule: 'document/struct',
    targets: (bench) =>
      eachComponent(bench, (draft, schema) => {
        draft.insert(schema, 'nullable', true)
        return placeOf(schema, 'nullable')
      }),
  },
  {
    id: 'missing-ref-target',
    what: 'a `$ref` to a component that does not exist',
    gate: 'bundle',
    rule: 'bundle/references',
    times: 2,
    targets: (bench) => eachReference(bench, (ref) => ref.replace(/[^/]+$/, 'DoesNotExist')),
  },
  {
    id: 'missing-ref-file',
    what: 'a `$ref` to a file that does not exist',
    gate: 'bundle',
    rule: 'bundle/references',
    targets: (bench) =>
      eachReference(bench, (ref) => (ref.startsWith('#') ? null : ref.replace(/[\w-]+\.yaml/, 'gone.yaml'))),
  },
  {
    id: 'remote-ref',
    what: 'a `$ref` to another host',
    gate: 'bundle',
    rule: 'bundle/references',
    targets: (bench) => eachReference(bench, () => 'https://example.com/openapi.yaml#/components/schemas/Thing'),
  },
  {
    id: 'circular-ref',
    what: 'a schema that is a reference to itself',
    gate: 'bundle',
    rule: 'bundle/cycles',
    targets: (bench) =>
      eachComponent(bench, (draft, schema, name) => {
        draft.set(schema, { $ref: `#/components/schemas/${name}` })
        return placeOf(schema, '$ref')
      }),
  },
  {
    id: 'endless-schema',
    what: 'a schema that must contain itself',
    gate: 'bundle',
    rule: 'bundle/cycles',
    targets: (bench) =>
      eachComponent(bench, (draft, schema, name) => {
        draft.set(schema, {
          type: 'object',
          additionalProperties: false,
          required: ['inner'],
          properties: { inner: { $ref: `#/components/schemas/${name}` } },
        })
        return schema
      }),
  },
  {
    id: 'component-clash',
    what: 'a component with the name of another in an earlier document',
    gate: 'bundle',
    rule: 'bundle/joins',
    targets: (bench) => {
      const [first] = bench.ctx.source().documents
      const [name = ''] = Object.keys((first && childOf(first, 'components', 'schemas')?.value) ?? {})
      return eachDocument(
        bench,
        (document, index) => index > 0 && childOf(document, 'components', 'schemas') !== undefined,
        (draft, document) => {
          draft.insert(placeOf(document, 'components', 'schemas'), name, MISSING_TEXT)
          return placeOf(document, 'components', 'schemas', name)
        },
      )
    },
  },
  {
    id: 'renamed-component',
    what: 'a component with the name of a shared one that the document uses too',
    gate: 'bundle',
    rule: 'bundle/joins',
    targets: (bench) =>
      eachDocument(
        bench,
        (document) =>
          childOf(document, 'components', 'schemas') !== undefined && sharedName(bench, document) !== undefined,
        (draft, document) => {
          const name = sharedName(bench, document) ?? ''
          draft.insert(placeOf(document, 'components', 'schemas'), name, MISSING_TEXT)
          // The bundler names the place where the other one is wanted.
          return draft.replace(document.file, `${SHARED}${name}'`, `${SHARED}${name}'`)
        },
      ),
  },
  {
    id: 'repeated-path',
    what: 'a path of an earlier document, with another name for its parameter',
    gate: 'bundle',
    rule: 'bundle/joins',
    targets: (bench) => {
      const [first] = bench.ctx.source().documents
      const path = Object.keys((first && childOf(first, 'paths')?.value) ?? {}).find((each) => each.includes('{'))
      if (path === undefined) return []
      const same = path.replaceAll(/\{[^}]+\}/g, '{another_name}')
      return eachDocument(
        bench,
        (_document, index) => index > 0,
        (draft, document) => {
          draft.insert(placeOf(document, 'paths'), same, {})
          return placeOf(document, 'paths', same)
        },
      )
    },
  },
  {
    id: 'other-tag-description',
    what: 'a tag that another document describes otherwise',
    gate: 'bundle',
    rule: 'bundle/joins',
    targets: (bench) => {
      const seen = new Set<string>()
      const repeated = bench.ctx.source().documents.filter(({ value }) => {
        const [tag] = Array.isArray(value.tags) ? value.tags : []
        const name = JSON.stringify(tag)
        return seen.has(name) || seen.add(name) === undefined
      })
      return eachDocument(
        bench,
        (document) => repeated.some(({ file }) => file === document.file),
        (draft, document) => {
          draft.set(placeOf(document, 'tags', 0, 'description'), 'Something else.')
          return placeOf(document, 'tags')
        },
      )
    },
  },
  {
    id: 'other-servers',
    what: 'a document with a server of its own',
    gate: 'bundle',
    rule: 'bundle/joins',
    targets: (bench) =>
      eachDocument(
        bench,
        (_document, index) => index > 0,
        (draft, document) => {
          draft.set(placeOf(document, 'servers', 0, 'url'), 'https://api.example.com')
          return placeOf(document, 'servers')
        },
      ),
  },
]

/** A shared schema that the document refers to in one place only, and no shared part does. */
function sharedName(bench: Bench, { file }: { file: string }): string | undefined {
  const { files } = bench.ctx.source()
  const shared = files.filter((each) => each.includes('_common')).map((each) => bench.ctx.files.text(each))
  const names = [...bench.ctx.files.text(file).matchAll(/_common\/schemas\.yaml#\/components\/schemas\/(\w+)'/g)].map(
    ([, name]) => name,
  )
  return names.find(
    (name) =>
      names.filter((each) => each === name).length === 1 &&
      shared.every((text) => !text.includes(`#/components/schemas/${name}'`)),
  )
}

function summaryLine({ value }: SourceOperation): string {
  return `      summary: ${String(value.summary)}\n`
}

/** Written on one line without quotes, so that it can be found in the text. */
function hasPlainSummary(bench: Bench): (operation: SourceOperation) => boolean {
  return (operation) => bench.ctx.files.text(operation.file).includes(summaryLine(operation))
}

/** Schemas among the components of a document. */
function eachComponent(
  bench: Bench,
  plant: (
    draft: Parameters<Target['plant']>[0],
    schema: { file: string; pointer: string },
    name: string,
  ) => ReturnType<Target['plant']>,
): Target[] {
  return bench.ctx.source().documents.flatMap((document) =>
    Object.keys(childOf(document, 'components', 'schemas')?.value ?? {}).flatMap((name): Target[] => {
      const schema = childOf(document, 'components', 'schemas', name)
      if (schema === undefined || schema.value.$ref !== undefined) return []
      return [{ file: nameOf(bench, document), name, plant: (draft) => plant(draft, schema, name) }]
    }),
  )
}

/** References of all files; a new text of null leaves one out. */
function eachReference(bench: Bench, change: (ref: string) => string | null): Target[] {
  return bench.ctx.source().files.flatMap((file) =>
    [...references({ file, pointer: '#' }, bench.ctx.files.parse(file))].flatMap(({ place, ref }): Target[] => {
      const wrong = change(ref)
      if (wrong === null) return []
      return [
        {
          file: nameOf(bench, place),
          name: ref.replace(/^.*#/, '#'),
          plant: (draft) => {
            draft.set(place, wrong)
            return place
          },
        },
      ]
    }),
  )
}
