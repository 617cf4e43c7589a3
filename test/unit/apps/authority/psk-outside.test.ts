/** What openssl reaches at the SEC-1 listener of an authority: TLS, and never READY. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { toHex } from '../../../../src/foundation/base/index.ts'
import { derivePskKeys } from '../../../../src/trust/pki/index.ts'
import { CROWD, startFabric, type TestFabric } from '../../../kit/fabric.ts'
import { missing, runOutside, type Said } from '../../../kit/outside.ts'
import { joinSensor, stolenKey } from '../../../kit/sensor.ts'

describe('the SEC-1 listener of an authority', () => {
  const ends: (() => Promise<void>)[] = []
  let fabric: TestFabric
  let at: { readonly host: string; readonly port: number }
  let key: { readonly handle: string; readonly hex: string }

  before(async () => {
    fabric = await startFabric(
      { after: (end) => void ends.push(end) },
      { authority: { admission: CROWD } },
    )
    const { folder } = await joinSensor(fabric, 'sensor-1')
    const { handle, root } = stolenKey(folder)
    key = { handle, hex: derivePskKeys(root).tls.use((bytes) => toHex(bytes)) }
    const listener = fabric.authority.listeners.get('SEC-1')
    assert.ok(listener)
    at = listener
  })

  after(async () => {
    for (const end of ends) await end()
  })

  const openssl = (...options: readonly string[]): Promise<Said> =>
    runOutside('openssl', [
      's_client',
      '-connect',
      `${at.host}:${at.port}`,
      '-alpn',
      'kos/1',
      '-psk_identity',
      key.handle,
      '-psk',
      key.hex,
      ...options,
    ])

  describe('openssl s_client', { skip: missing('openssl', 'version') }, () => {
    test('with the key of a device it reaches TLS 1.3, AES-128 and forward secrecy', async () => {
      const { text } = await openssl('-tls1_3', '-ciphersuites', 'TLS_AES_128_GCM_SHA256')
      assert.match(text, /TLSv1\.3, Cipher is TLS_AES_128_GCM_SHA256/)
      assert.match(text, /ALPN protocol: kos\/1/)
      assert.match(text, /Server Temp Key: (?:ECDH|X25519)/)
      // TLS is not READY: nobody has a session.
      const { out } = await fabric.kosctl(['devices', 'show', 'sensor-1', '--json'])
      assert.match(out, /"connected": false/)
    })

    const refused: Readonly<Record<string, readonly string[]>> = {
      'AES-256 alone': ['-tls1_3', '-ciphersuites', 'TLS_AES_256_GCM_SHA384'],
      'TLS 1.2': ['-tls1_2'],
      'a key exchange without (EC)DHE': ['-tls1_3', '-allow_no_dhe_kex', '-groups', 'ffdhe8192'],
      'another key': ['-tls1_3', '-psk', '00'.repeat(32)],
    }
    for (const [name, options] of Object.entries(refused)) {
      test(`${name} is refused`, async () => {
        const { text } = await openssl(...options)
        assert.doesNotMatch(text, /Cipher is TLS_AES/)
      })
    }
  })
})
