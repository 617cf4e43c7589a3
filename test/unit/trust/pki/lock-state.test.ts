import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import {
  isRefusal,
  monotonicMs,
  sha256,
  unixMs,
  utf8,
} from '../../../../src/foundation/base/index.ts'
import type { CborInput } from '../../../../src/foundation/codec/index.ts'
import type { PeerFacts } from '../../../../src/foundation/pipeline/index.ts'
import { profileOf } from '../../../../src/foundation/profiles/index.ts'
import {
  createLockState,
  EMPTY_LOCK_LIST,
  encodeLockList,
  type LockList,
  type LockState,
  readLockList,
  type SignedNumbered,
  signLockFreshness,
  signNumbered,
  signSuccessor,
} from '../../../../src/trust/pki/index.ts'
import { createTestAuthority, principal } from '../../../kit/pki.ts'

const authority = createTestAuthority()
after(() => authority[Symbol.dispose]())
const { ca, clock } = authority
const signer = ca.signers.lock.coseSigner()
const { uri } = principal()

const peer: PeerFacts = {
  principal: principal(),
  floor: profileOf('SEC-2'),
  generation: 3,
  identityKeyHash: sha256(utf8('identity')),
  tlsKeyHash: sha256(utf8('tls')),
  serial: '40aa',
  notAfter: clock.wallMs(),
}

function sign(list: Partial<LockList>, held?: SignedNumbered): SignedNumbered {
  const body = encodeLockList({ ...EMPTY_LOCK_LIST, ...list })
  const next = { held: held?.object, era: 1, body, issuedAt: clock.wallMs() }
  return signSuccessor('lock-list', next, signer)
}

function stateWith(list: Partial<LockList>): LockState {
  const state = createLockState({ trust: () => ca.trust })
  assert.equal(state.apply(sign(list).bytes), 'newer')
  return state
}

const ruleOf = (result: unknown): string =>
  isRefusal(result) ? `${result.code} ${result.rule}` : String(result)

describe('what a lock list locks', () => {
  const cases: readonly (readonly [rule: string | undefined, list: Partial<LockList>])[] = [
    [undefined, {}],
    ['principal', { principals: [uri] }],
    [undefined, { principals: [principal('user', 'alice').uri] }],
    ['key', { spkis: [peer.identityKeyHash] }],
    ['key', { spkis: [peer.tlsKeyHash, sha256(utf8('x'))] }],
    [undefined, { spkis: [sha256(utf8('x'))] }],
    ['serial', { serials: ['40aa'] }],
    ['generation', { minimum: { [uri]: { generation: 4, floor: 'SEC-2' } } }],
    ['floor', { minimum: { [uri]: { generation: 3, floor: 'SEC-3' } } }],
    [undefined, { minimum: { [uri]: { generation: 3, floor: 'SEC-2' } } }],
  ]
  for (const [rule, list] of cases) {
    it(`${rule ?? 'nothing'} by ${Object.keys(list).join() || 'an empty list'}`, () => {
      const refusal = stateWith(list).check(peer)
      assert.equal(refusal?.rule, rule)
      if (refusal) assert.equal(refusal.code, 'KOS_PKI_LOCKED')
    })
  }

  it('answers by name, token and endorsement key', () => {
    const key = sha256(utf8('ek'))
    const state = stateWith({ principals: [uri], tokens: ['t1'], endorsementKeys: [key] })
    assert.ok(state.isLocked(uri) && !state.isLocked(`${uri}x`))
    assert.ok(state.isTokenLocked('t1') && !state.isTokenLocked('t2'))
    assert.ok(state.isEndorsementKeyLocked(key) && !state.isEndorsementKeyLocked(sha256(key)))
  })

  it('refuses everyone before the first list', () => {
    const state = createLockState({ trust: () => ca.trust })
    assert.equal(state.check(peer)?.rule, 'no-list')
    assert.equal(state.current, undefined)
    assert.ok(!state.isLocked(uri) && !state.isTokenLocked('x'))
    assert.ok(!state.isEndorsementKeyLocked(peer.tlsKeyHash))
  })
})

describe('the lock list that a node holds', () => {
  it('rises with changes, and is the same list when it was only signed again', () => {
    const state = createLockState({ trust: () => ca.trust })
    const first = sign({})
    assert.equal(state.apply(first.bytes), 'newer')
    clock.advance(10_000)
    const again = sign({}, first)
    assert.equal(state.apply(again.bytes), 'same')
    assert.equal(state.current?.object.issuedAt, clock.wallMs())
    assert.deepEqual(state.current?.signed, again.bytes)
    assert.equal(state.apply(first.bytes), 'same')
    assert.equal(state.current?.object.issuedAt, clock.wallMs())
    const second = sign({ principals: [uri] }, again)
    assert.equal(second.object.number, 2)
    assert.equal(state.apply(second.bytes), 'newer')
    assert.equal(state.check(peer)?.rule, 'principal')
    const third = sign({}, second)
    assert.equal(state.apply(sign({ serials: ['01'] }, third).bytes), 'newer')
  })

  it('refuses a second list of one number and a broken link', () => {
    const state = createLockState({ trust: () => ca.trust })
    const first = sign({})
    const other = sign({ principals: [uri] })
    assert.equal(state.apply(first.bytes), 'newer')
    assert.equal(ruleOf(state.apply(other.bytes)), 'KOS_PKI_OBJECT fork')
    assert.equal(ruleOf(state.apply(sign({}, other).bytes)), 'KOS_PKI_OBJECT link')
    const unlinked = { era: 1, number: 2, issuedAt: clock.wallMs(), body: 1 }
    assert.equal(
      ruleOf(state.apply(signNumbered('lock-list', unlinked, signer))),
      'KOS_PKI_OBJECT link',
    )
  })

  it('follows the roots into a new era, and nobody else', () => {
    using own = createTestAuthority()
    const lockSigner = own.ca.signers.lock.coseSigner()
    const state = createLockState({ trust: () => own.ca.trust })
    const body = encodeLockList(EMPTY_LOCK_LIST)
    const at = (era: number): Uint8Array =>
      signNumbered('lock-list', { era, number: 1, issuedAt: unixMs(0), body }, lockSigner)
    assert.equal(state.apply(at(1)), 'newer')
    assert.equal(ruleOf(state.apply(at(2))), 'KOS_PKI_OBJECT era')
    own.ca.openEra()
    assert.equal(state.apply(at(2)), 'newer')
    assert.equal(ruleOf(state.apply(at(1))), 'KOS_PKI_OLDER lock-list')
  })

  const bodies: readonly CborInput[] = [
    1,
    { ...(encodeLockList(EMPTY_LOCK_LIST) as object), extra: 1 },
    { ...(encodeLockList(EMPTY_LOCK_LIST) as object), principals: ['x'] },
    { ...(encodeLockList(EMPTY_LOCK_LIST) as object), spkis: [new Uint8Array(31)] },
    { ...(encodeLockList(EMPTY_LOCK_LIST) as object), serials: ['0'] },
    { ...(encodeLockList(EMPTY_LOCK_LIST) as object), minimum: { [uri]: { generation: 1 } } },
    new Map([[1, 1]]),
  ]
  for (const body of bodies) {
    it(`refuses the body ${JSON.stringify(body)}`, () => {
      const state = createLockState({ trust: () => ca.trust })
      const fields = { era: 1, number: 1, issuedAt: unixMs(0), body }
      const result = state.apply(signNumbered('lock-list', fields, signer))
      assert.match(ruleOf(result), /^KOS_PKI_OBJECT body: /)
      assert.equal(state.current, undefined)
    })
  }

  it('is the same bytes for the same set', () => {
    const [a, b] = [sha256(utf8('a')), sha256(utf8('b'))]
    const one = sign({ principals: [uri, principal('user', 'a').uri], spkis: [a, b, a] })
    const other = sign({ principals: [principal('user', 'a').uri, uri, uri], spkis: [b, a] })
    assert.deepEqual(one.object.hash, other.object.hash)
    const read = readLockList(one.object)
    assert.ok(!isRefusal(read))
    assert.equal(read.spkis.length, 2)
  })
})

describe('the age of the lock list', () => {
  const nonce = new Uint8Array(32).fill(9)
  const first = sign({})
  const fresh = (): LockState => {
    const state = createLockState({ trust: () => ca.trust })
    state.apply(first.bytes)
    return state
  }

  it('counts from the question, on the own monotonic clock', () => {
    const state = fresh()
    assert.equal(state.ageMs(monotonicMs(5000)), Number.POSITIVE_INFINITY)
    const answer = signLockFreshness(first.object, nonce, signer)
    assert.equal(state.confirm(answer, { nonce, askedAt: monotonicMs(4000) }), undefined)
    assert.equal(state.ageMs(monotonicMs(5000)), 1000)
    // An answer that arrives late does not make the list look older.
    assert.equal(state.confirm(answer, { nonce, askedAt: monotonicMs(3000) }), undefined)
    assert.equal(state.ageMs(monotonicMs(5000)), 1000)
  })

  it('is not renewed by an answer to another nonce, about another list or by another key', () => {
    const state = fresh()
    const question = { nonce, askedAt: monotonicMs(1) }
    const second = sign({ principals: [uri] }, first)
    const answers = [
      [signLockFreshness(first.object, new Uint8Array(32), signer), 'other list or nonce'],
      [signLockFreshness(second.object, nonce, signer), 'other list or nonce'],
      [signLockFreshness(first.object, nonce, ca.signers.policy.coseSigner()), 'key id'],
      [first.bytes, 'signature'],
    ] as const
    for (const [answer, rule] of answers) {
      assert.equal(ruleOf(state.confirm(answer, question)), `KOS_PKI_OBJECT freshness: ${rule}`)
    }
    const answer = signLockFreshness(first.object, new Uint8Array(8), signer)
    const weak = state.confirm(answer, { nonce: new Uint8Array(8), askedAt: monotonicMs(1) })
    assert.equal(ruleOf(weak), 'KOS_PKI_OBJECT freshness: nonce')
    assert.equal(state.ageMs(monotonicMs(2)), Number.POSITIVE_INFINITY)
  })

  it('needs a list', () => {
    const state = createLockState({ trust: () => ca.trust })
    const answer = signLockFreshness(first.object, nonce, signer)
    const result = state.confirm(answer, { nonce, askedAt: monotonicMs(1) })
    assert.equal(ruleOf(result), 'KOS_PKI_OBJECT freshness: no-list')
  })
})

describe('the age that profiles allow', () => {
  const nonce = new Uint8Array(32).fill(9)
  const first = sign({})
  const [sec2, sec3, sec4] = [profileOf('SEC-2'), profileOf('SEC-3'), profileOf('SEC-4')]
  const stale = 'KOS_PKI_STALE lock-list/age'

  it('is that of the stricter end, to the millisecond', () => {
    const state = createLockState({ trust: () => ca.trust })
    state.apply(first.bytes)
    const answer = signLockFreshness(first.object, nonce, signer)
    state.confirm(answer, { nonce, askedAt: monotonicMs(1000) })
    assert.equal(state.checkAge([sec3, sec4], monotonicMs(31_000)), undefined)
    assert.equal(ruleOf(state.checkAge([sec3, sec4], monotonicMs(31_001))), stale)
    assert.equal(ruleOf(state.checkAge([sec4, sec2], monotonicMs(31_001))), stale)
    assert.equal(state.checkAge([sec3, sec2], monotonicMs(601_000)), undefined)
    assert.equal(ruleOf(state.checkAge([sec2, sec3], monotonicMs(601_001))), stale)
  })

  it('is over when it was never measured, and no matter at SEC-2', () => {
    const state = createLockState({ trust: () => ca.trust })
    assert.equal(ruleOf(state.checkAge([sec3], monotonicMs(1))), stale)
    assert.equal(state.checkAge([sec2, sec2], monotonicMs(1)), undefined)
  })
})
