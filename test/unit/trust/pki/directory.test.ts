import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { isRefusal, sha256, unixMs, utf8 } from '../../../../src/foundation/base/index.ts'
import type { CborInput } from '../../../../src/foundation/codec/index.ts'
import {
  createDirectoryState,
  type DirectoryEntryInput,
  type DirectoryState,
  encodeDirectory,
  signNumbered,
} from '../../../../src/trust/pki/index.ts'
import { createTestAuthority, principal } from '../../../kit/pki.ts'

const authority = createTestAuthority()
after(() => authority[Symbol.dispose]())
const { ca } = authority
const signer = ca.signers.directory.coseSigner()

const camera: DirectoryEntryInput = {
  uri: principal().uri,
  name: 'camera-1',
  addresses: ['10.0.0.7:7402'],
  identityKeyHash: sha256(utf8('key')),
  profile: 'SEC-2',
  roles: ['camera'],
  groups: ['yard'],
  labels: { site: 'north' },
  owner: principal('user', 'alice').uri,
  zone: 'north',
}
const alice: DirectoryEntryInput = {
  ...camera,
  uri: principal('user', 'alice').uri,
  name: 'alice',
  addresses: [],
  owner: undefined,
  zone: undefined,
}

const sign = (body: CborInput, number: number = 1): Uint8Array =>
  signNumbered('directory', { era: 1, number, issuedAt: unixMs(0), body }, signer)
const empty = (): DirectoryState => createDirectoryState({ trust: () => ca.trust })

describe('the directory', () => {
  it('is asked by name, URI and id', () => {
    const state = empty()
    assert.equal(state.byName('camera-1'), undefined)
    assert.equal(state.apply(sign(encodeDirectory([camera, alice]))), 'newer')
    const entry = state.byName('camera-1') ?? assert.fail()
    assert.equal(entry, state.byUri(camera.uri))
    assert.equal(entry, state.byId(principal().id))
    assert.deepEqual([entry.kind, entry.id], ['device', principal().id])
    assert.deepEqual(entry.labels['site'], 'north')
    assert.equal(entry.owner, camera.owner)
    assert.equal(entry.zone, 'north')
    assert.equal(state.byName('alice')?.owner, undefined)
    assert.equal(state.current?.value.entries.length, 2)
  })

  it('has one encoding, whatever the order', () => {
    assert.deepEqual(encodeDirectory([camera, alice]), encodeDirectory([alice, camera]))
  })

  it('does not answer by an id that two kinds of principal share', () => {
    const state = empty()
    const agent = { ...alice, uri: principal('agent', 'alice').uri, name: 'alice-agent' }
    assert.equal(state.apply(sign(encodeDirectory([alice, agent]))), 'newer')
    assert.equal(state.byId('alice'), undefined)
    assert.ok(state.byUri(alice.uri))
  })

  it('names the other listeners of a principal by profile', () => {
    const state = empty()
    const listeners = { 'SEC-3': ['10.0.0.7:7403'], 'SEC-4': [] }
    state.apply(
      sign(
        encodeDirectory([
          { ...camera, listeners },
          { ...alice, listeners: {} },
        ]),
      ),
    )
    assert.deepEqual({ ...state.byName('camera-1')?.listeners }, { 'SEC-3': ['10.0.0.7:7403'] })
    assert.equal(state.byName('alice')?.listeners, undefined)
  })

  it('refuses listeners that are none', () => {
    const raw = { ...camera, owner: camera.owner ?? '', zone: 'north', labels: {} }
    const bodies = [
      {},
      { 'SEC-0': ['10.0.0.7:7400'] },
      { 'SEC-3': [] },
      { 'SEC-3': [''] },
      ['SEC-3'],
    ]
    for (const listeners of bodies) {
      const result = empty().apply(sign({ entries: [{ ...raw, listeners } as CborInput] }))
      assert.ok(isRefusal(result), JSON.stringify(listeners))
      assert.match(result.rule, /^body: entries\.0\.listeners/)
    }
  })

  const other = 'spiffe://other.internal/user/alice'
  const cases: readonly (readonly [rule: RegExp, body: CborInput])[] = [
    [/^body: twice$/, encodeDirectory([camera, { ...alice, name: 'camera-1' }])],
    [/^body: twice$/, encodeDirectory([camera, { ...camera, name: 'camera-2' }])],
    [/^body: principal$/, encodeDirectory([{ ...alice, uri: other }])],
    [/^body: principal$/, encodeDirectory([{ ...alice, uri: 'alice' }])],
    [/^body: entries\.0\.name/, encodeDirectory([{ ...alice, name: '' }])],
    [/^body: entries\.0\.owner/, encodeDirectory([{ ...alice, owner: 'bob' }])],
    [
      /^body: entries\.0\.identityKeyHash/,
      encodeDirectory([{ ...alice, identityKeyHash: Uint8Array.of(1) }]),
    ],
    [/^body: /, { entries: [1] }],
  ]
  for (const [rule, body] of cases) {
    it(`refuses a body as ${rule.source}`, () => {
      const result = empty().apply(sign(body))
      assert.ok(isRefusal(result))
      assert.equal(result.code, 'KOS_PKI_OBJECT')
      assert.match(result.rule, rule)
    })
  }
})
