/**
 * A device of the fabric uses its own, genuine certificate to serve the authority's API. It is a
 * member, it is no authority.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { joinFolder, startFabric, tlsOf } from '../kit/fabric.ts'
import { bundleAnswers, bundleOf, startImpostor } from '../kit/impostor.ts'

test('a device that serves the API with its own certificate is refused', async (context) => {
  const fabric = await startFabric(context)
  const device = await fabric.addNode('camera-1')
  const bundle = await bundleOf(fabric.authority.api.port)
  const impostor = await startImpostor(
    context,
    tlsOf(device.folder),
    bundleAnswers(bundle, () => fabric.clock.wallMs()),
  )
  const line = await fabric.joinLine('camera-2')
  const folder = join(fabric.folder, 'camera-2')
  await assert.rejects(
    joinFolder({ folder, clock: fabric.clock, line: { ...line, port: impostor.port } }),
    { code: 'KOS_NODE_AUTHORITY_UNTRUSTED', details: { check: 'kind' } },
  )
  assert.deepEqual(impostor.requests, ['GET /v1/bundle'])
})

test('nor does it get an operator’s requests', async (context) => {
  const fabric = await startFabric(context)
  const device = await fabric.addNode('camera-1')
  const bundle = await bundleOf(fabric.authority.api.port)
  const { port } = fabric.authority.api
  const identity = tlsOf(device.folder)
  await fabric.stopAuthority()
  // It takes the authority's place while that one is away.
  const answers = bundleAnswers(bundle, () => fabric.clock.wallMs())
  const impostor = await startImpostor(context, { ...identity, port }, answers)
  const listed = await fabric.kosctl(['devices'])
  assert.equal(listed.code, 5)
  assert.match(listed.err, /KOS_NODE_AUTHORITY_UNTRUSTED/)
  assert.deepEqual(impostor.requests, ['GET /v1/bundle'])
})
