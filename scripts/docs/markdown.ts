import { Marked, type Tokens } from 'marked'
import { escapeHtml } from '../../src/http/static/file.ts'

/** A rendered text, and what a test wants to know of it. */
export interface Rendered {
  html: string
  /** Text of the `#` heading, without markup. */
  title: string
}

/** Markdown of ours as HTML without styles or scripts. Slots (`<!--state:…-->`) stay for the server to fill. */
export function renderMarkdown(text: string): Rendered {
  const ids = new Map<string, number>()
  let title = ''
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, text: source }: Tokens.Heading): string {
        const plain = plainText(source)
        if (depth === 1 && title === '') title = plain
        const id = uniqueId(ids, plain)
        const inner = this.parser.parseInline(tokens)
        // A heading without a name of its own (`200` is one) still gets an anchor; the page's title needs none.
        if (depth === 1) return `<h1>${inner}</h1>\n`
        return `<h${depth} id="${id}"><a class="anchor" href="#${id}">${inner}</a></h${depth}>\n`
      },
      code({ text: source, lang }: Tokens.Code): string {
        const language = (lang ?? '').split(/\s/)[0] ?? ''
        return `<pre tabindex="0"><code>${highlight(source, language)}</code></pre>\n`
      },
      codespan({ text: source }: Tokens.Codespan): string {
        // A path may go on in the next line after each slash, nowhere else.
        return `<code>${escapeHtml(source).replaceAll(/(?<=\w)\/(?=[\w{])/g, '/<wbr>')}</code>`
      },
      table(token: Tokens.Table): string {
        const row = (cells: Tokens.TableCell[], tag: string) =>
          `<tr>${cells.map((cell) => `<${tag}>${this.parser.parseInline(cell.tokens)}</${tag}>`).join('')}</tr>`
        const hasHead = token.header.some((cell) => cell.text !== '')
        const head = hasHead ? `<thead>${row(token.header, 'th')}</thead>\n` : ''
        const body = token.rows.map((cells) => row(cells, 'td')).join('\n')
        return `<div class="table" tabindex="0"><table>${head}<tbody>${body}</tbody></table></div>\n`
      },
    },
  })
  const html = marked.parse(text, { async: false })
  return { html, title }
}

/** Without backticks, links and slots. */
export function plainText(markdown: string): string {
  return markdown
    .replaceAll(/<!--.*?-->/g, '')
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[`*_]/g, '')
    .trim()
}

function uniqueId(ids: Map<string, number>, text: string): string {
  const base =
    text
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '') || 'section'
  const count = (ids.get(base) ?? 0) + 1
  ids.set(base, count)
  return count === 1 ? base : `${base}-${count}`
}

const JSON_TOKEN =
  /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b|[^"\d\-tfn]+|./gs

/** Colours for JSON and for the comments and prompts of a shell; every other language stays plain. */
function highlight(source: string, language: string): string {
  if (language === 'json') return source.replace(JSON_TOKEN, jsonToken)
  const escaped = escapeHtml(source).replaceAll('&lt;!--mocks--&gt;', '<!--mocks-->')
  if (language !== 'sh') return escaped
  return escaped
    .split('\n')
    .map((line) => line.replace(/(^|\s)(#.*)$/, '$1<span class="c">$2</span>'))
    .join('\n')
}

function jsonToken(token: string, text: string | undefined, colon: string | undefined): string {
  if (text !== undefined) {
    const kind = colon === undefined ? 's' : 'k'
    return `<span class="${kind}">${escapeHtml(text)}</span>${colon ?? ''}`
  }
  return /^(?:-?\d|true$|false$|null$)/.test(token) ? `<span class="n">${token}</span>` : escapeHtml(token)
}
