import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret, sha256 } from '../../../../src/foundation/base/index.ts'
import {
  buildCsr,
  buildName,
  coseSignerFromKey,
  encodeCbor,
  signCose1,
} from '../../../../src/foundation/codec/index.ts'
import type { JoinRequest, RenewRequest } from '../../../../src/lifecycle/enrolment/index.ts'
import {
  joinAuthenticator,
  signJoin,
  signRenewal,
  verifyJoinProofs,
  verifyRenewProofs,
} from '../../../../src/lifecycle/enrolment/proofs.ts'
import {
  accepted,
  assertRefused,
  createDevice,
  EXPORTER,
  exporterOf,
  joinRequest,
  renewRequest,
  requestKeys,
  type TestDevice,
} from '../../../kit/enrolment.ts'
import { testKey, type TestKey } from '../../../kit/x509.ts'

const token = {
  record: {
    id: 'AAAAAAAAAAAAAAAAAAAAAA',
    name: 'camera-1',
    kind: 'device',
    profile: 'SEC-2',
    owner: '',
    createdAt: 0,
    expiresAt: 0,
    state: 'open',
    spentTlsKeyHash: undefined,
    principalId: undefined,
  },
  secret: Secret.copy(new Uint8Array(32)),
} as unknown as Parameters<typeof joinRequest>[1]

const device = createDevice()
const join = joinRequest(device, token)
const renewal = renewRequest(device, { principalId: 'kdev-a', generation: 3 })
const identity = requestKeys(device).identity

/** The request with changes, signed again by the identity key. */
const resigned = (changes: Partial<JoinRequest>, by: TestDevice = device): JoinRequest => {
  const request = { ...join, ...changes }
  return { ...request, proof: signJoin(request, EXPORTER, requestKeys(by).identity) }
}

const csrOf = (key: TestKey): Uint8Array =>
  buildCsr({ spki: key.spki, subject: buildName([]) }, key.signer)

test('proofs that hold give the TLS key', () => {
  assert.deepEqual(accepted(verifyJoinProofs(join, EXPORTER)).tlsSpki, device.tls.spki)
  assert.deepEqual(accepted(verifyRenewProofs(renewal, EXPORTER)).tlsSpki, device.tls.spki)
})

test('the authenticator covers secret, exporter and request', () => {
  const { secret } = token
  assert.deepEqual(joinAuthenticator(secret, EXPORTER, join.csr), Buffer.from(join.authenticator))
  const others = [
    joinAuthenticator(Secret.copy(new Uint8Array(32).fill(1)), EXPORTER, join.csr),
    joinAuthenticator(secret, exporterOf(2), join.csr),
    joinAuthenticator(secret, EXPORTER, csrOf(device.tls)),
  ]
  for (const other of others) assert.notDeepEqual(other, Buffer.from(join.authenticator))
})

test('a proof is good for one connection', () => {
  const refused = verifyJoinProofs(join, exporterOf(2))
  assertRefused(refused, 'KOS_ENROLMENT_PROOF', 'proof/binding')
  const old = verifyRenewProofs(renewal, exporterOf(2))
  assertRefused(old, 'KOS_ENROLMENT_PROOF', 'proof/binding')
})

test('an exporter has 32 bytes', () => {
  for (const length of [0, 31, 33]) {
    const exporter = new Uint8Array(length)
    assertRefused(verifyJoinProofs(join, exporter), 'KOS_ENROLMENT_PROOF', 'proof/exporter')
    assertRefused(verifyRenewProofs(renewal, exporter), 'KOS_ENROLMENT_PROOF', 'proof/exporter')
  }
})

test('the proof of a join covers every field', () => {
  const other = createDevice()
  const changes: Partial<JoinRequest> = {
    tokenId: 'BBBBBBBBBBBBBBBBBBBBBA',
    csr: csrOf(device.tls),
    mac: new Uint8Array(6),
    kemSpki: other.kem.spki,
    logSpkis: other.logs.map(({ spki }) => spki),
    addresses: [],
  }
  for (const [field, value] of Object.entries(changes)) {
    const refused = verifyJoinProofs({ ...join, [field]: value }, EXPORTER)
    assertRefused(refused, 'KOS_ENROLMENT_PROOF', 'proof/binding')
  }
  const stolen = verifyJoinProofs({ ...join, identitySpki: other.identity.spki }, EXPORTER)
  assertRefused(stolen, 'KOS_ENROLMENT_PROOF', 'proof/identity-signature')
})

test('the proof of a renewal covers every field', () => {
  const changes: Partial<RenewRequest> = {
    principalId: 'kdev-b',
    csr: csrOf(device.tls),
    generation: 2,
    addresses: ['a:1'],
  }
  for (const [field, value] of Object.entries(changes)) {
    const refused = verifyRenewProofs({ ...renewal, [field]: value }, EXPORTER)
    assertRefused(refused, 'KOS_ENROLMENT_PROOF', 'proof/binding')
  }
})

test('neither proof passes for the other, nor does another message of the identity key', () => {
  const asJoin = { ...join, proof: signRenewal(renewal, EXPORTER, identity) }
  assertRefused(
    verifyJoinProofs(asJoin, EXPORTER),
    'KOS_ENROLMENT_PROOF',
    'proof/identity-signature',
  )
  const asRenewal = { ...renewal, proof: signJoin(join, EXPORTER, identity) }
  assertRefused(
    verifyRenewProofs(asRenewal, EXPORTER),
    'KOS_ENROLMENT_PROOF',
    'proof/identity-signature',
  )
  // The right bytes in another context.
  const { proof: _, ...statement } = renewal
  const { principalId, csr, identitySpki, generation, addresses } = statement
  const payload = encodeCbor([
    EXPORTER,
    sha256(encodeCbor({ principalId, csr, identitySpki, generation, addresses })),
  ])
  for (const context of ['kos-join-v1', 'kos-auth-v1', '']) {
    const proof = signCose1({ payload, externalAad: Buffer.from(context) }, identity)
    const refused = verifyRenewProofs({ ...renewal, proof }, EXPORTER)
    assertRefused(refused, 'KOS_ENROLMENT_PROOF', 'proof/identity-signature')
  }
  const proof = signCose1({ payload, externalAad: Buffer.from('kos-renew-v1') }, identity)
  accepted(verifyRenewProofs({ ...renewal, proof }, EXPORTER))
})

test('a CSR that another key signed proves nothing', () => {
  const csr = buildCsr({ spki: device.tls.spki, subject: buildName([]) }, testKey().signer)
  const refused = verifyJoinProofs(resigned({ csr }), EXPORTER)
  assertRefused(refused, 'KOS_ENROLMENT_PROOF', 'proof/csr-signature')
})

test('what is no CSR is refused', () => {
  for (const csr of [new Uint8Array(64), join.csr.subarray(1), device.tls.spki]) {
    const refused = verifyJoinProofs(resigned({ csr }), EXPORTER)
    assertRefused(refused, 'KOS_ENROLMENT_PROOF', 'proof/encoding')
  }
})

test('every key has its algorithm', () => {
  const [ed25519, mlDsa44] = device.logs.map(({ spki }) => spki)
  assert.ok(ed25519 && mlDsa44)
  const cases: readonly (readonly [check: string, changes: Partial<JoinRequest>])[] = [
    ['tls-key', { csr: csrOf(testKey('ed25519')) }],
    ['tls-key', { csr: csrOf(testKey('ml-dsa-44')) }],
    ['kem-key', { kemSpki: testKey('ed25519').spki }],
    ['kem-key', { kemSpki: new Uint8Array(91) }],
    ['log-key', { logSpkis: [mlDsa44, ed25519] }],
    ['log-key', { logSpkis: [testKey().spki, mlDsa44] }],
    ['log-key', { logSpkis: [ed25519, testKey('ml-dsa-65').spki] }],
    ['log-key', { logSpkis: [ed25519] }],
  ]
  for (const [check, changes] of cases) {
    const refused = verifyJoinProofs(resigned(changes), EXPORTER)
    assertRefused(refused, 'KOS_ENROLMENT_PROOF', `proof/${check}`)
  }
})

test('an identity key is P-256', () => {
  const other = testKey('ed25519')
  const signer = coseSignerFromKey(other.privateKey, sha256(other.spki))
  const request = { ...join, identitySpki: other.spki }
  const signed = { ...request, proof: signJoin(request, EXPORTER, signer) }
  assertRefused(verifyJoinProofs(signed, EXPORTER), 'KOS_ENROLMENT_PROOF', 'proof/identity-key')
  const old = { ...renewal, identitySpki: other.spki }
  const proof = signRenewal(old, EXPORTER, signer)
  const refused = verifyRenewProofs({ ...old, proof }, EXPORTER)
  assertRefused(refused, 'KOS_ENROLMENT_PROOF', 'proof/identity-key')
})

test('a point that is not on the curve is no key', () => {
  const kemSpki = Uint8Array.from(device.kem.spki)
  kemSpki[kemSpki.length - 1] = (kemSpki.at(-1) ?? 0) ^ 1
  const refused = verifyJoinProofs(resigned({ kemSpki }), EXPORTER)
  assertRefused(refused, 'KOS_ENROLMENT_PROOF', 'proof/kem-key')
})

test('errors that are not about the request are not hidden', () => {
  const broken = { ...join, csr: undefined } as unknown as JoinRequest
  assert.throws(() => verifyJoinProofs(broken, EXPORTER), TypeError)
})
