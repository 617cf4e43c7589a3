/** Two signatures, so that one reader takes the first and another the second. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { startFabric, tlsOf } from '../kit/fabric.ts'
import { assertRefused, LISTING, recordedActor, sendWith, signatureOf } from '../kit/signed.ts'
import { closed } from '../kit/transport.ts'

test('signatures that are sent twice are refused, in two fields and in one', async (context) => {
  const fabric = await startFabric(context)
  const { 'signature-input': input = '', signature = '' } = await signatureOf(fabric, LISTING)
  const attempts = {
    'signature/duplicated': {
      'signature-input': [input, input],
      signature: [signature, signature],
    },
    'signature/several': {
      'signature-input': `${input}, b${input.slice(3)}`,
      signature: `${signature}, b${signature.slice(3)}`,
    },
    'signature/format': {
      'signature-input': `${input}, ${input}`,
      signature: `${signature}, ${signature}`,
    },
  }
  for (const [rule, headers] of Object.entries(attempts)) {
    const answer = await sendWith(fabric, LISTING, headers)
    assertRefused(answer, rule)
    assert.match(await recordedActor(fabric, rule), /\/user\/olga$/)
  }
  const once = { 'signature-input': input, signature }
  assert.equal((await sendWith(fabric, LISTING, once)).status, 200)
})

test('a request for two hosts at once is refused', async (context) => {
  const fabric = await startFabric(context)
  const { port } = fabric.authority.api
  const signature = await signatureOf(fabric, LISTING)
  const socket = connectTls({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ...tlsOf(fabric.operator),
  })
  context.after(() => socket.destroy())
  let heard = ''
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  const fields = Object.entries({ ...signature, connection: 'close' })
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const hosts = `host: 127.0.0.1:${port}\r\nhost: elsewhere:7400\r\n`
  socket.write(`GET ${LISTING.path} HTTP/1.1\r\n${hosts}${lines}\r\n`)
  await closed(socket)
  assert.match(heard, /^HTTP\/1\.1 40[01] /)
})
