/** An old directory is brought back, to lead calls for a name to a device that was replaced. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, sha256, utf8 } from '../../src/foundation/base/index.ts'
import {
  createDirectoryState,
  type DirectoryEntryInput,
  encodeDirectory,
  type NumberedObject,
  type SignedNumbered,
  signSuccessor,
} from '../../src/trust/pki/index.ts'
import { createTestAuthority, principal } from '../kit/pki.ts'

test('an older directory cannot give a name back to another device', () => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const signer = ca.signers.directory.coseSigner()
  const entry = (id: string, address: string): DirectoryEntryInput => ({
    uri: principal('device', id).uri,
    name: 'camera',
    addresses: [address],
    identityKeyHash: sha256(utf8(id)),
    profile: 'SEC-2',
    roles: [],
    groups: [],
    labels: {},
  })
  const sign = (one: DirectoryEntryInput, held?: NumberedObject): SignedNumbered => {
    const body = encodeDirectory([one])
    return signSuccessor('directory', { held, era: ca.era, body, issuedAt: clock.wallMs() }, signer)
  }
  const stolen = sign(entry(`kdev-${'a'.repeat(26)}`, '10.0.0.66:7402'))
  const current = sign(entry(`kdev-${'b'.repeat(26)}`, '10.0.0.7:7402'), stolen.object)

  const state = createDirectoryState({ trust: () => ca.trust })
  assert.equal(state.apply(current.bytes), 'newer')
  const result = state.apply(stolen.bytes)
  assert.ok(isRefusal(result))
  assert.deepEqual([result.code, result.rule], ['KOS_PKI_OLDER', 'directory'])
  assert.deepEqual(state.byName('camera')?.addresses, ['10.0.0.7:7402'])
  assert.equal(state.byUri(principal('device', `kdev-${'a'.repeat(26)}`).uri), undefined)
})
