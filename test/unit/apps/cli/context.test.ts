/** Where programs look for their folders, and that the page on the command line says what they do. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type CliEnvironment,
  configFolder,
  processWorld,
  stateFolder,
} from '../../../../src/apps/cli/context.ts'
import { EXIT } from '../../../../src/apps/cli/output.ts'

const PLAIN: CliEnvironment = {
  home: '/home/olga',
  config: undefined,
  state: undefined,
  isRoot: false,
  user: 'olga',
}

test('folders follow from user, home and environment', () => {
  assert.equal(configFolder(PLAIN), '/home/olga/.config/kos')
  assert.equal(configFolder({ ...PLAIN, config: '/c' }), '/c')
  assert.equal(stateFolder(PLAIN, 'node'), '/home/olga/.local/state/kos/node')
  assert.equal(stateFolder({ ...PLAIN, isRoot: true }, 'authority'), '/var/lib/kos/authority')
  assert.equal(stateFolder({ ...PLAIN, isRoot: true, state: '/s' }, 'node'), '/s/node')
})

test('the world of this process has a user, a home and a clock', () => {
  const { environment, clock, random } = processWorld()
  assert.ok(environment.home.startsWith('/'))
  assert.ok(environment.user.length > 0)
  assert.ok(clock.wallMs() > 0)
  assert.equal(random.bytes(3).length, 3)
})

test('docs/cli.md lists the exit codes', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../../docs/cli.md'), 'utf8')
  const rows = [...page.matchAll(/^\| (\d) \| (\w+) \|/gm)].map(([, code, name]) => [
    name,
    Number(code),
  ])
  assert.deepEqual(rows, Object.entries(EXIT))
})
