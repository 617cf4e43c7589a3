import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  equalBytes,
  isRefusal,
  KosError,
  type Refusal,
  unixMs,
  utf8,
} from '../../../../src/foundation/base/index.ts'
import {
  type CborInput,
  type CoseSigner,
  coseSignerFromKey,
  coseVerifierFromSpki,
  encodeCbor,
  signCose1,
} from '../../../../src/foundation/codec/index.ts'
import {
  compareNumbered,
  type NumberedObject,
  renewAtMs,
  signNumbered,
  signSuccessor,
  verifyNumbered,
} from '../../../../src/trust/pki/index.ts'
import { testKey } from '../../../kit/x509.ts'

const key = testKey()
const verifier = coseVerifierFromSpki(key.spki)
const signer: CoseSigner = coseSignerFromKey(key.privateKey, verifier.keyId)
const check = { verifiers: [verifier], maxBytes: 4096 }
const fields = { era: 1, number: 2, issuedAt: unixMs(1000), body: { a: 1 } }

function ok(result: NumberedObject | Refusal): NumberedObject {
  assert.ok(!isRefusal(result), JSON.stringify(result))
  return result
}

function ruleOf(bytes: Uint8Array, changes: Partial<typeof check> = {}): string {
  const result = verifyNumbered('manifest', bytes, { ...check, ...changes })
  assert.ok(isRefusal(result))
  assert.equal(result.code, 'KOS_PKI_OBJECT')
  return result.rule
}

describe('numbered objects', () => {
  it('survive a round trip', () => {
    const previous = new Uint8Array(32).fill(3)
    const signed = signNumbered('manifest', { ...fields, previous }, signer)
    const object = ok(verifyNumbered('manifest', signed, check))
    assert.deepEqual([object.era, object.number, object.issuedAt], [1, 2, 1000])
    assert.deepEqual(object.body, new Map([['a', 1]]))
    assert.deepEqual(object.previous, previous)
    assert.equal(object.hash.length, 32)
  })

  it('keep their hash when signed again, and change it with any other part', () => {
    const hashOf = (changes: object): string => {
      const signed = signNumbered('manifest', { ...fields, ...changes }, signer)
      return Buffer.from(ok(verifyNumbered('manifest', signed, check)).hash).toString('hex')
    }
    assert.equal(hashOf({}), hashOf({ issuedAt: 5 }))
    const others = [{ era: 2 }, { number: 3 }, { body: 1 }, { previous: new Uint8Array(32) }]
    assert.equal(new Set([{}, ...others].map((change) => hashOf(change))).size, 5)
  })

  it('are bound to their kind and key', () => {
    const signed = signNumbered('lock-list', fields, signer)
    assert.equal(ruleOf(signed), 'signature')
    const other = coseVerifierFromSpki(testKey().spki)
    assert.equal(ruleOf(signNumbered('manifest', fields, signer), { verifiers: [other] }), 'key id')
    assert.match(ruleOf(signed, { maxBytes: 16 }), /^format/)
  })

  it('may be signed by any of several keys', () => {
    const other = coseVerifierFromSpki(testKey().spki)
    const signed = signNumbered('manifest', fields, signer)
    assert.ok(ok(verifyNumbered('manifest', signed, { ...check, verifiers: [other, verifier] })))
  })

  const payloads: readonly (readonly [rule: string, payload: CborInput])[] = [
    ['payload: fields', [1, 1, 1, null]],
    ['payload: era-number', [0, 1, 1, null, 1]],
    ['payload: era-number', [1, 0, 1, null, 1]],
    ['payload: previous', [1, 1, 1, new Uint8Array(31), 1]],
    ['payload: expected: array', { a: 1 }],
  ]
  for (const [rule, payload] of payloads) {
    it(`are refused in another form: ${JSON.stringify(payload)}`, () => {
      const content = { payload: encodeCbor(payload), externalAad: utf8('kos-manifest-v1') }
      assert.equal(ruleOf(signCose1(content, signer)).slice(0, 12), rule.slice(0, 12))
    })
  }

  it('keep the limit of items', () => {
    const body = Array.from({ length: 20 }, () => 0)
    const signed = signNumbered('manifest', { ...fields, body }, signer)
    const limits = { ...check, maxItems: 10 }
    const result = verifyNumbered('manifest', signed, limits)
    assert.ok(isRefusal(result))
  })

  it('cannot be signed out of range', () => {
    const wrong = [
      { era: 0 },
      { number: 0 },
      { number: 1.5 },
      { era: 2 ** 53 },
      { previous: new Uint8Array(8) },
    ]
    for (const change of wrong) {
      assert.throws(
        () => signNumbered('manifest', { ...fields, ...change }, signer),
        (error) => error instanceof KosError && error.code === 'KOS_PKI_ISSUE',
      )
    }
  })

  it('are ordered by era, then number', () => {
    const at = (era: number, number: number): { era: number; number: number } => ({ era, number })
    assert.ok(compareNumbered(at(1, 9), at(2, 1)) < 0)
    assert.ok(compareNumbered(at(2, 2), at(2, 1)) > 0)
    assert.equal(compareNumbered(at(2, 2), at(2, 2)), 0)
  })
})

describe('successors', () => {
  const next = (held: NumberedObject | undefined, body: CborInput, extra: object = {}) =>
    signSuccessor('manifest', { held, era: 1, body, issuedAt: unixMs(10), ...extra }, signer)

  it('start at 1, rise with a change only, and are linked', () => {
    const first = next(undefined, { x: 1 })
    assert.deepEqual([first.object.number, first.object.previous], [1, undefined])
    const verified = ok(verifyNumbered('manifest', first.bytes, check))
    assert.deepEqual(verified, first.object)

    const again = next(first.object, { x: 1 }, { issuedAt: unixMs(20) })
    assert.equal(again.object.number, 1)
    assert.equal(again.object.issuedAt, 20)
    assert.ok(equalBytes(again.object.hash, first.object.hash))

    const second = next(again.object, { x: 2 })
    assert.equal(second.object.number, 2)
    assert.deepEqual(second.object.previous, first.object.hash)
    // The clock went back: the issue time does not.
    assert.equal(second.object.issuedAt, 20)
    const secondAgain = next(second.object, { x: 2 })
    assert.deepEqual(secondAgain.object.previous, first.object.hash)
    assert.ok(equalBytes(secondAgain.object.hash, second.object.hash))
  })

  it('go on counting in a new era, and never return to an old one', () => {
    const first = next(undefined, { x: 1 })
    const opened = next(first.object, { x: 1 }, { era: 2 })
    assert.deepEqual([opened.object.era, opened.object.number], [2, 2])
    assert.throws(
      () => next(opened.object, { x: 1 }, { era: 1 }),
      (error) => error instanceof KosError && error.details['rule'] === 'era',
    )
  })
})

describe('renewal', () => {
  it('falls at half life, plus or minus ten percent', () => {
    const at = (fraction: number): number =>
      renewAtMs(unixMs(1000), unixMs(2000), {
        fraction: () => fraction,
        bytes: () => new Uint8Array(),
        uuidv7: () => '',
      })
    assert.equal(at(0), 1450)
    assert.equal(at(0.5), 1500)
    assert.equal(at(0.999_999), 1550)
  })
})
