import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { escapeHtml } from '../../src/http/static/file.ts'
import { guideMarkdown, guidesIndex } from './guides.ts'
import { llmsText } from './llms.ts'
import { renderMarkdown } from './markdown.ts'
import { GUIDES, readModel } from './model.ts'
import { operationMarkdown } from './operation-page.ts'
import { changelogPage, deprecationsPage, homePage, operationsPage } from './pages.ts'
import { problemMarkdown, problemsMarkdown, problemsPage } from './problem-page.ts'
import { renderShell } from './shell.ts'

/** Below the root of the repository. */
export const DOCS_FOLDER = 'generated/docs'

/**
 * Every page of the portal, by path below the root: HTML fragments that the server puts into `shell.html`, the same
 * texts as Markdown where programs want them, and what the pages need. Same input, same bytes.
 */
export function makeDocs(root: string): Map<string, string> {
  const files = new Map<string, string>()
  // A contract without guides is one of a test: there is nothing to make a portal of.
  if (!existsSync(join(root, GUIDES))) return files
  const model = readModel(root)
  const add = (name: string, content: string) => files.set(`${DOCS_FOLDER}/${name}`, content)
  const addPage = (name: string, markdown: string) => {
    const { html, title } = renderMarkdown(markdown)
    add(`${name}.html`, `<!--title:${escapeHtml(title)}-->\n${html}`)
  }
  add('shell.html', renderShell(model))
  for (const name of ['bar.css', 'style.css', 'icon.svg']) add(name, readAsset(name))
  add('index.html', homePage(model))
  addPage('guides/index', guidesIndex(model))
  for (const guide of model.guides) {
    const markdown = guideMarkdown(model, guide)
    addPage(`guides/${guide.name}`, markdown)
    add(`guides/${guide.name}.md`, `${markdown.trim()}\n`)
  }
  addPage('operations/index', operationsPage(model))
  for (const operation of model.operations) {
    const markdown = operationMarkdown(model, operation)
    addPage(`operations/${operation.id}`, markdown)
    add(`operations/${operation.id}.md`, `${markdown}\n`)
  }
  addPage('problems/index', problemsPage(model))
  for (const problem of model.problems) addPage(`problems/${problem.code}`, problemMarkdown(model, problem))
  add('problems.md', problemsMarkdown(model))
  addPage('changelog', changelogPage(model))
  addPage('deprecations', deprecationsPage(model))
  add('llms.txt', llmsText(model))
  return files
}

function readAsset(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8')
}
