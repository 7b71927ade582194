import { expect, test } from 'vitest'
import { consoleFiles } from './console.ts'

const files = new Map(consoleFiles().map(({ path, find }) => [path, find({})]))

test.each([
  ['/', 'text/html; charset=utf-8'],
  ['/console/app.js', 'text/javascript; charset=utf-8'],
  ['/console/app.css', 'text/css; charset=utf-8'],
  ['/console/icon.svg', 'image/svg+xml'],
])('%s is %s, and asked for anew each time', (path, contentType) => {
  expect(files.get(path)).toMatchObject({ contentType, cacheControl: 'public, no-cache' })
})

test('the page loads what is served here, and has nothing that its policy would refuse', () => {
  const html = files.get('/')?.body.toString() ?? ''
  const loaded = [...html.matchAll(/<(?:script|link)[^>]* (?:src|href)="([^"]*)"/g)].map(([, target]) => target)
  expect(loaded).toEqual(['/console/icon.svg', '/console/app.js', '/console/app.css'])
  expect(loaded.filter((path) => !files.has(path ?? ''))).toEqual([])
  expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]* src=)/)
})

test('the policy: own scripts and styles, no frame, and requests only to the own server, this machine and https', () => {
  const policy = Object.fromEntries(
    (files.get('/')?.headers['Content-Security-Policy'] ?? '')
      .split('; ')
      .map((directive) => [directive.split(' ')[0], directive.split(' ').slice(1).join(' ')]),
  )
  expect(policy).toEqual({
    'default-src': "'none'",
    'script-src': "'self'",
    'style-src': "'self'",
    'img-src': "'self'",
    'connect-src': "'self' https: http://localhost:* http://127.0.0.1:*",
    'require-trusted-types-for': "'script'",
    'trusted-types': "'none'",
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
  })
})
