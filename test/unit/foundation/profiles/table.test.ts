/** The table of profiles says what the decided page says, and cannot be changed. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Profile, PROFILE_NAMES, PROFILES } from '../../../../src/foundation/profiles/index.ts'

const ALL = PROFILE_NAMES.map((name) => PROFILES[name])
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const MIB = 1024 * 1024

/** One row of the page: what SEC-0 to SEC-4 say. */
function row(of: (profile: Profile) => unknown, expected: readonly unknown[]): void {
  assert.deepEqual(ALL.map(of), expected)
}

test('the profiles stand in order of strictness', () => {
  row(({ name }) => name, ['SEC-0', 'SEC-1', 'SEC-2', 'SEC-3', 'SEC-4'])
  row(({ level }) => level, [0, 1, 2, 3, 4])
  assert.deepEqual(Object.keys(PROFILES), [...PROFILE_NAMES])
})

describe('transport', () => {
  const of =
    <K extends keyof NonNullable<Profile['transport']>>(key: K) =>
    ({ transport }: Profile) =>
      transport?.[key]

  test('cipher suites and authentication', () => {
    const [aes128, aes256] = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384']
    row(of('cipherSuite'), [undefined, aes128, aes256, aes256, aes256])
    row(of('authentication'), [undefined, 'psk', 'certificate', 'certificate', 'certificate'])
  })

  test('groups: hybrid first everywhere, hybrid only from SEC-3 on', () => {
    const open = ['SecP256r1MLKEM768', 'X25519MLKEM768', 'P-256']
    row(of('groups'), [
      undefined,
      open,
      open,
      ['SecP256r1MLKEM768', 'X25519MLKEM768'],
      ['SecP256r1MLKEM768', 'SecP384r1MLKEM1024'],
    ])
  })

  test('one port per profile; pins from SEC-3 on', () => {
    row(of('defaultPort'), [undefined, 7401, 7402, 7403, 7404])
    row(of('pinsRequired'), [undefined, false, false, true, true])
  })
})

describe('identity', () => {
  test('factors, cluster, evidence for joining', () => {
    row(
      ({ authentication }) => authentication.factor,
      ['none', 'psk', 'identity-key', 'hardware-key', 'hardware-key-and-second-factor'],
    )
    row(
      ({ authentication }) => authentication.clusterMembersOnly,
      [false, false, false, false, true],
    )
    row(({ joinEvidence }) => joinEvidence, ['none', 'token', 'token', 'hardware', 'hardware'])
  })

  test('life of certificates and grace of renewal', () => {
    row(({ certificateLifeMs }) => certificateLifeMs, [undefined, undefined, DAY, HOUR, HOUR])
    row(({ renewalGraceMs }) => renewalGraceMs, [0, 0, 30 * DAY, DAY, DAY])
  })

  test('attestation', () => {
    row(
      ({ attestation }) => attestation.demand,
      ['none', 'none', 'optional', 'required', 'required'],
    )
    row(({ attestation }) => attestation.atBoot, [false, false, false, true, true])
    row(({ attestation }) => attestation.beforeAdmission, [false, false, false, false, true])
    row(
      ({ attestation }) => attestation.intervalMs,
      [undefined, undefined, undefined, 15 * MINUTE, MINUTE],
    )
  })

  test('revocation', () => {
    row(({ revocation }) => revocation.lockList, [false, true, true, true, true])
    row(({ revocation }) => revocation.crl, [false, false, true, true, true])
    row(
      ({ revocation }) => revocation.maxLockListAgeMs,
      [undefined, undefined, undefined, 10 * MINUTE, 30 * SECOND],
    )
  })
})

describe('messages, audit, updates', () => {
  test('seals and signatures', () => {
    row(
      ({ messages }) => messages.seal,
      ['none', 'per-flush', 'per-flush', 'per-flush', 'per-message'],
    )
    row(
      ({ messages }) => messages.signed,
      ['nothing', 'nothing', 'bus', 'commands-and-results', 'every-operation'],
    )
  })

  test('audit fails closed, with an intent for everything, from SEC-3 on', () => {
    row(
      ({ audit }) => audit.mode,
      ['local', 'forwarded', 'forwarded', 'fail-closed', 'fail-closed'],
    )
    row(({ audit }) => audit.intentAlways, [false, false, false, true, true])
    row(({ audit }) => audit.witnessed, [false, false, false, false, true])
  })

  test('updates', () => {
    row(({ updates }) => updates.mode, ['none', 'manual', 'scheduled', 'automatic', 'manual'])
    row(({ updates }) => updates.approvals, [0, 0, 0, 0, 2])
    row(
      ({ updates }) => updates.rollbackCounter,
      ['none', 'sealed-state', 'sealed-state', 'tpm-nv', 'tpm-nv'],
    )
  })
})

describe('execution', () => {
  test('ceilings', () => {
    row(({ ceiling }) => ceiling.session, [false, true, true, true, true])
    row(({ ceiling }) => ceiling.execution, ['none', 'minimal', 'limited', 'full', 'full'])
    row(
      ({ ceiling }) => ceiling.untrustedCode,
      ['refused', 'namespace', 'namespace', 'microvm', 'microvm'],
    )
    row(
      ({ ceiling }) => ceiling.externalTraffic,
      ['none', 'none', 'proxy-allow-list', 'proxy-allow-list', 'cluster-only'],
    )
  })

  test('quotas', () => {
    row(({ quota }) => quota?.cpuCores, [undefined, 0.25, 0.5, 1, 0.5])
    row(({ quota }) => quota && quota.memoryBytes / MIB, [undefined, 64, 128, 256, 128])
    row(({ quota }) => quota?.maxProcesses, [undefined, 16, 32, 64, 16])
    row(({ quota }) => quota?.maxOpenFiles, [undefined, 64, 128, 256, 64])
    row(({ quota }) => quota && quota.scratchBytes / MIB, [undefined, 8, 32, 64, 16])
    row(({ quota }) => quota && quota.wallTimeMs / SECOND, [undefined, 10, 30, 60, 30])
    row(({ quota }) => quota?.cpuTimeSeconds, [undefined, 5, 15, 60, 10])
    row(({ quota }) => quota && quota.maxOutputBytes / 1024, [undefined, 256, 1024, 4096, 256])
    row(({ quota }) => quota?.maxPrograms, [undefined, 1, 2, 4, 1])
    row(
      ({ quota }) => quota?.network,
      [undefined, 'none', 'proxy-allow-list', 'proxy-allow-list', 'none'],
    )
  })

  test('network of the daemon per hour', () => {
    row(
      ({ daemonBytesPerHour }) => daemonBytesPerHour / MIB,
      [1, 64, 4 * 1024, 64 * 1024, 16 * 1024],
    )
  })

  test('pings', () => {
    row(({ pingIntervalMs }) => pingIntervalMs / SECOND, [20, 20, 20, 20, 5])
    row(({ deadPeerMs }) => deadPeerMs / SECOND, [60, 60, 60, 60, 15])
  })
})

test('the table is frozen to the last leaf', () => {
  const seen = new Set<object>()
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    assert.ok(Object.isFrozen(value))
    for (const member of Object.values(value)) visit(member)
  }
  visit(PROFILES)
  assert.ok(seen.size > 40)
  assert.throws(() => Object.assign(PROFILES['SEC-4'].ceiling, { execution: 'none' }), TypeError)
})
