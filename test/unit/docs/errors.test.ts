/** The error tables are closed, well-formed, and what docs/errors.md says. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { errorsDocument, readErrorTables } from '../../../tools/errors-doc.ts'

const ROOT = join(import.meta.dirname, '../../..')
const tables = await readErrorTables()
const rows = tables.flatMap(({ room, rows }) =>
  Object.entries(rows).map(([code, row]) => ({ room, code, ...row })),
)

describe('error tables', () => {
  test('docs/errors.md is up to date (else: npm run docs)', () => {
    assert.equal(readFileSync(join(ROOT, 'docs/errors.md'), 'utf8'), errorsDocument(tables))
  })

  test('every code carries the name of its room', () => {
    assert.ok(rows.length > 0)
    for (const { room, code } of rows) {
      const name = room.slice(room.indexOf('/') + 1).toUpperCase()
      assert.match(code, new RegExp(`^KOS_${name}_[A-Z0-9]+(?:_[A-Z0-9]+)*$`))
    }
  })

  test('no code stands in two tables', () => {
    const codes = rows.map(({ code }) => code)
    assert.deepEqual(
      codes.filter((code, index) => codes.indexOf(code) !== index),
      [],
    )
  })

  test('messages are sentences; hints are too or end in a command', () => {
    for (const { code, message, hint } of rows) {
      assert.match(message, /^\S[^\n]*[.!?]$/, code)
      assert.match(hint, /^\S[^\n]*(?:[.!?]|: [^\n]+)$/, code)
    }
  })

  test('every refusal in src carries a code of a table', () => {
    const known = new Set(rows.map(({ code }) => code))
    const refused = globSync('src/**/*.ts', { cwd: ROOT }).flatMap((path) =>
      readFileSync(join(ROOT, path), 'utf8')
        .matchAll(/\brefuse\(\s*'(KOS_\w+)'/g)
        .map(([, code = '']) => ({ path, code }))
        .toArray(),
    )
    assert.ok(refused.length > 0)
    assert.deepEqual(
      refused.filter(({ code }) => !known.has(code)),
      [],
    )
  })
})
