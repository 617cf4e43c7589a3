import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isRefusal } from '../../../../src/foundation/base/index.ts'
import { Connected } from '../../../../src/foundation/pipeline/index.ts'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import {
  type AddressLists,
  type Admission,
  createAdmission,
  DEFAULT_ADMISSION_LIMITS,
  NO_LISTS,
} from '../../../../src/network/admission/index.ts'
import { createTestClock } from '../../../kit/clock.ts'

function gateWith(lists: Partial<AddressLists>): Admission {
  const deps = { clock: createTestClock(), onRefusals: () => undefined }
  return createAdmission(deps, { lists: { ...NO_LISTS, ...lists } })
}

function verdict(lists: Partial<AddressLists>, address: string): string {
  const listener = PROFILES['SEC-2']
  const answer = gateWith(lists).admit({ address, port: 1, listener })
  return isRefusal(answer) ? answer.code : 'admitted'
}

describe('the block list', () => {
  const block = ['192.0.2.0/25', '198.51.100.7', '2001:db8:bad::/48', '2001:db8::7']

  test('refuses addresses and prefixes', () => {
    for (const address of [
      '192.0.2.127',
      '198.51.100.7',
      '2001:db8:bad:1::1',
      '2001:db8::7',
      '::ffff:192.0.2.1',
      '2001:DB8:0:0::7%eth0',
    ]) {
      assert.equal(verdict({ block }, address), 'KOS_ADMISSION_BLOCKED', address)
    }
    for (const address of ['192.0.2.128', '198.51.100.8', '2001:db8:bae::1', '2001:db8::8']) {
      assert.equal(verdict({ block }, address), 'admitted', address)
    }
  })

  test('wins over the allow list', () => {
    const lists = { block: ['192.0.2.1'], allow: ['192.0.2.0/24'], allowOnly: true }
    assert.equal(verdict(lists, '192.0.2.1'), 'KOS_ADMISSION_BLOCKED')
    assert.equal(verdict(lists, '192.0.2.2'), 'admitted')
  })

  test('can hold everybody', () => {
    assert.equal(verdict({ block: ['0.0.0.0/0'] }, '203.0.113.1'), 'KOS_ADMISSION_BLOCKED')
    assert.equal(verdict({ block: ['::/0'] }, '2001:db8::1'), 'KOS_ADMISSION_BLOCKED')
  })
})

describe('the allow list', () => {
  test('refuses others only when asked to', () => {
    const allow = ['192.0.2.0/24']
    assert.equal(verdict({ allow }, '198.51.100.1'), 'admitted')
    assert.equal(verdict({ allow, allowOnly: true }, '198.51.100.1'), 'KOS_ADMISSION_NOT_ALLOWED')
    assert.equal(verdict({ allow, allowOnly: true }, '192.0.2.1'), 'admitted')
  })

  test('exempts from no limit', () => {
    const admission = gateWith({ allow: ['192.0.2.1'] })
    const answers = Array.from({ length: 5 }, () =>
      admission.admit({ address: '192.0.2.1', port: 1, listener: PROFILES['SEC-2'] }),
    )
    assert.deepEqual(answers.map(isRefusal), [false, false, false, false, true])
  })
})

test('lists are replaced whole or not at all', () => {
  const admission = gateWith({ block: ['192.0.2.1'] })
  assert.equal(admission.checkAddress('192.0.2.1')?.code, 'KOS_ADMISSION_BLOCKED')
  const invalid = { ...NO_LISTS, block: ['192.0.2.2', 'nonsense'] }
  assert.throws(() => admission.setLists(invalid), { code: 'KOS_ADMISSION_LIMITS' })
  assert.equal(admission.checkAddress('192.0.2.1')?.code, 'KOS_ADMISSION_BLOCKED')
  assert.equal(admission.checkAddress('192.0.2.2'), undefined)
  admission.setLists({ ...NO_LISTS, block: ['192.0.2.2'] })
  assert.equal(admission.checkAddress('192.0.2.1'), undefined)
  assert.equal(admission.checkAddress('192.0.2.2')?.code, 'KOS_ADMISSION_BLOCKED')
  assert.equal(admission.checkAddress('nonsense')?.code, 'KOS_ADMISSION_ADDRESS')
})

test('entries that would not do what they say are refused', () => {
  for (const entry of [
    '',
    'localhost',
    '192.0.2.1/33',
    '192.0.2.1/',
    '192.0.2.1/08',
    '192.0.2.1/8/8',
    '2001:db8::/129',
    'fe80::1%eth0',
    '::ffff:192.0.2.1',
    '::ffff:c000:200/120',
  ]) {
    const settings = { code: 'KOS_ADMISSION_LIMITS' }
    assert.throws(() => gateWith({ block: [entry] }), settings, entry)
    assert.throws(() => gateWith({ allow: [entry] }), settings, entry)
  }
})

test('outgoing connections ask the block list only', () => {
  const admission = gateWith({ block: ['192.0.2.1'], allowOnly: true })
  const dialled = (address: string | undefined): unknown =>
    admission.dialled({ address, port: 7402, listener: PROFILES['SEC-2'] })
  const stage = dialled('::ffff:192.0.2.2')
  assert.ok(stage instanceof Connected)
  assert.deepEqual(stage.connection, {
    sourceAddress: '192.0.2.2',
    sourcePort: 7402,
    listener: PROFILES['SEC-2'],
    direction: 'outbound',
  })
  const blocked = dialled('192.0.2.1')
  assert.ok(isRefusal(blocked) && blocked.code === 'KOS_ADMISSION_BLOCKED')
  const gone = dialled(undefined)
  assert.ok(isRefusal(gone) && gone.code === 'KOS_ADMISSION_ADDRESS')
})

test('limits out of range are refused', () => {
  const deps = { clock: createTestClock(), onRefusals: () => undefined }
  const { penaltyMs } = DEFAULT_ADMISSION_LIMITS
  for (const limits of [
    { halfOpenPerSource: 0 },
    { halfOpenTotal: 1.5 },
    { reservedLane: -1 },
    { connectionsPerDevice: Number.NaN },
    { connectionRate: { perSecond: 0, burst: 1 } },
    { connectionRate: { perSecond: Number.POSITIVE_INFINITY, burst: 1 } },
    { connectionRate: { perSecond: 1, burst: 0 } },
    { penaltyMs: { ...penaltyMs, timeout: -1 } },
    { penaltyMaxMs: 600_001 },
    { penaltyThresholdMs: 600_000, penaltyMaxMs: 1000 },
    { minHandshakeWindow: 65 },
    { knownGoodMs: Number.POSITIVE_INFINITY },
  ]) {
    const settings = { code: 'KOS_ADMISSION_LIMITS' }
    assert.throws(() => createAdmission(deps, { limits }), settings, JSON.stringify(limits))
  }
  assert.ok(createAdmission(deps))
})
