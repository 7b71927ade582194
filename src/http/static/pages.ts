import { readdirSync, readFileSync } from 'node:fs'
import type { FindImplementation } from './description.ts'
import { escapeHtml, file, page, REVALIDATE, type StaticFile, TEXT_TYPES } from './file.ts'

/** What a rendered page cannot know before it is served. */
export interface PageFacts {
  /** Undefined leaves the badges out. */
  implementationOf?: FindImplementation | undefined
  /** operationIds, for the totals. */
  operationIds: readonly string[]
  /** Without a trailing slash; null where there is no mock gateway. */
  mockGatewayUrl: string | null
}

/** What `npm run generate` has rendered from `api-contracts/`. */
const FOLDER = new URL('../../../generated/docs/', import.meta.url)

export interface DocsPages {
  /** Names as below `generated/docs`, without `.html`: `guides/errors`, `guides/errors.md`, `style.css`. */
  find(name: string): StaticFile | undefined
  names: readonly string[]
}

/** Lists the files at once, and reads each when it is asked for the first time. */
export function openPages(facts: PageFacts): DocsPages {
  const names = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => /\.[a-z]+$/.test(name))
  const known = new Set(names)
  const read = (name: string): string => readFileSync(new URL(name, FOLDER), 'utf8')
  const opened = new Map<string, StaticFile>()
  let shell: string | undefined

  function open(name: string): StaticFile {
    const ending = name.slice(name.lastIndexOf('.') + 1)
    const contentType = TEXT_TYPES[ending]
    if (contentType === undefined) throw new TypeError(`generated/docs/${name} has an ending that is not served`)
    if (ending !== 'html') return file(contentType, fillText(read(name), facts), REVALIDATE)
    shell ??= read('shell.html')
    return page(fillHtml(joinPage(shell, read(name), pathOf(name)), facts))
  }

  return {
    names: names.filter((name) => name !== 'shell.html').map((name) => name.replace(/\.html$/, '')),
    find(name) {
      const stored = known.has(`${name}.html`) && name !== 'shell' ? `${name}.html` : name
      if (!known.has(stored) || (stored === name && name.endsWith('.html'))) return undefined
      const found = opened.get(stored) ?? open(stored)
      opened.set(stored, found)
      return found
    },
  }
}

/** `guides/errors.html` is served at `/docs/guides/errors`, `guides/index.html` at `/docs/guides`. */
export function pathOf(name: string): string {
  return `/docs/${name}`.replace(/\.html$/, '').replace(/\/index$/, '')
}

const TITLE = /^<!--title:(.*)-->\n/

/** A fragment in the shell that all pages share. The links to it are marked, or those to the list that it belongs to. */
export function joinPage(shell: string, fragment: string, path: string): string {
  const title = TITLE.exec(fragment)?.[1] ?? ''
  const isListed = shell.includes(`href="${path}"`)
  const current = isListed ? path : path.slice(0, path.lastIndexOf('/'))
  return shell
    .replaceAll(`href="${current}"`, () => `href="${current}" aria-current="${isListed ? 'page' : 'true'}"`)
    .replace('<!--title-->', () => title)
    .replace('<!--main-->', () => fragment.replace(TITLE, ''))
}

export function fillHtml(html: string, facts: PageFacts): string {
  return fill(html, facts, {
    state: (state) => `<span class="badge ${state}">${state}</span>`,
    url: (url) => escapeHtml(url),
  })
}

export function fillText(text: string, facts: PageFacts): string {
  return fill(text, facts, { state: (state) => state, url: (url) => url })
}

interface Forms {
  state(state: string): string
  url(url: string): string
}

/** `<!--state:getLiveness-->`, `<!--count:real-->` and `<!--mocks-->`, which a fragment has in place of a fact. */
const SLOT = /<!--(state|count|mocks)(?::(\w+))?-->/g
/** Where no gateway is known, samples still name the address that `npm run mocks` has. */
const USUAL_GATEWAY = 'http://localhost:4000'

function fill(text: string, facts: PageFacts, forms: Forms): string {
  const { implementationOf, operationIds, mockGatewayUrl } = facts
  return text.replace(SLOT, (_slot, kind: string, name = '') => {
    if (kind === 'mocks') return forms.url(mockGatewayUrl ?? USUAL_GATEWAY)
    if (implementationOf === undefined) return kind === 'count' ? '?' : ''
    if (kind === 'state') return forms.state(implementationOf(name))
    return String(operationIds.filter((id) => implementationOf(id) === name).length)
  })
}
