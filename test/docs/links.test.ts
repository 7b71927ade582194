import { readdirSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { anchorsOf, linksOfHtml, linksOfMarkdown, startPortal } from './portal.ts'

/** Pages of others that ours may lead to: standards, which do not move. */
const ELSEWHERE = /^https:\/\/(?:www\.rfc-editor\.org|datatracker\.ietf\.org)\//
/** Built by scripts, whose addresses a crawler cannot see. */
const SCRIPTED = new Set(['/docs/reference', '/docs/redoc'])

interface Visit {
  status: number
  type: string
  text: string
}

/** Everything that can be reached from `/docs` by links, each once. */
async function crawl(url: string): Promise<{ visits: Map<string, Visit>; faults: string[] }> {
  const visits = new Map<string, Visit>()
  const faults: string[] = []
  const waiting: [path: string, from: string][] = [['/docs', '']]
  const anchors: [path: string, anchor: string, from: string][] = []
  for (const [path, from] of waiting) {
    if (visits.has(path)) continue
    const reply = await fetch(url + path, { redirect: 'manual' })
    const visit = { status: reply.status, type: reply.headers.get('content-type') ?? '', text: await reply.text() }
    visits.set(path, visit)
    // Of the health of this server, which has no database here, only the page's existence counts.
    if (visit.status !== 200 && !path.startsWith('/health/'))
      faults.push(`${path} is ${visit.status}, linked by ${from}`)
    const isHtml = visit.type.startsWith('text/html')
    const links = isHtml
      ? linksOfHtml(visit.text)
      : /markdown|plain/.test(visit.type)
        ? linksOfMarkdown(visit.text)
        : []
    for (const link of links) {
      if (ELSEWHERE.test(link)) continue
      if (!link.startsWith('/') && !link.startsWith('#')) faults.push(`${path} leads to ${link}`)
      const target = new URL(link, `${url}${path}`)
      if (target.hash !== '') anchors.push([target.pathname, decodeURI(target.hash.slice(1)), path])
      waiting.push([target.pathname, path])
    }
  }
  for (const [path, anchor, from] of anchors) {
    if (SCRIPTED.has(path)) continue
    if (!anchorsOf(visits.get(path)?.text ?? '').has(anchor)) faults.push(`${from} leads to ${path}#${anchor}`)
  }
  return { visits, faults }
}

test('every link of every page leads somewhere, and every page is reached', async () => {
  const url = await startPortal(onTestFinished)
  const { visits, faults } = await crawl(url)
  expect(faults).toEqual([])
  const rendered = readdirSync(new URL('../../generated/docs', import.meta.url), { recursive: true, encoding: 'utf8' })
  const pages = rendered
    .filter((name) => /\.\w+$/.test(name) && name !== 'shell.html')
    .map((name) => (name === 'llms.txt' ? '/llms.txt' : `/docs/${name}`.replace(/\.html$/, '').replace(/\/index$/, '')))
  expect(pages.length).toBeGreaterThan(250)
  expect(pages.filter((page) => !visits.has(page))).toEqual([])
})

test('no page has a slot left, an inline script, an inline style or a handler', async () => {
  const url = await startPortal(onTestFinished)
  const { visits } = await crawl(url)
  for (const [path, { type, text }] of visits) {
    if (path === '/' || !/html|markdown|plain/.test(type)) continue
    expect(text.match(/<!--(?:state|count|mocks|operations|title|main)/)?.[0], path).toBeUndefined()
    if (!type.startsWith('text/html')) continue
    const markup = text.replaceAll(/<pre[\s\S]*?<\/pre>/g, '').replaceAll(/<code>.*?<\/code>/g, '')
    expect(markup.match(/<style|<script(?! src="\/docs\/)|\sstyle=|\son\w+=|javascript:/i)?.[0], path).toBeUndefined()
    expect(text, path).toMatch(/^<!doctype html>\n<html lang="en"/)
    expect(/<title>([^<]+)<\/title>/.exec(text)?.[1], path).toMatch(/\w/)
  }
})
