/** COSE: what is signed verifies; any change of any byte, and any bytes at all, are refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRefusal, Secret } from '../../src/foundation/base/index.ts'
import {
  macCose0,
  signCose,
  signCose1,
  verifyCose,
  verifyCose1,
  verifyCoseMac0,
} from '../../src/foundation/codec/index.ts'
import { cosePair } from '../kit/cose.ts'

const RUN = { numRuns: 5_000, plugins: [fc.interruptAfterTimeLimit(1000)] }
const bytes = fc.uint8Array({ maxLength: 200 })
const keyId = Uint8Array.of(1, 2, 3)
const key = { keyId, secret: Secret.copy(new Uint8Array(32).fill(1)) }
const es256 = cosePair('ES256')
const eddsa = cosePair('EdDSA')

interface Form {
  readonly make: (payload: Uint8Array, externalAad: Uint8Array) => Uint8Array
  readonly check: (message: Uint8Array, externalAad: Uint8Array) => object
}

const FORMS: Readonly<Record<string, Form>> = {
  COSE_Sign1: {
    make: (payload, externalAad) => signCose1({ payload, externalAad }, es256.signer),
    check: (message, externalAad) =>
      verifyCose1(message, { externalAad, verifier: es256.verifier, maxBytes: 4096 }),
  },
  COSE_Sign: {
    make: (payload, externalAad) =>
      signCose({ payload, externalAad }, [es256.signer, eddsa.signer]),
    check: (message, externalAad) => {
      const verifiers = [es256.verifier, eddsa.verifier]
      return verifyCose(message, { externalAad, verifiers, maxBytes: 4096 })
    },
  },
  COSE_Mac0: {
    make: (payload, externalAad) => macCose0({ payload, externalAad }, key),
    check: (message, externalAad) => verifyCoseMac0(message, { externalAad, key, maxBytes: 4096 }),
  },
}

for (const [name, { make, check }] of Object.entries(FORMS)) {
  test(`${name}: made messages verify, and every changed one is refused`, () => {
    fc.assert(
      fc.property(bytes, bytes, fc.nat(), fc.integer({ min: 1, max: 255 }), (...input) => {
        const [payload, aad, position, flip] = input
        const message = make(payload, aad)
        const result = check(message, aad)
        assert.ok('payload' in result)
        assert.deepEqual(result.payload, payload)
        const changed = Uint8Array.from(message)
        const at = position % changed.length
        changed[at] = (changed[at] ?? 0) ^ flip
        assert.ok(isRefusal(check(changed, aad)))
        assert.ok(isRefusal(check(message.subarray(0, at), aad)))
        assert.ok(isRefusal(check(message, Uint8Array.from([...aad, 0]))))
      }),
      RUN,
    )
  })

  test(`${name}: any bytes are refused`, () => {
    fc.assert(
      fc.property(bytes, (input) => {
        assert.ok(isRefusal(check(input, new Uint8Array(0))))
      }),
      RUN,
    )
  })
}
