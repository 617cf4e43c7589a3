/** Attack: alerts that are too long, lie about their length, or are no alerts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAlert, MAX_ALERT_BYTES } from '../../src/apps/node/index.ts'
import { startFabric } from '../kit/fabric.ts'

test('an alert beyond its bounds is refused and nothing of it is kept', async (context) => {
  const fabric = await startFabric(context)
  const post = (body: Uint8Array): ReturnType<typeof fabric.request> =>
    fabric.request({ method: 'POST', path: '/v1/alerts', body: Buffer.from(body) })
  const alert = { kind: 'alarm', text: 'x', time: 1 }

  const huge = await post(Buffer.alloc(MAX_ALERT_BYTES + 1, 0x20))
  assert.deepEqual([huge.status, huge.rule], [413, 'body/too-long'])
  const lie = await fabric.request({
    method: 'POST',
    path: '/v1/alerts',
    headers: { 'content-length': String(2 ** 40) },
  })
  assert.equal(lie.status, 413)
  const chunked = await fabric.request({
    method: 'POST',
    path: '/v1/alerts',
    headers: { 'transfer-encoding': 'chunked' },
  })
  assert.equal(chunked.status, 411)

  const long = await post(encodeAlert({ ...alert, text: 'x'.repeat(1025) }))
  assert.deepEqual([long.status, long.rule], [400, 'text: custom'])
  const deep = await post(Buffer.from('['.repeat(2000) + ']'.repeat(2000)))
  assert.equal(deep.status, 400)
  const polluted = await post(Buffer.from('{"__proto__":{"kind":"a"},"text":"x","time":1}'))
  assert.equal(polluted.status, 400)
  assert.equal((await post(new Uint8Array(0))).status, 400)

  const shown = await fabric.kosctl(['alerts', '--json'])
  assert.deepEqual((JSON.parse(shown.out) as { alerts: unknown[] }).alerts, [])
})
