/** The table of limits in docs/protocol.md says what the code does. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SESSION_LIMITS } from '../../../src/network/session/index.ts'

const PAGE = join(import.meta.dirname, '../../../docs/protocol.md')
const ROW = /^\| `(?<name>\w+)` \| (?<value>[^|]+) \|/

/** The rows of one section's table: name and value. */
function rowsOf(page: string, heading: string): readonly (readonly [string, string])[] {
  const [, section = ''] = page.split(`\n## ${heading}\n`)
  const [table = ''] = section.split('\n## ')
  return table.split('\n').flatMap((line) => {
    const { name, value } = ROW.exec(line)?.groups ?? {}
    return name !== undefined && value !== undefined ? [[name, value] as const] : []
  })
}

test('the table of limits equals SESSION_LIMITS, each limit once', () => {
  const written = Object.entries(SESSION_LIMITS).map(([name, limit]: [string, unknown]) => {
    if (typeof limit === 'number') return [name, String(limit)] as const
    assert.ok(typeof limit === 'object' && limit !== null && 'perSecond' in limit)
    assert.ok('burst' in limit)
    return [name, `${String(limit.perSecond)}/s, burst ${String(limit.burst)}`] as const
  })
  assert.deepEqual(rowsOf(readFileSync(PAGE, 'utf8'), 'Limits'), written)
})
