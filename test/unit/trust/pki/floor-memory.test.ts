import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, sha256, unixMs, utf8 } from '../../../../src/foundation/base/index.ts'
import type { PeerFacts } from '../../../../src/foundation/pipeline/index.ts'
import { profileOf, type ProfileName } from '../../../../src/foundation/profiles/index.ts'
import { createFloorMemory, type FloorMemory } from '../../../../src/trust/pki/index.ts'
import { principal } from '../../../kit/pki.ts'

function memory(stored?: Uint8Array, maxEntries?: number): FloorMemory {
  const made = createFloorMemory(stored, maxEntries)
  assert.ok(!isRefusal(made))
  return made
}

function peer(id: string, floor: ProfileName, key: string = id): PeerFacts {
  return {
    principal: principal('agent', id),
    floor: profileOf(floor),
    generation: 1,
    identityKeyHash: sha256(utf8(key)),
    tlsKeyHash: sha256(utf8('tls')),
    serial: '01',
    notAfter: unixMs(0),
  }
}

const sighting = (
  of: PeerFacts,
): { uri: string; identityKeyHash: Uint8Array; floor: PeerFacts['floor'] } => ({
  uri: of.principal.uri,
  identityKeyHash: of.identityKeyHash,
  floor: of.floor,
})

const ruleOf = (refusal: unknown): string | undefined =>
  isRefusal(refusal) ? `${refusal.code} ${refusal.rule}` : undefined

test('a floor rises and never falls', () => {
  const floors = memory()
  assert.equal(floors.check(peer('a', 'SEC-1')), undefined)
  assert.equal(floors.note(sighting(peer('a', 'SEC-3'))), true)
  assert.equal(floors.note(sighting(peer('a', 'SEC-3'))), false)
  assert.equal(floors.note(sighting(peer('a', 'SEC-2'))), false)
  assert.equal(ruleOf(floors.check(peer('a', 'SEC-2'))), 'KOS_PKI_FLOOR floor/remembered')
  assert.equal(floors.check(peer('a', 'SEC-3')), undefined)
  assert.equal(floors.check(peer('a', 'SEC-4')), undefined)
  assert.equal(floors.check(peer('b', 'SEC-2')), undefined)
  assert.equal(floors.floorOf({ uri: principal('agent', 'a').uri })?.name, 'SEC-3')
  assert.equal(floors.floorOf({ uri: principal('agent', 'b').uri }), undefined)
})

test('another principal with the same identity key has the same floor', () => {
  const floors = memory()
  floors.note(sighting(peer('a', 'SEC-4', 'key')))
  assert.equal(ruleOf(floors.check(peer('b', 'SEC-2', 'key'))), 'KOS_PKI_FLOOR floor/identity-key')
  const { uri } = principal('agent', 'b')
  const identityKeyHash = sha256(utf8('key'))
  assert.equal(floors.floorOf({ uri, identityKeyHash })?.name, 'SEC-4')
})

test('a lock list knows no key: the name alone is remembered', () => {
  const floors = memory()
  floors.note({ uri: principal('agent', 'a').uri, floor: profileOf('SEC-3') })
  assert.equal(floors.size, 1)
  assert.equal(ruleOf(floors.check(peer('a', 'SEC-2'))), 'KOS_PKI_FLOOR floor/remembered')
})

test('what is encoded comes back, and nothing else does', () => {
  const floors = memory()
  floors.note(sighting(peer('a', 'SEC-3')))
  floors.note(sighting(peer('b', 'SEC-4')))
  const bytes = floors.encode()
  const again = memory(bytes)
  assert.equal(again.size, 4)
  assert.deepEqual(again.encode(), bytes)
  assert.equal(ruleOf(again.check(peer('b', 'SEC-3'))), 'KOS_PKI_FLOOR floor/remembered')
  const wrongLevel = Uint8Array.from(bytes)
  wrongLevel[16] = 5
  const zero = Uint8Array.from(bytes)
  zero[16] = 0
  const twice = new Uint8Array([...bytes.subarray(0, 17), ...bytes.subarray(0, 17)])
  for (const bad of [bytes.subarray(1), wrongLevel, zero, twice]) {
    assert.equal(ruleOf(createFloorMemory(bad)), 'KOS_PKI_FLOOR floor/stored')
  }
  assert.equal(ruleOf(createFloorMemory(bytes, 3)), 'KOS_PKI_FLOOR floor/stored')
})

test('a flood of weak principals does not wash a strong one out', () => {
  const floors = memory(undefined, 6)
  floors.note(sighting(peer('strong', 'SEC-4')))
  for (let i = 0; i < 20; i++) floors.note(sighting(peer(`weak-${i}`, 'SEC-2')))
  assert.equal(floors.size, 6)
  floors.note(sighting(peer('other', 'SEC-3')))
  floors.note(sighting(peer('third', 'SEC-3')))
  assert.equal(floors.size, 6)
  for (const id of ['strong', 'other', 'third']) {
    assert.equal(ruleOf(floors.check(peer(id, 'SEC-2'))), 'KOS_PKI_FLOOR floor/remembered')
  }
})
