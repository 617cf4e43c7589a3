/** A signature that holds, but over less than the request, over something else, or elsewhere. */
import { test } from 'node:test'
import { type BareItem, signHttpHmac } from '../../src/foundation/codec/index.ts'
import { toBase64Url } from '../../src/foundation/base/index.ts'
import { startFabric } from '../kit/fabric.ts'
import { assertRefused, LISTING, recordedActor, sendWith, signatureOf } from '../kit/signed.ts'

test('a valid MAC over other components is refused', async (context) => {
  const fabric = await startFabric(context)
  const { handle, secret } = await fabric.token(fabric.operator)
  const targetUri = `https://127.0.0.1:${fabric.authority.api.port}${LISTING.path}`
  const message = { method: LISTING.method, targetUri, field: () => ['x'] }
  const created = Math.floor(fabric.clock.wallMs() / 1000)
  const parameters = new Map<string, BareItem>([
    ['created', { kind: 'integer', value: created }],
    ['expires', { kind: 'integer', value: created + 30 }],
    ['nonce', { kind: 'string', value: toBase64Url(new Uint8Array(16)) }],
    ['keyid', { kind: 'string', value: toBase64Url(handle) }],
    ['alg', { kind: 'string', value: 'hmac-sha256' }],
  ])
  const others = [
    [],
    ['@method'],
    ['@method', '@path'],
    ['@target-uri', '@method'],
    ['x'],
    ['@method', '@target-uri', 'x'],
  ]
  for (const components of others) {
    const headers = signHttpHmac(message, { label: 'kos', components, parameters }, secret)
    assertRefused(await sendWith(fabric, LISTING, { ...headers, x: 'x' }), components.join())
  }
  await recordedActor(fabric, 'signature/components')
})

test('a signature of another method, path, query or host is refused', async (context) => {
  const fabric = await startFabric(context)
  const signed = [
    { ...LISTING, method: 'DELETE' },
    { ...LISTING, path: '/v1/tokens' },
    { ...LISTING, path: '/v1/principals?x=1' },
    { ...LISTING, headers: { host: 'elsewhere:7400' } },
  ]
  for (const other of signed) {
    const headers = await signatureOf(fabric, other)
    assertRefused(await sendWith(fabric, LISTING, headers), JSON.stringify(other))
  }
  await recordedActor(fabric, 'signature/mac')
})
