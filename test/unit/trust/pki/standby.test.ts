/** A standby signer keeps a list young while the authority is away, within bounds, and does nothing else. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import {
  isRefusal,
  monotonicMs,
  type PrincipalUri,
  type Refusal,
  unixMs,
  utf8,
} from '../../../../src/foundation/base/index.ts'
import { encodeCbor, signCose1 } from '../../../../src/foundation/codec/index.ts'
import {
  createLockState,
  EMPTY_LOCK_LIST,
  encodeLockList,
  type LockList,
  type LockState,
  pkiErrors,
  signLockFreshness,
  signStandbyFreshness,
  signStandbyProof,
  signSuccessor,
  type SignedNumbered,
  type StandbyFields,
  verifyStandbyProof,
} from '../../../../src/trust/pki/index.ts'
import { createTestAuthority, principal, somePublicKey } from '../../../kit/pki.ts'

const authority = createTestAuthority()
after(() => authority[Symbol.dispose]())
const { ca, keys, clock } = authority
const key = keys.create('standby', 'freshness', 'P-256')
const by = principal('agent', 'standby').uri
const HOUR_MS = 3_600_000
const entry: StandbyFields = { principal: by, spki: key.spki, maxMs: HOUR_MS }
const nonce = new Uint8Array(32).fill(9)

const ruleOf = (refusal: Refusal | string | undefined): string =>
  isRefusal(refusal) ? `${refusal.code} ${refusal.rule}` : (refusal ?? 'ok')

function sign(list: Partial<LockList>, held?: SignedNumbered): SignedNumbered {
  const body = encodeLockList({ ...EMPTY_LOCK_LIST, ...list })
  const next = { held: held?.object, era: ca.era, body, issuedAt: clock.wallMs() }
  return signSuccessor('lock-list', next, ca.signers.lock.coseSigner())
}

const first = sign({})
const wallMs = first.object.issuedAt
const question = { by, nonce, askedAt: monotonicMs(1000), wallMs }

function held(): LockState {
  const state = createLockState({ trust: () => ca.trust })
  state.apply(first.bytes)
  return state
}

const answer = (list = first, signer = key): Uint8Array =>
  signStandbyFreshness(list.object, nonce, signer.coseSigner())

describe('standby signers of a bundle', () => {
  it('are permitted and taken back by both roots, and outlive a restart and other changes', () => {
    assert.deepEqual(ca.trust.standbys, [])
    const { number } = ca.trust
    ca.setStandbys([entry])
    assert.equal(ca.trust.number, number + 1)
    const [one] = authority.reopen().trust.standbys
    assert.deepEqual([one?.principal, one?.maxMs], [by, HOUR_MS])
    assert.deepEqual(one?.spki, key.spki)
    ca.prepareIntermediate()
    ca.openEra()
    assert.equal(ca.trust.standbys.length, 1)
    ca.setStandbys([])
    assert.deepEqual(authority.reopen().trust.standbys, [])
    ca.setStandbys([entry])
  })

  const ed25519 = keys.create('other', 'log', 'Ed25519').spki
  const others = [1, 2, 3].map((n) => ({
    ...entry,
    principal: principal('agent', `a-${n}`).uri,
    spki: somePublicKey(),
  }))
  const unfit: readonly (readonly [string, readonly StandbyFields[]])[] = [
    ['one member twice', [entry, { ...entry, spki: somePublicKey() }]],
    ['one key twice', [entry, { ...entry, principal: principal('agent', 'a').uri }]],
    ['a key that signs lock lists', [{ ...entry, spki: ca.signers.lock.spki }]],
    ['a key of another algorithm', [{ ...entry, spki: ed25519 }]],
    ['no key', [{ ...entry, spki: Uint8Array.of(1) }]],
    ['a user', [{ ...entry, principal: principal('user', 'olga').uri }]],
    ['another domain', [{ ...entry, principal: 'spiffe://x.y/device/a' as PrincipalUri }]],
    ['no time at all', [{ ...entry, maxMs: 0 }]],
    ['more than a day', [{ ...entry, maxMs: 24 * HOUR_MS + 1 }]],
    ['four of them', [entry, ...others]],
  ]
  for (const [what, standbys] of unfit) {
    it(`are refused: ${what}`, () => {
      const before = ca.bundle
      assert.throws(
        () => ca.setStandbys(standbys),
        (error) => pkiErrors.has(error) && error.code === 'KOS_PKI_STATE',
      )
      assert.deepEqual(ca.bundle, before)
    })
  }
})

describe('the word of a standby signer', () => {
  it('makes the held list young, from the question on', () => {
    const state = held()
    assert.equal(state.freshBy, undefined)
    assert.equal(ruleOf(state.confirmByStandby(answer(), question)), 'ok')
    assert.deepEqual([state.ageMs(monotonicMs(5000)), state.freshBy], [4000, by])
    const earlier = { ...question, askedAt: monotonicMs(500) }
    assert.equal(ruleOf(state.confirmByStandby(answer(), earlier)), 'ok')
    assert.equal(state.ageMs(monotonicMs(5000)), 4000)
    // The authority is back: its later word is the one that counts.
    const signer = ca.signers.lock.coseSigner()
    const own = signLockFreshness(first.object, nonce, signer)
    assert.equal(state.confirm(own, { nonce, askedAt: monotonicMs(2000) }), undefined)
    assert.deepEqual([state.ageMs(monotonicMs(5000)), state.freshBy], [3000, 'authority'])
  })

  it('counts for its own answer, this nonce and the held list only', () => {
    const state = held()
    const newer = sign({ principals: [principal('agent', 'thief').uri] }, first)
    const lock = ca.signers.lock.coseSigner()
    const rogue = keys.create('rogue', 'freshness', 'P-256')
    const asAuthority = signLockFreshness(first.object, nonce, key.coseSigner())
    const answers = [
      [answer(newer), 'other list or nonce'],
      [
        signStandbyFreshness(first.object, new Uint8Array(32), key.coseSigner()),
        'other list or nonce',
      ],
      [answer(first, rogue), 'key id'],
      [signLockFreshness(first.object, nonce, lock), 'key id'],
      [asAuthority, 'signature'],
    ] as const
    for (const [bytes, rule] of answers) {
      const refused = state.confirmByStandby(bytes, question)
      assert.equal(ruleOf(refused), `KOS_PKI_OBJECT freshness: ${rule}`)
    }
    // Nor is it one of the authority.
    assert.equal(ruleOf(state.confirm(asAuthority, question)), 'KOS_PKI_OBJECT freshness: key id')
    assert.equal(state.ageMs(monotonicMs(2000)), Number.POSITIVE_INFINITY)
  })

  it('is nothing without a list, and from somebody who is no standby', () => {
    const empty = createLockState({ trust: () => ca.trust })
    const none = 'KOS_PKI_OBJECT freshness: no-list'
    assert.equal(ruleOf(empty.confirmByStandby(answer(), question)), none)
    const other = { ...question, by: principal('agent', 'other').uri }
    const stranger = 'KOS_PKI_OBJECT freshness: no standby'
    assert.equal(ruleOf(held().confirmByStandby(answer(), other)), stranger)
  })

  it('ends with the limit, by the date of the list and by the own clock', () => {
    const late = (changes: Partial<typeof question>): string =>
      ruleOf(held().confirmByStandby(answer(), { ...question, ...changes }))
    assert.equal(late({ wallMs: unixMs(wallMs + HOUR_MS) }), 'ok')
    assert.equal(late({ wallMs: unixMs(wallMs + HOUR_MS + 1) }), 'KOS_PKI_STALE standby/limit')
    // A wall clock that stands still makes no difference.
    const state = held()
    const signer = ca.signers.lock.coseSigner()
    const own = signLockFreshness(first.object, nonce, signer)
    state.confirm(own, { nonce, askedAt: monotonicMs(1000) })
    const at = (askedAt: number): string =>
      ruleOf(state.confirmByStandby(answer(), { ...question, askedAt: monotonicMs(askedAt) }))
    assert.equal(at(1000 + HOUR_MS), 'ok')
    assert.equal(at(1001 + HOUR_MS), 'KOS_PKI_STALE standby/limit')
    // Without the authority since the start, the first question is where it begins.
    const restarted = held()
    assert.equal(ruleOf(restarted.refuseStandby(question)), 'ok')
    const later = { ...question, askedAt: monotonicMs(1001 + HOUR_MS) }
    assert.equal(ruleOf(restarted.refuseStandby(later)), 'KOS_PKI_STALE standby/limit')
  })

  it('ends, also what was said before, when it is locked or no longer permitted', () => {
    const state = held()
    state.confirmByStandby(answer(), question)
    state.apply(sign({ principals: [by] }, first).bytes)
    assert.deepEqual(
      [state.ageMs(monotonicMs(2000)), state.freshBy],
      [Number.POSITIVE_INFINITY, undefined],
    )
    assert.equal(ruleOf(state.confirmByStandby(answer(), question)), 'KOS_PKI_LOCKED standby')
    const removed = held()
    removed.confirmByStandby(answer(), question)
    ca.setStandbys([])
    assert.equal(removed.freshBy, undefined)
    assert.equal(
      ruleOf(removed.confirmByStandby(answer(), question)),
      'KOS_PKI_OBJECT freshness: no standby',
    )
    ca.setStandbys([entry])
    assert.equal(removed.freshBy, by)
  })
})

describe('the offer of a standby signer', () => {
  it('is proven by the key, for one member', () => {
    const proof = signStandbyProof(by, key.coseSigner())
    const offer = { spki: key.spki, proof }
    const other = principal('agent', 'other').uri
    const elsewhere = signCose1(
      { payload: encodeCbor([by]), externalAad: utf8('kos-standby-freshness-v1') },
      key.coseSigner(),
    )
    const said = [
      verifyStandbyProof(by, offer),
      verifyStandbyProof(other, offer),
      verifyStandbyProof(by, { ...offer, spki: somePublicKey() }),
      verifyStandbyProof(by, { ...offer, spki: Uint8Array.of(1) }),
      verifyStandbyProof(by, { ...offer, spki: keys.require('other').spki }),
      verifyStandbyProof(by, { ...offer, proof: elsewhere }),
    ]
    assert.deepEqual(
      said.map((refusal) => ruleOf(refusal).replace('KOS_PKI_OBJECT standby: ', '')),
      ['ok', 'other principal', 'key id', 'key', 'key', 'signature'],
    )
  })
})
