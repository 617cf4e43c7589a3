/**
 * A device that was good a moment ago is locked. That its leaf was proven once, and is remembered, helps
 * it to nothing: the next connection is refused, however the lock names it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, sha256 } from '../../src/foundation/base/index.ts'
import { parseCertificate } from '../../src/foundation/codec/index.ts'
import type { LockList } from '../../src/trust/pki/index.ts'
import { eventually, startFabric, type TestNode } from '../kit/fabric.ts'
import { leafRequest, principal, somePublicKey } from '../kit/pki.ts'
import { leafDerOf } from '../kit/tls.ts'
import { createTlsAuthority, memberVerdict } from '../kit/tls-authority.ts'
import { startTestListener, until } from '../kit/transport.ts'

const { uri } = principal()
const identityKeyHash = sha256(somePublicKey())

const LOCKS: readonly (readonly [
  rule: string,
  list: (leaf: ReturnType<typeof parseCertificate>) => Partial<LockList>,
])[] = [
  ['principal', () => ({ principals: [uri] })],
  ['key', () => ({ spkis: [identityKeyHash] })],
  ['key', ({ spkiSha256 }) => ({ spkis: [spkiSha256] })],
  ['serial', ({ serialHex }) => ({ serials: [serialHex] })],
  ['generation', () => ({ minimum: { [uri]: { generation: 2, floor: 'SEC-2' } } })],
  ['floor', () => ({ minimum: { [uri]: { generation: 1, floor: 'SEC-3' } } })],
]

test('a remembered leaf that becomes locked is refused at the next connection', async (context) => {
  const authority = createTlsAuthority(context)
  const { verifyPeer, verifier, lock, asked } = memberVerdict(authority.ca)
  const rules: unknown[] = []
  const own = authority.identity()
  const server = await startTestListener(context, {
    identity: () => own,
    verifyPeer: (leafDer, purpose) =>
      purpose === 'client' ? verifyPeer(leafDer, purpose) : undefined,
    log: {
      event: (name, fields) => void (name === 'transport.refused' && rules.push(fields?.rule)),
    },
  })
  const device = authority.identity({
    principal: principal(),
    identity: { ...leafRequest().identity, identityKeyHash },
  })
  const dialler = server.dialler(device)
  const connect = async (): Promise<number> => {
    server.clock.advance(60_000)
    const channel = await server.dialFrom('127.0.0.66', dialler)
    await until(() => server.admission.stats.halfOpen === 0)
    if (!isRefusal(channel)) channel.destroy('test')
    await until(() => server.admission.stats.connections === 0)
    return server.accepted.length
  }
  assert.equal(await connect(), 1)
  assert.equal(verifier.size, 1)
  let served = 1
  for (const [rule, list] of LOCKS) {
    lock(list(parseCertificate(leafDerOf(device))))
    assert.equal(await connect(), served, rule)
    assert.equal(rules.pop(), rule)
    // It is still remembered: the lock alone keeps it out, and lets it in again.
    assert.equal(verifier.size, 1)
    lock({})
    served += 1
    assert.equal(await connect(), served, rule)
  }
  assert.equal(asked(), 1 + 2 * LOCKS.length)
})

test('a node refuses a removed peer whose leaf it has just accepted', async (context) => {
  const fabric = await startFabric(context)
  const removed = await fabric.addNode('camera-1')
  const peer = await fabric.addNode('camera-2')
  const memberOf = (node: TestNode): TestNode['running']['member'] => node.running.member
  const leaf = memberOf(removed).membership.leaf
  const judge = (): string => {
    const refusal = memberOf(peer).verifyPeer(leaf, 'client')
    return refusal ? `${refusal.code} ${refusal.rule}` : 'ok'
  }
  assert.equal(judge(), 'ok')
  assert.equal(judge(), 'ok')
  const { principal: gone } = memberOf(removed).membership
  assert.equal((await fabric.kosctl(['devices', 'remove', 'camera-1'])).code, 0)
  await eventually(() => memberOf(peer).fabric.locks.isLocked(gone.uri))
  assert.equal(judge(), 'KOS_PKI_LOCKED principal')
})
