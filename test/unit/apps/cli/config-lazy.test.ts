/** Whoever has no configuration does not wait for what reads one. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const CLI = join(import.meta.dirname, '../../../../src/apps/cli')

/** Everything that a module loads with it; what it may load later is not followed. */
function loadedWith(start: string): ReadonlySet<string> {
  const loaded = new Set<string>()
  const pending = [start]
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (loaded.has(path)) continue
    loaded.add(path)
    if (!path.endsWith('.ts')) continue
    const text = readFileSync(path, 'utf8')
    for (const [, clause = '', from = ''] of text.matchAll(
      /^(?:import|export) ([^;]*?)from '([^']+)'/gm,
    )) {
      if (clause.startsWith('type ')) continue
      pending.push(from.startsWith('.') ? join(dirname(path), from) : from)
    }
  }
  return loaded
}

test('neither the programs nor the daemons load YAML at their start', () => {
  for (const start of [
    'main',
    'kosd',
    'daemon-authority-run',
    'daemon-node-run',
    'daemon-config',
  ]) {
    const loaded = loadedWith(join(CLI, `${start}.ts`))
    assert.ok(loaded.size > 1, start)
    assert.ok(!loaded.has('yaml'), start)
  }
  assert.ok(loadedWith(join(CLI, 'config/load.ts')).has('yaml'), 'a configuration does')
})
