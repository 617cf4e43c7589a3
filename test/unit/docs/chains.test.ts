/** `docs/chains.md` names every reason and every limit that the validator has. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PATH_LIMITS, PATH_REASONS } from '../../../src/trust/pki/index.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/chains.md'), 'utf8')
const rows = page.split('\n').filter((line) => line.startsWith('|'))

test('every reason is in the table', () => {
  const cells = rows.map((row) => row.split('|')[1] ?? '').join()
  const missing = Object.keys(PATH_REASONS).filter((reason) => !cells.includes(`\`${reason}\``))
  assert.deepEqual(missing, [])
})

test('every limit has its value in the table', () => {
  for (const [name, value] of Object.entries(PATH_LIMITS)) {
    assert.ok(
      rows.some((row) => row.startsWith(`| \`${name}\` | ${value} |`)),
      name,
    )
  }
})
