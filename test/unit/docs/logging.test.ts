/** docs/logging.md lists exactly the fields an event may carry. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { LOG_FIELDS } from '../../../src/foundation/base/index.ts'

test('docs/logging.md lists the log fields', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/logging.md'), 'utf8')
  const listed = page.matchAll(/^\| `(\w+)` \| (.+) \|$/gm).toArray()
  assert.deepEqual(
    listed.map(([, name]) => name),
    [...LOG_FIELDS],
  )
  assert.deepEqual([...LOG_FIELDS], LOG_FIELDS.toSorted())
})
