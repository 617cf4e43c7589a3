/** Root keys in a file, what they are asked, what they sign, and what is taken back. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  isRefusal,
  KosError,
  type Refusal,
  Secret,
  systemRandom,
  unixMs,
  utf8,
} from '../../../../src/foundation/base/index.ts'
import { cborToPlain, decodeCbor, encodeCbor } from '../../../../src/foundation/codec/index.ts'
import { type KeyFilePlace, openKeyFile } from '../../../../src/trust/keys/index.ts'
import {
  createTrustState,
  exportRootKeys,
  importRootKeys,
  openRootFile,
  readRootRequest,
  type StandbyFields,
} from '../../../../src/trust/pki/index.ts'
import { encodeRootRequest } from '../../../../src/trust/pki/root-request.ts'
import { createTestAuthority, DAY_MS, principal, somePublicKey } from '../../../kit/pki.ts'
import { ruleOf, signWith } from '../../../kit/roots.ts'

const deps = { random: systemRandom }
const ends: (() => void)[] = []
after(() => {
  for (const end of ends) end()
})
const folder = mkdtempSync(join(tmpdir(), 'kos-test-'))
ends.push(() => rmSync(folder, { recursive: true, force: true }))
const passphrase = Secret.copy(utf8('correct horse'))
/** PBKDF2 costs the least here. */
const place = (name: string): KeyFilePlace & { isKept: boolean } => ({
  path: join(folder, name),
  passphrase,
  derivation: 'pbkdf2',
  isKept: false,
})

function throwsRule(run: () => unknown, code: string, named?: string): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof KosError)
    assert.equal(error.code, code)
    if (named !== undefined) assert.equal(error.details['rule'], named)
    return true
  })
}

function granted<T>(answer: T | Refusal): T {
  assert.ok(!isRefusal(answer), ruleOf(answer))
  return answer
}

const authority = createTestAuthority()
ends.push(() => authority[Symbol.dispose]())
const standby = (): StandbyFields => ({
  principal: principal().uri,
  spki: somePublicKey(),
  maxMs: 3_600_000,
})

describe('root keys in a file', () => {
  const { keys, ca } = authority
  const at = place('root.kos')

  it('are moved once they can be read there, and a cut-off move is finished', () => {
    exportRootKeys(deps, keys, { ...at, isKept: true })
    assert.ok(ca.hasRootKeys)
    assert.equal(statSync(at.path).mode & 0o777, 0o600)
    // As after a crash between the two removals.
    keys.remove('ca-root-p256')
    assert.ok(!ca.hasRootKeys)
    assert.equal(exportRootKeys(deps, keys, at).pin, ca.pin)
    assert.equal(keys.get('ca-root-ml-dsa-65'), undefined)
    throwsRule(() => exportRootKeys(deps, keys, place('new.kos')), 'KOS_PKI_STATE', 'root-keys')
  })

  it('sign every step, each of which is pending or done and never half', () => {
    using file = openRootFile(deps, at)
    assert.deepEqual([file.last.era, file.last.number], [1, 1])
    const nodes = createTrustState({ pin: ca.pin })
    const steps = [
      [{ kind: 'prepare' }, 'two intermediates'],
      [{ kind: 'taint' }, 'one tainted'],
      [{ kind: 'clear-taint' }, 'none tainted'],
      [{ kind: 'standbys', standbys: [standby()] }, 'a standby'],
      [{ kind: 'retire' }, 'one intermediate'],
      [{ kind: 'era' }, 'another era'],
    ] as const
    for (const [step, what] of steps) {
      const { bundle } = ca
      const request = ca.requestRoots(step, 'ada')
      assert.deepEqual(authority.reopen().pendingRequest()?.by, 'ada', what)
      assert.deepEqual(ca.requestRoots(step, 'bob'), request, 'the same again is the same request')
      assert.equal(ca.bundle, bundle)
      const answer = signWith(file, request)
      assert.deepEqual(signWith(file, request), answer, 'the same again is the same answer')
      assert.equal(ca.installAnswer(answer), undefined, what)
      assert.equal(ca.pendingRequest(), undefined)
      assert.deepEqual(authority.reopen().bundle, answer, what)
      assert.equal(nodes.apply(answer), 'newer', what)
      assert.equal(ruleOf(ca.installAnswer(answer)), 'KOS_PKI_ROOT_ANSWER no-request')
    }
    assert.deepEqual([ca.trust.era, ca.trust.number, ca.trust.standbys.length], [2, 7, 1])
    assert.ok(keys.get('ca-intermediate-1') && !keys.get('ca-intermediate-2'))
  })

  it('never sign two bundles of one number, nor an older one', () => {
    using file = openRootFile(deps, at)
    const first = ca.requestRoots({ kind: 'prepare' }, 'ada')
    throwsRule(() => ca.requestRoots({ kind: 'era' }, 'ada'), 'KOS_PKI_STATE', 'pending')
    const answer = signWith(file, first)
    const opened = granted(file.read(first))
    const forked = { ...opened, request: { ...opened.request, issuedAt: unixMs(1) } }
    assert.equal(ruleOf(file.sign(forked)), 'KOS_PKI_ROOT_REQUEST fork')
    const older = { ...opened, request: { ...opened.request, number: 2 } }
    assert.equal(ruleOf(file.sign(older)), 'KOS_PKI_OLDER root-request')
    // What may have been signed already has its number.
    ca.cancelRequest()
    assert.equal(ruleOf(ca.installAnswer(answer)), 'KOS_PKI_ROOT_ANSWER no-request')
    const second = ca.requestRoots({ kind: 'prepare' }, 'ada')
    assert.equal(ca.pendingRequest()?.number, 9)
    assert.equal(ruleOf(ca.installAnswer(answer)), 'KOS_PKI_ROOT_ANSWER other-request')
    assert.equal(
      ruleOf(ca.installAnswer(Uint8Array.of(1))).slice(0, 27),
      'KOS_PKI_ROOT_ANSWER bundle:',
    )
    assert.equal(ca.installAnswer(signWith(file, second)), undefined)
    assert.equal(ca.trust.number, 9)
  })

  it('let one that has ended make room, and what issues by now stays', () => {
    using file = openRootFile(deps, at)
    ca.switchIntermediate()
    throwsRule(() => ca.requestRoots({ kind: 'prepare' }, 'ada'), 'KOS_PKI_STATE', 'intermediates')
    const taint = ca.requestRoots({ kind: 'taint' }, 'ada')
    ca.switchIntermediate()
    assert.equal(ruleOf(ca.installAnswer(signWith(file, taint))), 'KOS_PKI_ROOT_ANSWER issuing')
    ca.cancelRequest()
    ca.switchIntermediate()
    authority.clock.advance(91 * DAY_MS)
    const prepare = ca.requestRoots({ kind: 'prepare' }, 'ada')
    assert.equal(ca.installAnswer(signWith(file, prepare)), undefined)
    assert.equal(ca.trust.intermediates.length, 2)
    ca.switchIntermediate()
    assert.ok(!ca.intermediateDue)
  })

  it('open an era without being stored, above whatever they signed', () => {
    using file = openRootFile(deps, at)
    const { number } = file.last
    ca.openEra({ roots: file })
    assert.deepEqual([ca.trust.era, ca.trust.number, file.last.number], [3, number + 1, number + 1])
    assert.ok(!ca.hasRootKeys)
    const stubborn = { last: undefined, sign: (): Refusal => ({ ...refusal }) }
    throwsRule(() => ca.openEra({ roots: stubborn }), 'KOS_PKI_STATE', 'roots: number')
  })

  it('come back for a site that wants rotation by itself, and numbers go on', () => {
    using file = openRootFile(deps, at)
    signWith(file, ca.requestRoots({ kind: 'era' }, 'ada'))
    importRootKeys(deps, keys, at)
    const again = authority.reopen()
    assert.ok(again.hasRootKeys)
    again.setStandbys([])
    assert.ok(again.trust.number > file.last.number)
    importRootKeys(deps, keys, at)
  })
})

const refusal: Refusal = (() => {
  const refused = readRootRequest(Uint8Array.of(1), { pin: 'x' })
  assert.ok(isRefusal(refused))
  return { ...refused, rule: 'number' }
})()

describe('a root file', () => {
  it('is refused when it is another one, damaged, open to others or incomplete', () => {
    using other = createTestAuthority()
    const at = place('other.kos')
    exportRootKeys(deps, other.keys, { ...at, isKept: true })
    throwsRule(() => exportRootKeys(deps, authority.keys, at), 'KOS_PKI_STATE', 'root-file')
    throwsRule(() => importRootKeys(deps, authority.keys, at), 'KOS_PKI_STATE', 'root-file')
    chmodSync(at.path, 0o644)
    throwsRule(() => openRootFile(deps, at), 'KOS_KEYS_MODE')
    chmodSync(at.path, 0o600)
    truncateSync(at.path, statSync(at.path).size - 1)
    throwsRule(() => openRootFile(deps, at), 'KOS_KEYS_CORRUPT')
    throwsRule(() => openRootFile(deps, place('none.kos')), 'KOS_KEYS_NOT_FOUND')
    const made = openKeyFile(deps, { ...place('empty.kos'), isNew: true })
    made.copyKey(other.keys, 'ca-root-p256')
    throwsRule(() => made.copyKey(other.keys, 'ca-root-p256'), 'KOS_KEYS_EXISTS')
    throwsRule(() => made.copyKey(other.keys, 'none'), 'KOS_KEYS_NOT_FOUND')
    made.copyKey(other.keys, 'ca-root-ml-dsa-65')
    for (const journal of [encodeCbor({ version: 1 }), Uint8Array.of(0xff)]) {
      made.sealSecret('signed', Secret.copy(journal))
      throwsRule(() => importRootKeys(deps, other.keys, place('empty.kos')), 'KOS_PKI_STATE')
    }
    made.removeSecret('signed')
    made.close()
    throwsRule(() => openRootFile(deps, place('empty.kos')), 'KOS_PKI_STATE', 'root-file')
    importRootKeys(deps, other.keys, place('empty.kos'))
  })
})

describe('a request', () => {
  using own = createTestAuthority()
  const { ca } = own
  const { pin, trust, bundle } = ca
  const request = ca.requestRoots({ kind: 'prepare' }, 'ada')
  const opened = granted(readRootRequest(request, { pin }))
  const read = (bytes: Uint8Array): string => ruleOf(readRootRequest(bytes, { pin }))
  const changed = (changes: object): string =>
    read(encodeRootRequest({ ...opened.request, ...changes }, bundle))
  const keyId = trust.intermediates[0]?.certificate.subjectKeyId ?? new Uint8Array()
  const { intermediate } = opened.request
  const { csr = new Uint8Array() } = intermediate ?? {}

  it('shows what it asks for, and nothing else can be asked', () => {
    assert.equal(opened.current.number, 1)
    assert.deepEqual([opened.request.number, opened.request.retired], [2, []])
    const cases: readonly (readonly [string, object])[] = [
      ['ok', {}],
      ['number', { number: 1 }],
      ['encoding', { number: 9, era: 0 }],
      ['retired', { retired: [Uint8Array.of(1)] }],
      ['retired', { retired: [keyId, keyId] }],
      ['intermediates', { retired: [keyId], intermediate: undefined }],
      ['readmitted', { readmitted: [bundle] }],
      ['readmitted', { readmitted: [bundle], era: 2 }],
      ['intermediate', { intermediate: { csr, ordinal: 7 } }],
      ['intermediate', { intermediate: { csr: csr.subarray(1), ordinal: 2 } }],
      ['intermediate', { intermediate: { csr: flipped(csr), ordinal: 2 } }],
      ['encoding', { standbys: [{ ...standby(), maxMs: 1 }] }],
      ['standbys', { standbys: [{ ...standby(), principal: 'nobody' }] }],
    ]
    for (const [expected, changes] of cases) {
      const wanted = expected === 'ok' ? 'ok' : `KOS_PKI_ROOT_REQUEST ${expected}`
      assert.equal(changed(changes), wanted)
    }
    assert.equal(read(request.subarray(0, -1)), 'KOS_PKI_ROOT_REQUEST encoding')
    const extra = cborToPlain(decodeCbor(request)) as Record<string, string>
    assert.equal(
      read(encodeCbor({ ...extra, signingKeys: 'mine' })),
      'KOS_PKI_ROOT_REQUEST encoding',
    )
    const other = ruleOf(readRootRequest(request, { pin: 'x' }))
    assert.equal(other, 'KOS_PKI_ROOT_REQUEST bundle: pin')
  })
})

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1
  return copy
}
