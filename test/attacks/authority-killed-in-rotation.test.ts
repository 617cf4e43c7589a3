/**
 * Fault: the authority dies in a step of the rotation of its intermediate, before or after any of the
 * durable writes of the step. It opens again in the state before the step or in the one after it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, systemRandom } from '../../src/foundation/base/index.ts'
import type { KeyStore } from '../../src/trust/keys/index.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  createTrustState,
  verifyPeerLeaf,
} from '../../src/trust/pki/index.ts'
import { createTestAuthority, leafRequest, type TestAuthority, TRUST_DOMAIN } from '../kit/pki.ts'

type Step = (ca: CertificateAuthority) => void

const prepare: Step = (ca) => ca.prepareIntermediate()
const activate: Step = (ca) => ca.switchIntermediate()
const taint: Step = (ca) => ca.taintIntermediate()
const revoke: Step = (ca) => ca.retireIntermediate()

/** Each step after those before it; `activate` also back from a taint. */
const STEPS: Readonly<Record<string, readonly Step[]>> = {
  prepare: [prepare],
  activate: [prepare, activate],
  taint: [prepare, activate, taint],
  'activate, back': [prepare, activate, taint, activate],
  revoke: [prepare, activate, taint, revoke],
}

class Killed extends Error {}

const WRITES: readonly (string | symbol)[] = ['create', 'sealSecret', 'remove']

/** A key store that dies at one of its durable writes, and the writes that it saw. */
function mortal(
  keys: KeyStore,
  at: number,
  when: 'before' | 'after',
): { keys: KeyStore; writes(): number } {
  let writes = 0
  const proxy = new Proxy(keys, {
    get: (store, name) => {
      const value: unknown = Reflect.get(store, name, store)
      if (typeof value !== 'function') return value
      return (...args: readonly unknown[]): unknown => {
        const isLast = WRITES.includes(name) && writes++ === at
        if (isLast && when === 'before') throw new Killed()
        const done: unknown = Reflect.apply(value, store, args)
        if (isLast) throw new Killed()
        return done
      }
    },
  })
  return { keys: proxy, writes: () => writes }
}

function open({ clock }: TestAuthority, keys: KeyStore): CertificateAuthority {
  return createCertificateAuthority(
    { clock, random: systemRandom, keys },
    { trustDomain: TRUST_DOMAIN },
  )
}

/** Runs the steps, dies in the last one and opens again; `false`: it has no such write. */
function dieIn(steps: readonly Step[], at: number, when: 'before' | 'after'): boolean {
  using authority = createTestAuthority()
  for (const step of steps.slice(0, -1)) step(authority.ca)
  const last = steps.at(-1) ?? prepare
  const member = createTrustState({ pin: authority.ca.pin })
  const leaf = authority.ca.issueLeaf(leafRequest()).der
  assert.equal(member.apply(authority.ca.bundle), 'newer')
  const before = authority.ca.trust.number
  const issuing = Buffer.from(authority.ca.chain[0])

  const dying = mortal(authority.keys, at, when)
  const ca = open(authority, dying.keys)
  try {
    last(ca)
    return false
  } catch (error) {
    if (!(error instanceof Killed)) throw error
  }

  const again = open(authority, authority.keys)
  const place = `write ${at}, ${when}`
  assert.ok([before, before + 1].includes(again.trust.number), place)
  // Members take what it says now, and what it issues now holds for them and for outsiders.
  assert.ok(!isRefusal(member.apply(again.bundle)), place)
  const nowMs = authority.clock.wallMs()
  const check = { bundle: again.trust, purpose: 'client', nowMs } as const
  assert.ok(!isRefusal(verifyPeerLeaf(again.issueLeaf(leafRequest()).der, check)), place)
  // Nobody who was served before is refused now, unless that is what the step was for.
  if (last !== revoke) assert.ok(!isRefusal(verifyPeerLeaf(leaf, check)), place)
  // What did not happen can be done again; the rotation is not stuck.
  const isDone = again.trust.number > before || !issuing.equals(again.chain[0])
  if (!isDone) last(again)
  if (again.trust.intermediates.length > 1) revoke(again)
  prepare(again)
  assert.equal(again.trust.intermediates.length, 2, place)
  return true
}

for (const [name, steps] of Object.entries(STEPS)) {
  test(`killed in ${name}, at every write`, () => {
    let writes = 0
    while (dieIn(steps, writes, 'before')) {
      assert.ok(dieIn(steps, writes, 'after'))
      writes += 1
    }
    assert.ok(writes > 0)
  })
}
