/**
 * A proxy ends TLS with a certificate of its own making and passes everything on to the genuine
 * authority. The bundle it passes on is genuine; its own leaf is not in it.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { joinFolder, rawRequest, startFabric } from '../kit/fabric.ts'
import { bundleAnswers, bundleOf, startImpostor } from '../kit/impostor.ts'
import { createTestTlsFleet } from '../kit/tls.ts'

test('a proxy that ends TLS sees the question for the bundle and nothing else', async (context) => {
  const fabric = await startFabric(context)
  const line = await fabric.joinLine('camera-1')
  const bundle = await bundleOf(fabric.authority.api.port)
  const { certificateChainPem: cert, privateKeyPem } = createTestTlsFleet().identity('authority')
  const key = privateKeyPem.use((pem) => Buffer.from(pem))
  const proxy = await startImpostor(
    context,
    { cert, key },
    bundleAnswers(bundle, () => fabric.clock.wallMs()),
  )
  const folder = join(fabric.folder, 'camera-1')
  const through = joinFolder({ folder, clock: fabric.clock, line: { ...line, port: proxy.port } })
  await assert.rejects(through, {
    code: 'KOS_NODE_AUTHORITY_UNTRUSTED',
    details: { check: 'issuer' },
  })
  assert.deepEqual(proxy.requests, ['GET /v1/bundle'])
  assert.ok(!isRefusal(await joinFolder({ folder, clock: fabric.clock, line })))
})

test('a request that was made for another connection proves nothing', async (context) => {
  const fabric = await startFabric(context)
  const line = await fabric.joinLine('camera-1')
  const folder = join(fabric.folder, 'camera-1')
  // The worst case: an authority whose TLS key was stolen relays the request it got.
  let stolen: Buffer | undefined
  const joined = await joinFolder({ folder, clock: fabric.clock, line })
  assert.ok(!isRefusal(joined))
  const second = await fabric.joinLine('camera-2')
  const answers = bundleAnswers(await bundleOf(fabric.authority.api.port), () =>
    fabric.clock.wallMs(),
  )
  const identity = await fabric.authorityIdentity()
  const relay = await startImpostor(context, identity, (path, body) => {
    if (path === '/v1/join') stolen = body
    return answers(path, body)
  })
  const victim = join(fabric.folder, 'camera-2')
  const refused = await joinFolder({
    folder: victim,
    clock: fabric.clock,
    line: { ...second, port: relay.port },
  })
  assert.ok(isRefusal(refused) && stolen)
  const replayed = await rawRequest(fabric.authority.api.port, {
    method: 'POST',
    path: '/v1/join',
    body: stolen,
  })
  assert.deepEqual([replayed.status, replayed.code], [403, 'KOS_ENROLMENT_TOKEN'])
})
