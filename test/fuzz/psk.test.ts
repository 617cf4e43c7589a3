/**
 * What a device with a pre-shared key sends: changed or invented bytes are refused by decoder or MAC,
 * never an error and never taken.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRefusal, Secret, toBase64Url, utf8 } from '../../src/foundation/base/index.ts'
import {
  decodePskJoinRequest,
  encodeMessage,
  pskJoinAuthenticator,
} from '../../src/lifecycle/enrolment/index.ts'
import { encodePskAuth, verifyPskAuth } from '../../src/network/session/psk-auth.ts'
import { EXPORTER } from '../kit/enrolment.ts'
import { fuzz } from '../kit/fuzz.ts'

const secret = Secret.copy(new Uint8Array(32).fill(5))
const binding = utf8('binding')
const auth = encodePskAuth(binding, { handle: 'a', machine: new Uint8Array(32) }, secret)
const statement = {
  tokenId: toBase64Url(new Uint8Array(16)),
  nonce: new Uint8Array(32),
  mac: new Uint8Array(6),
  logSpkis: [new Uint8Array(44), new Uint8Array(1334)],
}
const join = encodeMessage({
  ...statement,
  authenticator: pskJoinAuthenticator(secret, EXPORTER, statement),
})

/** Whether a join request decodes and its authenticator holds. */
function takesJoin(message: Uint8Array): boolean {
  const request = decodePskJoinRequest(message)
  if (isRefusal(request)) return false
  const expected = pskJoinAuthenticator(secret, EXPORTER, request)
  return Buffer.from(expected).equals(request.authenticator)
}

function takesAuth(payload: Uint8Array): boolean {
  return !isRefusal(verifyPskAuth(payload, binding, { handle: 'a', authKey: secret }))
}

for (const [name, message, takes] of [
  ['join request', join, takesJoin],
  ['AUTH', auth, takesAuth],
] as const) {
  test(`${name}: as it was made`, () => {
    assert.ok(takes(message))
  })

  test(`${name}: one changed byte`, () => {
    const change = fc.tuple(fc.nat(message.length - 1), fc.integer({ min: 1, max: 255 }))
    fuzz(
      fc.property(change, ([at, mask]) => {
        const changed = Uint8Array.from(message)
        changed[at] = (changed[at] ?? 0) ^ mask
        assert.equal(takes(changed), false)
      }),
    )
  })

  test(`${name}: invented bytes`, () => {
    fuzz(
      fc.property(fc.uint8Array({ maxLength: 512 }), (bytes) => {
        assert.equal(takes(bytes), false)
      }),
    )
  })
}
