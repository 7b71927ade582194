import { groupGuides } from './guides.ts'
import type { DocsModel } from './model.ts'

/**
 * What all pages share. The menu is a popover: on a phone it opens without a script, on a wide screen it stands beside
 * the text.
 */
export function renderShell(model: DocsModel): string {
  const item = (href: string, text: string) => `<li><a href="${href}">${text}</a></li>`
  const group = (heading: string, items: readonly string[]) =>
    `<section><h2>${heading}</h2>\n<ul>\n${items.join('\n')}\n</ul></section>`
  const guides = groupGuides(model).map(({ heading, guides: listed }) =>
    group(
      heading,
      listed.map(({ name, title }) => item(`/docs/guides/${name}`, title)),
    ),
  )
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title><!--title--> · ${model.title}</title>
<meta name="color-scheme" content="light dark"><link rel="icon" href="/docs/icon.svg"><link rel="stylesheet" href="/docs/bar.css"><link rel="stylesheet" href="/docs/style.css"></head>
<body>
<a class="skip" href="#main">Skip to the text</a>
<header class="bar"><a class="brand" href="/docs">${model.title}</a> <span class="links"><a href="/docs/reference">Reference</a> <a href="/docs/guides">Guides</a> <a href="/docs/operations">Operations</a> <a href="/docs/problems">Problems</a> <a href="/">Console</a></span> <button type="button" popovertarget="menu">Menu</button></header>
<div class="columns">
<nav id="menu" popover aria-label="Documentation">
${group('Documentation', [item('/docs', 'Home'), item('/docs/reference', 'API reference'), item('/docs/redoc', 'Reference to print'), item('/docs/operations', 'Operations'), item('/docs/problems', 'Problem types'), item('/docs/changelog', 'Changelog'), item('/docs/deprecations', 'Deprecations')])}
${guides.join('\n')}
${group('For programs', [item('/docs/openapi.json', 'OpenAPI description'), item('/llms.txt', 'llms.txt'), item('/.well-known/api-catalog', 'API catalog'), item('/health/ready', 'Readiness')])}
</nav>
<main id="main">
<!--main-->
</main>
</div>
</body>
</html>
`
}
