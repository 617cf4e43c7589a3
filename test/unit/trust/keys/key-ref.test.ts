import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, verify } from 'node:crypto'
import { test } from 'node:test'
import { utf8 } from '../../../../src/foundation/base/index.ts'
import {
  coseVerifierFromSpki,
  isLowS,
  signCose1,
  verifyCose1,
} from '../../../../src/foundation/codec/index.ts'
import {
  KEY_ALGORITHMS,
  KEY_PURPOSES,
  type KeyPurpose,
  type KeyRef,
} from '../../../../src/trust/keys/index.ts'
import { createKeyFolder, keysError } from '../../../kit/key-store.ts'

const bytes = utf8('bytes to sign')
const publicKey = ({ spki }: KeyRef) =>
  createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })

/** What each purpose allows; everything else is refused. */
const ALLOWED: Readonly<Record<KeyPurpose, readonly string[]>> = {
  identity: ['sign', 'cose', 'x509'],
  tls: ['x509', 'tls'],
  kem: [],
  log: ['sign'],
  'ca-root': ['cose', 'x509'],
  'ca-intermediate': ['x509'],
  policy: ['cose'],
  directory: ['cose'],
  lock: ['cose'],
  freshness: ['cose'],
  bundle: ['cose'],
}

for (const purpose of KEY_PURPOSES) {
  test(`a key for ${purpose} does that and nothing else`, (context) => {
    const key = createKeyFolder(context).open().create('k', purpose, 'P-256')
    const uses: readonly (readonly [string, () => unknown])[] = [
      ['sign', () => key.sign(bytes)],
      ['cose', () => key.coseSigner()],
      ['x509', () => key.certificateSigner()],
      ['x509', () => key.signDer(bytes)],
      ['tls', () => key.tlsPrivateKeyPem()],
    ]
    for (const [use, run] of uses) {
      if (ALLOWED[purpose].includes(use)) run()
      else assert.throws(run, keysError('KOS_KEYS_PURPOSE', `${purpose}: not for ${use}`))
    }
  })
}

test('signatures of every algorithm verify in both forms', (context) => {
  const keys = createKeyFolder(context).open()
  for (const algorithm of KEY_ALGORITHMS) {
    const key = keys.create(algorithm.toLowerCase(), 'identity', algorithm)
    const isEc = algorithm === 'P-256'
    const digest = isEc ? 'sha256' : null
    const raw = { key: publicKey(key), dsaEncoding: 'ieee-p1363' } as const
    const signature = key.sign(bytes)
    assert.ok(verify(digest, bytes, raw, signature))
    if (isEc) assert.ok(isLowS(signature))
    assert.ok(verify(digest, bytes, publicKey(key), key.signDer(bytes)))
    const x509 = key.certificateSigner()
    assert.equal(x509.algorithm, key.coseSigner().algorithm)
    assert.ok(verify(digest, bytes, publicKey(key), x509.sign(bytes)))
  }
})

test('the COSE signer carries the id of the key', (context) => {
  const key = createKeyFolder(context).open().create('policy', 'policy', 'P-256')
  const message = signCose1({ payload: bytes, externalAad: utf8('c') }, key.coseSigner())
  const verifier = coseVerifierFromSpki(key.spki)
  const result = verifyCose1(message, { externalAad: utf8('c'), verifier, maxBytes: 4096 })
  assert.ok('keyId' in result)
  assert.deepEqual(Buffer.from(result.keyId), Buffer.from(key.keyId))
})

test('the TLS key leaves as PEM in a secret', (context) => {
  const key = createKeyFolder(context).open().create('tls', 'tls', 'P-256')
  const pem = key.tlsPrivateKeyPem()
  assert.equal(String(pem), '[secret]')
  const exported = pem.use((text) => createPrivateKey(Buffer.from(text)))
  const spki = createPublicKey(exported).export({ type: 'spki', format: 'der' })
  assert.deepEqual(Uint8Array.from(spki), key.spki)
})
