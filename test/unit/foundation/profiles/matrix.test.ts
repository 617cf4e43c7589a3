/** Who may meet whom: all 25 pairs, and the authority with each floor. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  listenersOf,
  meeting,
  meetingWithAuthority,
  PROFILE_NAMES,
  profileOf,
  type ProfileName,
  stricterOf,
  weakerOf,
} from '../../../../src/foundation/profiles/index.ts'

const [NONE, KEY, LACK] = ['no-session', 'authority-only', 'no-listener'] as const

/** Rows dial, columns listen. */
const EXPECTED: Readonly<Record<ProfileName, readonly string[]>> = {
  'SEC-0': [NONE, NONE, NONE, NONE, NONE],
  'SEC-1': [NONE, KEY, KEY, KEY, KEY],
  'SEC-2': [NONE, KEY, 'SEC-2', 'SEC-3', 'SEC-4'],
  'SEC-3': [NONE, KEY, 'SEC-3', 'SEC-3', 'SEC-4'],
  'SEC-4': [NONE, KEY, LACK, LACK, 'SEC-4'],
}

const FACTORS = ['none', 'psk', 'identity-key', 'hardware-key', 'hardware-key-and-second-factor']

describe('members', () => {
  for (const dialler of PROFILE_NAMES) {
    for (const [level, listener] of PROFILE_NAMES.entries()) {
      const expected = EXPECTED[dialler][level]
      test(`${dialler} dials ${listener}: ${expected}`, () => {
        const met = meeting(dialler, listener)
        if (!met.may) {
          assert.equal(met.rule, expected)
          return
        }
        assert.deepEqual(met, {
          may: true,
          listener: expected,
          dialler: FACTORS[profileOf(dialler).level],
          listening: FACTORS[level],
          ceiling: weakerOf(profileOf(dialler), profileOf(listener)).name,
          membersOnly: expected === 'SEC-4',
        })
        // Transport of the stricter floor, without exception.
        assert.equal(met.listener, stricterOf(profileOf(dialler), profileOf(listener)).name)
      })
    }
  }

  test('have the listeners on which the matrix lets somebody reach them', () => {
    assert.deepEqual(PROFILE_NAMES.map(listenersOf), [
      [],
      [],
      ['SEC-2', 'SEC-3'],
      ['SEC-3'],
      ['SEC-4'],
    ])
  })
})

test('the authority meets every floor from SEC-1 up on the listener of that floor', () => {
  const listeners = PROFILE_NAMES.map((floor) => {
    const met = meetingWithAuthority(floor)
    return met.may ? met.listener : met.rule
  })
  assert.deepEqual(listeners, [NONE, 'SEC-1', 'SEC-2', 'SEC-3', 'SEC-4'])
  assert.deepEqual(meetingWithAuthority('SEC-1'), {
    may: true,
    listener: 'SEC-1',
    dialler: 'psk',
    listening: 'psk',
    ceiling: 'SEC-1',
    membersOnly: false,
  })
  assert.deepEqual(meetingWithAuthority('SEC-4'), {
    may: true,
    listener: 'SEC-4',
    dialler: 'hardware-key-and-second-factor',
    listening: 'identity-key',
    ceiling: 'SEC-4',
    membersOnly: false,
  })
})
