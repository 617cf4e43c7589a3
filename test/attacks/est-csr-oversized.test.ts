/** Attack: bodies that are too large, have no length, lie about their type, or hide what they are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { extensionRequest } from '../../src/foundation/codec/index.ts'
import { estDevice, estEnrol, estPost, estReenrol, estSecret } from '../kit/est-fabric.ts'
import { estCsr } from '../kit/est.ts'
import { startFabric } from '../kit/fabric.ts'
import { testKey } from '../kit/x509.ts'

test('what is no small PKCS#10 in base64 is refused, before and behind the secret', async (context) => {
  const fabric = await startFabric(context)
  const secret = await estSecret(fabric, 'printer-1')
  const authorization = `Basic ${Buffer.from(`${secret.user}:${secret.password}`).toString('base64')}`
  const device = await estDevice(fabric, 'printer-2')
  const csr = estCsr(testKey())
  const send = async (
    body: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    fabric.clock.advance(1000)
    const answer = await estPost(fabric, 'simpleenroll', {
      body,
      headers: { authorization, ...headers },
    })
    const { identity } = device
    const renewal = await estPost(fabric, 'simplereenroll', { body, headers, identity })
    assert.deepEqual([renewal.status, renewal.rule], [answer.status, answer.rule])
    return `${answer.status} ${answer.rule}`
  }
  const base64 = (bytes: Uint8Array): Buffer => Buffer.from(Buffer.from(bytes).toString('base64'))
  assert.equal(await send(Buffer.alloc(8 * 1024 + 1, 'A')), '413 body/too-long')
  assert.equal(await send(Buffer.alloc(0)), '400 csr/base64')
  assert.equal(await send(csr), '400 csr/base64')
  assert.equal(await send(Buffer.alloc(8 * 1024, 'A')), '400 csr/der-tag')
  assert.equal(await send(Buffer.alloc(8 * 1024, ' ')), '400 csr/base64')
  // Nesting and counts beyond anything that is needed.
  assert.equal(await send(base64(Buffer.alloc(4096, 0x30))), '400 csr/der-trailing')
  const many = Array.from({ length: 40 }, (_, index) => ({
    oid: `1.2.3.${index}`,
    critical: false,
    value: new Uint8Array(4),
  }))
  const flood = estCsr(testKey(), { attributes: [extensionRequest(many)] })
  assert.equal(await send(base64(flood)), '400 csr/extensions-count')
  const type = { 'content-type': 'application/x-www-form-urlencoded' }
  assert.equal(await send(base64(csr), type), '415 csr/content-type')
  // All that did no harm: the secret is good, and the device renews.
  fabric.clock.advance(4 * 3_600_000)
  assert.equal((await estReenrol(fabric, device, testKey())).status, 200)
  const fresh = await estSecret(fabric, 'printer-3')
  assert.equal((await estEnrol(fabric, fresh, csr)).status, 200)
})
