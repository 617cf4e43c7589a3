/** docs/est.md says what kosctl prints, and docs/profiles.md which routes need no signature. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AlertIntake } from '../../../src/apps/authority/alert-intake.ts'
import { apiRoutes } from '../../../src/apps/authority/routes.ts'
import type { AuthorityServices } from '../../../src/apps/authority/services.ts'
import { estCommands } from '../../../src/apps/cli/est-commands.ts'

const read = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../../docs', name), 'utf8')
const routes = apiRoutes({} as AuthorityServices, {} as AlertIntake)

test('the commands of the first certificate are those of kosctl', () => {
  const commands = estCommands({
    url: 'https://HOST:7400/.well-known/est',
    user: 'TOKEN',
    password: 'SECRET',
    rootPem: '-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n',
  })
  assert.ok(read('est.md').includes(`\`\`\`sh\n${commands}\n\`\`\`\n`))
})

test('the page names every route of EST', () => {
  const page = read('est.md')
  for (const { path } of routes.filter((route) => route.path.startsWith('/.well-known/est/'))) {
    assert.ok(page.includes(path.slice('/.well-known/est'.length)), path)
  }
})

test('the routes without a signature are those of the page', () => {
  const page = read('profiles.md')
  const from = page.indexOf('Exempt, each with its own proof or with nothing to protect:')
  const sentence = page.slice(from, page.indexOf('. The certificate guard', from))
  const told = [...sentence.matchAll(/`(\/[^`]+)`/g)].map(([, path]) => path)
  const exempt = routes
    .filter(({ guard, isUnsigned }) => guard === 'public' || guard === 'proof' || isUnsigned)
    .map(({ path }) => path)
  assert.deepEqual(new Set(told), new Set(exempt))
})
