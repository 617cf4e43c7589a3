import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../../../../src/foundation/base/index.ts'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import { createDialler, type Dialler } from '../../../../src/network/transport/index.ts'
import { echoed, must, mustRefuse, startTestListener, until } from '../../../kit/transport.ts'

const key = (fill: number): Secret => Secret.take(new Uint8Array(32).fill(fill))

async function start(context: Parameters<typeof startTestListener>[0]): Promise<{
  readonly server: Awaited<ReturnType<typeof startTestListener>>
  readonly dialler: (handle: string, fill: number) => Dialler
}> {
  const keys = new Map([['handle-1', key(1)]])
  const server = await startTestListener(context, {
    profile: 'SEC-1',
    identity: () => ({ kind: 'psk', keyOf: (handle) => keys.get(handle) }),
  })
  const { admission, clock } = server
  return {
    server,
    dialler: (handle, fill) =>
      must(
        createDialler(
          { admission, clock, verifyPeer: () => undefined },
          {
            profile: PROFILES['SEC-1'],
            identity: () => ({ kind: 'psk', handle, key: key(fill) }),
          },
        ),
      ),
  }
}

test('a sensor talks over its pre-shared key', async (context) => {
  const { server, dialler } = await start(context)
  const near = must(await server.dialFrom('127.0.0.77', dialler('handle-1', 1)))
  assert.equal(await echoed(near, 'hello'), 'hello')
  const far = server.accepted[0]?.channel
  assert.deepEqual([near.pskHandle, far?.pskHandle], ['handle-1', 'handle-1'])
  assert.deepEqual([near.peerLeafDer, far?.peerLeafDer], [undefined, undefined])
  assert.deepEqual([near.localLeafSpkiSha256, far?.localLeafSpkiSha256], [undefined, undefined])
  const secret = near.exporter('EXPORTER-x', new Uint8Array(0), 32)
  assert.deepEqual(secret, far?.exporter('EXPORTER-x', new Uint8Array(0), 32))
})

test('a wrong key and an unknown handle are refused', async (context) => {
  const { server, dialler } = await start(context)
  for (const [handle, fill] of [
    ['handle-1', 2],
    ['handle-2', 1],
  ] as const) {
    const refusal = mustRefuse(await server.dialFrom('127.0.0.66', dialler(handle, fill)))
    assert.equal(refusal.code, 'KOS_TRANSPORT_HANDSHAKE')
  }
  await until(() => server.admission.stats.connections === 0)
  assert.deepEqual(server.refusals(), { KOS_TRANSPORT_HANDSHAKE: 2 })
  assert.equal(server.accepted.length, 0)
})

test('the self-test covers what a pre-shared-key listener must refuse', async (context) => {
  const { server } = await start(context)
  assert.equal(await server.listener.selfTest(), undefined)
})
