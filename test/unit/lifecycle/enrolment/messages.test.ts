import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toBase64Url } from '../../../../src/foundation/base/index.ts'
import { type CborInput, decodeCbor, encodeCbor } from '../../../../src/foundation/codec/index.ts'
import {
  decodeJoinRequest,
  decodeRenewRequest,
  encodeMessage,
  type JoinRequest,
  MAX_ENROLMENT_BYTES,
  type RenewRequest,
} from '../../../../src/lifecycle/enrolment/index.ts'
import { accepted, assertRefused, assertSame } from '../../../kit/enrolment.ts'

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index & 255)

const JOIN: JoinRequest = {
  tokenId: toBase64Url(bytes(16)),
  csr: bytes(64),
  identitySpki: bytes(91),
  proof: bytes(150),
  authenticator: bytes(32),
  mac: bytes(6),
  kemSpki: bytes(91),
  logSpkis: [bytes(44), bytes(1334)],
  addresses: ['camera-1.example:7402', '[::1]:7402'],
}

const RENEW: RenewRequest = {
  principalId: 'kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa',
  csr: bytes(4096),
  identitySpki: bytes(91),
  proof: bytes(150),
  generation: 0xffff_ffff,
  addresses: [],
}

type Changes = Readonly<Record<string, CborInput>>
const changed = (request: object, changes: Changes): Uint8Array =>
  encodeCbor({ ...request, ...changes })

test('requests are decoded as they were encoded', () => {
  const join = accepted(decodeJoinRequest(encodeMessage(JOIN)))
  assertSame(join, JOIN)
  const named = { ...JOIN, name: 'camera-7' }
  assertSame(accepted(decodeJoinRequest(encodeMessage(named))), named)
  const renewal = accepted(decodeRenewRequest(encodeMessage(RENEW)))
  assertSame(renewal, RENEW)
})

test('decoded bytes are copies', () => {
  const message = encodeMessage(JOIN)
  const join = accepted(decodeJoinRequest(message))
  message.fill(0)
  assertSame(join, JOIN)
})

test('a grant is a map of its fields', () => {
  const grant = {
    principalId: 'a',
    uri: 'spiffe://kos.internal/agent/a',
    name: 'a',
    profile: 'SEC-2',
    generation: 1,
    leaf: bytes(3),
  }
  const decoded = decodeCbor(encodeMessage(grant))
  assert.ok(decoded instanceof Map)
  assertSame(Object.fromEntries(decoded), grant)
})

test('fields of a join request are bounded, each on its own', () => {
  const cases: readonly (readonly [field: string, value: CborInput])[] = [
    ['tokenId', ''],
    ['tokenId', toBase64Url(bytes(15))],
    ['tokenId', `${toBase64Url(bytes(16)).slice(0, -1)}x`],
    ['tokenId', bytes(16)],
    ['csr', bytes(63)],
    ['csr', bytes(4097)],
    ['csr', 'text'],
    ['identitySpki', bytes(31)],
    ['identitySpki', bytes(2049)],
    ['proof', bytes(63)],
    ['proof', bytes(1025)],
    ['authenticator', bytes(31)],
    ['authenticator', bytes(33)],
    ['mac', bytes(5)],
    ['mac', bytes(7)],
    ['kemSpki', bytes(0)],
    ['logSpkis', []],
    ['logSpkis', [bytes(44)]],
    ['logSpkis', [bytes(44), bytes(44), bytes(44)]],
    ['addresses', 'camera-1.example:7402'],
    ['addresses', Array.from({ length: 9 }, () => 'a:1')],
    ['profile', 'SEC-4'],
    ['name', ''],
    ['name', 'a'.repeat(64)],
    ['name', bytes(4)],
    ['owner', 'alice'],
  ]
  for (const [field, value] of cases) {
    const result = decodeJoinRequest(changed(JOIN, { [field]: value }))
    assert.ok('code' in result, field)
    assert.equal(result.code, 'KOS_ENROLMENT_REQUEST')
  }
})

test('an address is host:port', () => {
  for (const address of ['camera-1', 'a:0', 'a:65536', 'http://a:1', '::1:7402', 'a:1/b', '']) {
    for (const decoded of [
      decodeJoinRequest(changed(JOIN, { addresses: [address] })),
      decodeRenewRequest(changed(RENEW, { addresses: ['a:1', address] })),
    ]) {
      assert.ok('code' in decoded, address)
      assert.match(decoded.rule, /^addresses\./)
    }
  }
})

test('fields of a renewal request are bounded, each on its own', () => {
  const cases: readonly (readonly [field: string, value: CborInput])[] = [
    ['principalId', ''],
    ['principalId', 'a'.repeat(65)],
    ['generation', 0],
    ['generation', -1],
    ['generation', 0x1_0000_0000],
    ['generation', 1.5],
    ['generation', '1'],
    ['tokenId', JOIN.tokenId],
  ]
  for (const [field, value] of cases) {
    const result = decodeRenewRequest(changed(RENEW, { [field]: value }))
    assert.ok('code' in result, field)
    assert.equal(result.code, 'KOS_ENROLMENT_REQUEST')
  }
})

test('a missing field is named', () => {
  const { mac: _, ...rest } = JOIN
  assertRefused(decodeJoinRequest(changed(rest, {})), 'KOS_ENROLMENT_REQUEST', 'mac: custom')
})

test('what is not one deterministic map within the limits is refused', () => {
  const message = encodeMessage(JOIN)
  const cases: readonly Uint8Array[] = [
    new Uint8Array(0),
    message.subarray(0, -1),
    Uint8Array.from([...message, 0]),
    new Uint8Array(MAX_ENROLMENT_BYTES + 1),
    changed(JOIN, { addresses: [['a:1']] as CborInput }),
    changed(JOIN, { tokenId: 'a'.repeat(513) }),
    encodeCbor(new Map([[1, 2]])),
  ]
  for (const bytes of cases) {
    assertRefused(decodeJoinRequest(bytes), 'KOS_ENROLMENT_REQUEST', 'encoding')
    assertRefused(decodeRenewRequest(bytes), 'KOS_ENROLMENT_REQUEST', 'encoding')
  }
  assertRefused(decodeJoinRequest(encodeCbor(1)), 'KOS_ENROLMENT_REQUEST', 'value: invalid_type')
})

test('errors that are not about the message are not hidden', () => {
  // @ts-expect-error a caller that hands in no bytes is a bug
  assert.throws(() => decodeJoinRequest(undefined), TypeError)
})
