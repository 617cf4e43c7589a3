/** `docs/protocol.md` states the frames, limits and codes that the code has. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FRAME } from '../../../src/network/session/frames.ts'
import { SESSION_LIMITS, sessionErrors } from '../../../src/network/session/index.ts'
import { GOAWAY_CODES, RESET_CODES } from '../../../src/network/session/wire-codes.ts'
import { KOS_IDENTITY_OID } from '../../../src/trust/pki/index.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/protocol.md'), 'utf8')
const rows = page.split('\n').filter((line) => line.startsWith('|'))

test('every frame type is in the table, and no other', () => {
  const table = rows.flatMap(
    (row) => /^\| 0x([0-9a-f]{2}) \| ([A-Z]+) /.exec(row)?.slice(1, 3) ?? [],
  )
  const frames = Object.entries(FRAME).flatMap(([name, type]) => [
    type.toString(16).padStart(2, '0'),
    name,
  ])
  assert.deepEqual(table, frames)
})

test('every limit has its value in the table', () => {
  for (const [name, limit] of Object.entries(SESSION_LIMITS)) {
    const value =
      typeof limit === 'number'
        ? String(limit)
        : `${(limit as typeof SESSION_LIMITS.opens).perSecond}/s, burst ${(limit as typeof SESSION_LIMITS.opens).burst}`
    assert.ok(
      rows.some((row) => row.startsWith(`| \`${name}\` | ${value} |`)),
      `${name} ${value}`,
    )
  }
})

test('every code on the wire is named', () => {
  for (const [reason, code] of Object.entries(GOAWAY_CODES)) {
    assert.ok(
      rows.some((row) => row.startsWith(`| ${code} | ${reason} |`)),
      reason,
    )
  }
  for (const [name, code] of Object.entries(RESET_CODES)) {
    assert.ok(page.includes(`${code} ${name}`), name)
  }
})

test('every error of the session is named, and the OID', () => {
  const local = [
    'KOS_SESSION_MISUSE',
    'KOS_SESSION_NOT_READY',
    'KOS_SESSION_RESULT',
    'KOS_SESSION_BUSY',
  ]
  for (const code of Object.keys(sessionErrors.rows)) {
    const short = code.replace('KOS_SESSION', '')
    assert.ok(local.includes(code) || page.includes(code) || page.includes(`${short},`), code)
  }
  assert.ok(page.includes(KOS_IDENTITY_OID))
})
