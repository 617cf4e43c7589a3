/** docs/profiles.md says what the table and the matrix of profiles say. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type Meeting,
  meeting,
  meetingWithAuthority,
  PROFILE_NAMES,
  PROFILES,
} from '../../../src/foundation/profiles/index.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/profiles.md'), 'utf8')

/** The rows of the table under a heading that starts with this text, without the ruler. */
function tableOf(heading: string, firstCell: string): string[][] {
  const from = page.indexOf(`## ${heading}\n`)
  assert.ok(from >= 0, heading)
  const table = page.slice(page.indexOf(`| ${firstCell} |`, from))
  return table
    .slice(0, table.indexOf('\n\n'))
    .split('\n')
    .filter((_line, index) => index !== 1)
    .map((line) => line.slice(2, -2).split(' | '))
}

test('the table of what crosses the wire is that of the code', () => {
  const [, ...rows] = tableOf('The profiles', 'profile')
  const expected = PROFILE_NAMES.map((name) => {
    const { transport, authentication } = PROFILES[name]
    if (!transport) return [name, '–', '–', '–', '–', authentication.factor, '–']
    const { defaultPort, cipherSuite, groups, signatureAlgorithms, pinsRequired } = transport
    return [
      name,
      String(defaultPort),
      `\`${cipherSuite}\``,
      groups.join(', '),
      signatureAlgorithms.join(', '),
      authentication.factor,
      pinsRequired ? 'both ways' : 'no',
    ]
  })
  assert.deepEqual(rows, expected)
})

test('the matrix is that of the code', () => {
  const cell = (met: Meeting): string => {
    if (!met.may) return met.rule
    return met.membersOnly ? `${met.listener}, members only` : met.listener
  }
  const expected = PROFILE_NAMES.map((dialler) => [
    dialler,
    ...PROFILE_NAMES.map((listener) => cell(meeting(dialler, listener))),
    cell(meetingWithAuthority(dialler)),
  ])
  const [head, ...rows] = tableOf('Who may meet whom', 'dials ↓ · listens →')
  assert.deepEqual(head?.slice(1), [...PROFILE_NAMES, 'authority'])
  assert.deepEqual(rows, expected)
})
