import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isRefusal, refuse, Secret, sha256, utf8 } from '../../../../src/foundation/base/index.ts'
import { CborWriter } from '../../../../src/foundation/codec/index.ts'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import { encodePskAuth, verifyPskAuth } from '../../../../src/network/session/psk-auth.ts'
import { PSK_HANDLE, pskFacts, pskPair, type PskPairOptions } from '../../../kit/psk-pair.ts'
import { establish, pumpHandshake, testPeer } from '../../../kit/session-pair.ts'

/** Why the listener refuses. */
function refusal(options: PskPairOptions): string {
  const { listener } = pumpHandshake(pskPair(options))
  assert.ok(listener && isRefusal(listener))
  return `${listener.code} ${listener.rule}`
}

describe('a session by pre-shared key', () => {
  test('both ends prove the key, and run by SEC-1', () => {
    const { dialler, listener } = establish(pskPair())
    assert.equal(listener.peer.principal.uri, pskFacts('dialler').principal.uri)
    assert.equal(dialler.peer.principal.kind, 'authority')
    assert.deepEqual([dialler.profile.name, listener.profile.name], ['SEC-1', 'SEC-1'])
    assert.deepEqual([dialler.peerHello.profile.name, listener.peer.serial], ['SEC-1', PSK_HANDLE])
    assert.equal(dialler.sessionId, listener.sessionId)
  })

  test('the listener learns which machine it is', () => {
    const seen: Uint8Array[] = []
    const admit = (machine: Uint8Array): undefined => void seen.push(machine)
    establish(pskPair({ peer: { listener: { admit } } }))
    assert.deepEqual(Buffer.from(seen[0] ?? []), Buffer.from(sha256(utf8('dialler'))))
  })

  test('the last word on a machine is the listener’s', () => {
    const admit = (): ReturnType<typeof refuse> => refuse('KOS_SESSION_AUTH', 'machine')
    assert.equal(refusal({ peer: { listener: { admit } } }), 'KOS_SESSION_AUTH machine')
  })
})

describe('refused', () => {
  test('where no key is known', () => {
    const without = { psk: undefined } as unknown as Record<string, never>
    const rule = refusal({ authenticator: { listener: without } })
    assert.equal(rule, 'KOS_SESSION_UNSUPPORTED pre-shared key')
  })

  test('a handle that stands for nobody', () => {
    const psk = {
      own: () => ({ principal: pskFacts('listener').principal, machine: new Uint8Array(32) }),
      verify: () => refuse('KOS_PKI_LOCKED', 'serial'),
    }
    assert.equal(refusal({ authenticator: { listener: { psk } } }), 'KOS_PKI_LOCKED serial')
  })

  test('a pre-shared key at a certificate listener', () => {
    const handshake = { listener: { transport: PROFILES['SEC-2'] } }
    assert.equal(refusal({ handshake }), 'KOS_SESSION_IDENTITY channel: credentials')
  })

  test('a certificate at a pre-shared-key listener', () => {
    const { leafDer, leafHash } = testPeer('intruder')
    const leaf = { peerLeafDer: leafDer, localLeafHash: leafHash }
    assert.equal(
      refusal({ handshake: { listener: { ...leaf, pskHandle: undefined } } }),
      'KOS_SESSION_IDENTITY channel: credentials',
    )
    assert.equal(
      refusal({ handshake: { listener: leaf } }),
      'KOS_SESSION_IDENTITY channel: credentials',
    )
  })

  test('another principal than the handle stands for', () => {
    const facts = { ...pskFacts('dialler'), principal: testPeer('other').principal }
    assert.equal(
      refusal({ peer: { listener: { facts } } }),
      'KOS_SESSION_IDENTITY hello: principal',
    )
  })
})

describe('the AUTH payload', () => {
  const authKey = Secret.take(new Uint8Array(32).fill(9))
  const machine = new Uint8Array(32).fill(3)
  const binding = utf8('binding')
  const payload = encodePskAuth(binding, { handle: 'a', machine }, authKey)
  const check = (bytes: Uint8Array, bound: Uint8Array = binding): string => {
    const result = verifyPskAuth(bytes, bound, { handle: 'a', authKey })
    return isRefusal(result) ? result.rule : 'ok'
  }

  test('round trip', () => {
    assert.equal(check(payload), 'ok')
  })

  test('every changed byte is refused', () => {
    for (let at = 0; at < payload.length; at += 1) {
      const changed = Uint8Array.from(payload)
      changed[at] = (changed[at] ?? 0) ^ 1
      assert.notEqual(check(changed), 'ok', `byte ${at}`)
    }
  })

  test('every shorter and every longer one is refused', () => {
    for (let length = 0; length < payload.length; length += 1) {
      assert.match(check(payload.subarray(0, length)), /^format: /)
    }
    assert.match(check(Buffer.concat([payload, Uint8Array.of(0)])), /^format: /)
  })

  test('another binding, handle, key', () => {
    assert.equal(check(payload, utf8('another')), 'binding')
    const other = Secret.take(new Uint8Array(32).fill(8))
    assert.equal(check(encodePskAuth(binding, { handle: 'a', machine }, other)), 'tag')
    assert.equal(check(encodePskAuth(binding, { handle: 'b', machine }, authKey)), 'key id')
  })

  test('fields of another kind', () => {
    const fields = (...keys: readonly number[]): Uint8Array => {
      const writer = new CborWriter()
      writer.map(keys.length)
      for (const key of keys) {
        writer.uint(key)
        writer.bytes(machine)
      }
      return writer.take()
    }
    assert.equal(check(fields(2)), 'format: auth: fields')
    assert.equal(check(fields(1, 2)), 'format: auth: unknown field')
    assert.equal(check(fields(2, 3)), 'format: auth: unknown field')
  })
})
