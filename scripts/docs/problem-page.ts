import { jsonBlock, link, table } from './markdown-text.ts'
import type { DocsModel, ProblemType } from './model.ts'
import { operationLink } from './operation-page.ts'

/** `/docs/problems`: every code, in the order of the registry. */
export function problemsPage(model: DocsModel): string {
  const rows = model.problems.map((problem) => [
    String(problem.status),
    link(`\`${problem.code}\``, `/docs/problems/${problem.code}`),
    problem.title,
    firstSentence(problem.description),
  ])
  return [
    '# Problem types',
    `Every error is a problem document (RFC 9457). Its \`code\` is one of these ${model.problems.length}, its \`type\` is the path of the code's page. How to handle errors in a program: ${link('Errors', '/docs/guides/errors')}.`,
    table(['status', 'code', 'title', 'what happened'], rows),
  ].join('\n\n')
}

/** The page that `type` leads to. */
export function problemMarkdown(model: DocsModel, problem: ProblemType): string {
  const { code, status, title, description, causes, remedies, operations, example } = problem
  return [
    `# ${title}`,
    `Code \`${code}\`, HTTP status ${status}. The \`type\` of the problem is this page, \`/docs/problems/${code}\`.`,
    '## What happened',
    description,
    ...(causes.length === 0 ? [] : ['## Why', list(causes)]),
    ...(remedies.length === 0 ? [] : ['## What to do', list(remedies)]),
    '## Which operations answer it',
    operationsText(model, status, operations),
    '## Example',
    jsonBlock(example),
    `${link('Errors', '/docs/guides/errors')} says what the members mean. ${link('All problem types', '/docs/problems')}`,
  ].join('\n\n')
}

/** All of them in one text, for programs. */
export function problemsMarkdown(model: DocsModel): string {
  const parts = model.problems.map(({ code, status, title, description, causes, remedies }) =>
    [
      `## ${code} (${status})`,
      `${title}. ${description}`,
      ...(causes.length === 0 ? [] : ['Why:', list(causes)]),
      ...(remedies.length === 0 ? [] : ['What to do:', list(remedies)]),
    ].join('\n\n'),
  )
  return `# Problem types\n\n${parts.join('\n\n')}\n`
}

function operationsText(model: DocsModel, status: number, ids: readonly string[]): string {
  if (ids.length === 0) return `Any of them: the server itself answers ${status}, whatever the operation.`
  if (ids.length === model.operations.length) return 'Every operation.'
  return `${ids.length} of ${model.operations.length}: ${ids.map(operationLink).join(', ')}.`
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item.replaceAll(/\s*\n\s*/g, ' ')}`).join('\n')
}

function firstSentence(text: string): string {
  return /^.*?[.](?=\s|$)/.exec(text)?.[0] ?? text
}
