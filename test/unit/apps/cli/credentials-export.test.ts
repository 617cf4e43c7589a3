/** What leaves a folder: the certificate, and a TLS key under a passphrase; nothing else, and recorded. */
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Secret, utf8 } from '../../../../src/foundation/base/index.ts'
import { buildEncryptedPkcs8, DerReader } from '../../../../src/foundation/codec/index.ts'
import { eventually, startFabric } from '../../../kit/fabric.ts'
import { findOpenssl } from '../../../kit/openssl.ts'

const { openssl, skip } = findOpenssl()
const PASSPHRASE = 'correct horse'

test('the certificate with its chain, the key encrypted, no other key', async (context) => {
  const fabric = await startFabric(context)
  const camera = await fabric.addNode('camera-1')
  const prompt = (): Secret => Secret.take(utf8(PASSPHRASE))
  const run = (...args: readonly string[]): Promise<{ code: number; out: string; err: string }> =>
    fabric.kosctl(['credentials', 'export', ...args], { prompt })

  const chain = await run('--certificate')
  const [leaf, issuer] = chain.out.split(/(?<=-----END CERTIFICATE-----\n)/)
  const certificate = new X509Certificate(leaf ?? '')
  assert.match(certificate.subjectAltName ?? '', /URI:spiffe:\/\/kos\.internal\/user\/olga/)
  assert.ok(certificate.verify(new X509Certificate(issuer ?? '').publicKey))

  const out = join(fabric.folder, 'olga.pem')
  const both = await run('--certificate', '--private', '--out', out)
  assert.deepEqual([both.code, both.out], [0, `written  ${out}\n`])
  assert.equal(statSync(out).mode & 0o777, 0o600)
  const pem = readFileSync(out, 'utf8')
  assert.ok(pem.startsWith(leaf ?? 'no leaf'))
  const key = createPrivateKey({
    key: pem.slice(pem.indexOf('-----BEGIN ENC')),
    passphrase: PASSPHRASE,
  })
  assert.ok(createPublicKey(key).equals(certificate.publicKey))
  assert.throws(() => createPrivateKey({ key: pem, passphrase: 'incorrect horse' }))
  if (!skip) {
    const pass = `pass:${PASSPHRASE}`
    const text = openssl.run(['pkey', '-in', out, '-passin', pass, '-noout', '-text'], {})
    assert.match(text, /NIST CURVE: P-256/)
  }
  // 600,000 rounds: what OpenSSL would have done by itself are 2,048.
  const der = Buffer.from(/ENCRYPTED PRIVATE KEY-----\n([^-]+)-/.exec(pem)?.[1] ?? '', 'base64')
  assert.ok(der.includes(Buffer.from('02030927c0', 'hex')))

  // Nothing is written over, shown, or let out that others know this principal by.
  assert.equal((await run('--private', '--out', out)).code, 1)
  assert.equal((await run('--private')).code, 2)
  assert.equal((await run()).code, 2)
  for (const name of ['identity', 'kem', 'log-ed25519']) {
    const refused = await run(name, '--private', '--out', `${out}-2`)
    assert.deepEqual([refused.code, refused.out], [3, ''])
    assert.match(refused.err, /KOS_CLI_EXPORT/)
  }
  assert.match((await run('identity', '--certificate')).err, /KOS_CLI_EXPORT/)
  const short = (): Secret => Secret.take(utf8('short'))
  const weak = ['credentials', 'export', '--private', '--out', `${out}-2`]
  assert.match((await fabric.kosctl(weak, { prompt: short })).err, /passphrase too short/)

  // A node's: while it is stopped, and in its log.
  const theirs = ['--private', '--out', join(fabric.folder, 'camera.pem'), '--state', camera.folder]
  assert.match((await run(...theirs)).err, /KOS_NODE_IN_USE/)
  await camera.running.stop()
  assert.equal((await run(...theirs)).code, 0)
  assert.equal((await run('--certificate', '--state', camera.folder, '--json')).code, 0)
  await camera.restart()
  await eventually(async () => {
    const log = await fabric.kosctl(['audit', 'tail', '--json'])
    return /"action":"credential.export".*"key":"tls-g1"/.test(log.out)
  }, 'the authority has the record')
})

test('the encrypted form is refused with parameters that are none', () => {
  const iv = new Uint8Array(16)
  const salt = new Uint8Array(16)
  const key = { salt, iv, iterations: 600_000, ciphertext: new Uint8Array(32) }
  assert.ok(new DerReader(buildEncryptedPkcs8(key)))
  for (const wrong of [{ salt: new Uint8Array(8) }, { iv: new Uint8Array(12) }]) {
    assert.throws(() => buildEncryptedPkcs8({ ...key, ...wrong }), { code: 'KOS_CODEC_X509' })
  }
})
