const PAGES = {
  '/docs': 'Documentation',
  '/docs/reference': 'API reference',
  '/docs/problems': 'Problem types',
  '/docs/changelog': 'Changelog',
  '/docs/openapi.json': 'OpenAPI description',
}

/** The pages of the server that is looked at. */
export function Footer({ origin }: { origin: string }) {
  return (
    <footer>
      <ul class="pages">
        {Object.entries(PAGES).map(([path, title]) => (
          <li key={path}>
            <a href={origin + path}>{title}</a>
          </li>
        ))}
      </ul>
    </footer>
  )
}
