/** Names, levels and the no-downgrade rule. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  atLeast,
  parseProfileName,
  PROFILE_NAMES,
  profileOf,
  profileOfLevel,
  PROFILES,
  profilesErrors,
  refuseDowngrade,
  stricterOf,
  weakerOf,
} from '../../../../src/foundation/profiles/index.ts'

const ALL = PROFILE_NAMES.map(profileOf)
const PAIRS = ALL.flatMap((a) => ALL.map((b) => [a, b] as const))

describe('names and levels', () => {
  test('a profile is found by either spelling of its name', () => {
    for (const name of PROFILE_NAMES) {
      assert.equal(parseProfileName(name), name)
      assert.equal(parseProfileName(`kOS-${name}`), name)
      assert.equal(profileOf(name), PROFILES[name])
    }
  })

  test('nothing else names a profile', () => {
    for (const text of ['', 'SEC-5', 'sec-2', 'KOS-SEC-2', 'kOS-kOS-SEC-2', 'SEC-2 ', 'SEC', '2']) {
      assert.equal(parseProfileName(text), undefined, text)
    }
  })

  test('a level in a certificate names a profile, or none', () => {
    for (const profile of ALL) assert.equal(profileOfLevel(profile.level), profile)
    for (const level of [-1, 5, 1.5, Number.NaN]) assert.equal(profileOfLevel(level), undefined)
  })
})

describe('comparison over all pairs', () => {
  test('stricter and weaker follow the level', () => {
    for (const [a, b] of PAIRS) {
      assert.equal(atLeast(a, b), a.level >= b.level)
      assert.equal(stricterOf(a, b).level, Math.max(a.level, b.level))
      assert.equal(weakerOf(a, b).level, Math.min(a.level, b.level))
    }
  })

  test('a profile stays or rises, never falls', () => {
    for (const [floor, wanted] of PAIRS) {
      const refusal = refuseDowngrade(floor, wanted)
      if (wanted.level >= floor.level) assert.equal(refusal, undefined)
      else {
        assert.equal(refusal?.code, 'KOS_PROFILES_DOWNGRADE')
        assert.equal(refusal?.rule, 'profile-floor')
        assert.deepEqual(refusal?.details, { floor: floor.name, wanted: wanted.name })
        assert.match(refusal?.remedy ?? '', new RegExp(floor.name))
        assert.ok(Object.hasOwn(profilesErrors.rows, 'KOS_PROFILES_DOWNGRADE'))
      }
    }
  })
})
