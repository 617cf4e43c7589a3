/**
 * Enrolment requests: what is made is decoded and its proofs hold; changed or invented bytes are
 * refused by the decoder or by the proofs, never an error.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRefusal, type Refusal, Secret, toBase64Url } from '../../src/foundation/base/index.ts'
import { encodeCbor } from '../../src/foundation/codec/index.ts'
import {
  createJoinRequest,
  decodeJoinRequest,
  decodeRenewRequest,
  encodeMessage,
} from '../../src/lifecycle/enrolment/index.ts'
import { verifyJoinProofs, verifyRenewProofs } from '../../src/lifecycle/enrolment/proofs.ts'
import { accepted, createDevice, EXPORTER, renewRequest, requestKeys } from '../kit/enrolment.ts'
import { fuzz } from '../kit/fuzz.ts'

const device = createDevice()
const join = encodeMessage(
  createJoinRequest(
    requestKeys(device),
    {
      tokenId: toBase64Url(new Uint8Array(16)),
      secret: Secret.copy(new Uint8Array(32)),
      mac: new Uint8Array(6),
      kemSpki: device.kem.spki,
      logSpkis: device.logs.map(({ spki }) => spki),
      addresses: ['camera-1.example:7402', '[::1]:7402'],
    },
    EXPORTER,
  ),
)
const renewal = encodeMessage(
  renewRequest(device, { principalId: 'kdev-a', generation: 7 }, { addresses: ['a:1'] }),
)

const KINDS: Readonly<Record<string, { message: Uint8Array; check: (m: Uint8Array) => object }>> = {
  join: {
    message: join,
    check: (message) => {
      const request = decodeJoinRequest(message)
      return isRefusal(request) ? request : verifyJoinProofs(request, EXPORTER)
    },
  },
  renewal: {
    message: renewal,
    check: (message) => {
      const request = decodeRenewRequest(message)
      return isRefusal(request) ? request : verifyRenewProofs(request, EXPORTER)
    },
  },
}

function assertRefusedAsMessage(result: object): void {
  assert.ok(isRefusal(result))
  assert.match((result satisfies Refusal).code, /^KOS_ENROLMENT_(?:REQUEST|PROOF)$/)
}

for (const [kind, { message, check }] of Object.entries(KINDS)) {
  test(`${kind}: the request as it was made holds`, () => {
    assert.ok('tlsSpki' in accepted(check(message)))
  })

  test(`${kind}: every changed byte and every shorter message is refused`, () => {
    fuzz(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (position, flip) => {
        const at = position % message.length
        const changed = Uint8Array.from(message)
        changed[at] = (changed[at] ?? 0) ^ flip
        const result = check(changed)
        // The authenticator is the HMAC's to check, not the signature's.
        if (!isRefusal(result)) assertChangedAuthenticator(changed)
        else assertRefusedAsMessage(result)
        assertRefusedAsMessage(check(message.subarray(0, at)))
      }),
    )
  })

  test(`${kind}: any bytes are refused`, () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer())).map((map) => encodeCbor(map)),
    )
    fuzz(fc.property(anything, (bytes) => assertRefusedAsMessage(check(bytes))))
  })
}

function assertChangedAuthenticator(changed: Uint8Array): void {
  const before = accepted(decodeJoinRequest(join))
  const after = accepted(decodeJoinRequest(changed))
  assert.notDeepEqual(after.authenticator, before.authenticator)
  assert.deepEqual({ ...after, authenticator: 0 }, { ...before, authenticator: 0 })
}
