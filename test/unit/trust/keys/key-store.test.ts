import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Secret, sha256, systemRandom, utf8 } from '../../../../src/foundation/base/index.ts'
import { KEY_ALGORITHMS, type KeyStore, openKeyStore } from '../../../../src/trust/keys/index.ts'
import { exportKey, generateKey, publicSpki } from '../../../../src/trust/keys/key-ref.ts'
import { seal } from '../../../../src/trust/keys/sealing.ts'
import { decodeStore, entryBinding } from '../../../../src/trust/keys/store-format.ts'
import { createKeyFolder, keysError } from '../../../kit/key-store.ts'

const text = (secret: Secret | undefined): string | undefined =>
  secret?.use((bytes) => Buffer.from(bytes).toString())

describe('keys', () => {
  test('are there again after reopening, with the same id', (context) => {
    const { open } = createKeyFolder(context)
    const keys = open()
    const made = KEY_ALGORITHMS.map((algorithm, at) => keys.create(`key-${at}`, 'log', algorithm))
    keys.close()
    const again = open()
    for (const { name, purpose, algorithm, spki, keyId } of made) {
      const found = again.require(name)
      assert.deepEqual([found.purpose, found.algorithm], [purpose, algorithm])
      assert.deepEqual(found.spki, spki)
      assert.deepEqual(found.keyId, keyId)
      assert.deepEqual(keyId, sha256(spki))
    }
  })

  test('are listed by name, without private parts', (context) => {
    const keys = createKeyFolder(context).open()
    const b = keys.create('b', 'tls', 'P-256')
    const a = keys.create('a', 'log', 'Ed25519')
    const facts = ({ name, purpose, algorithm, spki, keyId }: typeof a) => ({
      name,
      purpose,
      algorithm,
      spki,
      keyId,
    })
    assert.deepEqual(keys.list(), [facts(a), facts(b)])
  })

  test('have allowed, unique names', (context) => {
    const keys = createKeyFolder(context).open()
    keys.create('a', 'log', 'Ed25519')
    assert.throws(() => keys.create('a', 'tls', 'P-256'), keysError('KOS_KEYS_EXISTS'))
    for (const name of ['', 'A', '.a', '../a', 'a/b', 'a'.repeat(65), 'ä']) {
      assert.throws(() => keys.create(name, 'log', 'Ed25519'), keysError('KOS_KEYS_NAME'))
      assert.throws(() => keys.rename('a', name), keysError('KOS_KEYS_NAME'))
      assert.throws(() => keys.sealSecret(name, Secret.copy(utf8('x'))), keysError('KOS_KEYS_NAME'))
    }
    assert.equal(keys.get('b'), undefined)
    assert.throws(() => keys.require('b'), keysError('KOS_KEYS_NOT_FOUND'))
  })

  test('are removed for good', (context) => {
    const { open } = createKeyFolder(context)
    const keys = open()
    keys.create('a', 'log', 'Ed25519')
    keys.create('b', 'log', 'Ed25519')
    keys.remove('a')
    assert.equal(keys.get('a'), undefined)
    assert.throws(() => keys.remove('a'), keysError('KOS_KEYS_NOT_FOUND'))
    assert.deepEqual(
      open()
        .list()
        .map(({ name }) => name),
      ['b'],
    )
  })

  test('take the place of others by rename: the renewal of a TLS key', (context) => {
    const { open } = createKeyFolder(context)
    const keys = open()
    const old = keys.create('tls', 'tls', 'P-256')
    const next = keys.create('tls-next', 'tls', 'P-256')
    keys.rename('tls-next', 'tls')
    assert.equal(keys.get('tls-next'), undefined)
    assert.deepEqual(keys.require('tls').keyId, next.keyId)
    assert.notDeepEqual(old.keyId, next.keyId)
    assert.equal(keys.require('tls').name, 'tls')
    const again = open()
    assert.deepEqual(again.require('tls').spki, next.spki)
    assert.equal(again.list().length, 1)
    assert.throws(() => again.rename('none', 'tls'), keysError('KOS_KEYS_NOT_FOUND'))
  })

  test('never take the place of a key of another purpose', (context) => {
    const keys = createKeyFolder(context).open()
    const identity = keys.create('identity', 'identity', 'P-256')
    keys.create('tls', 'tls', 'P-256')
    assert.throws(() => keys.rename('tls', 'identity'), keysError('KOS_KEYS_PURPOSE'))
    assert.equal(keys.get('identity'), identity)
    keys.rename('tls', 'tls-old')
    assert.equal(keys.get('tls'), undefined)
  })
})

describe('secrets', () => {
  test('are kept, replaced and removed, beside keys of the same name', (context) => {
    const { open } = createKeyFolder(context)
    const keys = open()
    keys.create('token', 'log', 'Ed25519')
    keys.sealSecret('token', Secret.copy(utf8('first')))
    keys.sealSecret('token', Secret.copy(utf8('second')))
    keys.sealSecret('empty', Secret.copy(new Uint8Array(0)))
    assert.equal(text(keys.openSecret('token')), 'second')
    const again = open()
    assert.equal(text(again.openSecret('token')), 'second')
    assert.equal(text(again.openSecret('empty')), '')
    assert.equal(again.openSecret('none'), undefined)
    assert.equal(again.list().length, 1)
    again.removeSecret('token')
    assert.equal(again.openSecret('token'), undefined)
    assert.throws(() => again.removeSecret('token'), keysError('KOS_KEYS_NOT_FOUND'))
    assert.equal(open().openSecret('token'), undefined)
    const long = Secret.copy(new Uint8Array(64 * 1024 + 1))
    assert.throws(
      () => again.sealSecret('long', long),
      keysError('KOS_KEYS_WRITE', 'secret too long'),
    )
  })
})

describe('unlocking', () => {
  const passphrase = (words: string) =>
    ({ kind: 'passphrase', passphrase: Secret.copy(utf8(words)) }) as const

  for (const derivation of ['scrypt', 'pbkdf2'] as const) {
    test(`by a passphrase (${derivation}), and by no other one`, (context) => {
      const { folder, open } = createKeyFolder(context)
      const openBy = (words: string, chosen: object = {}): KeyStore =>
        openKeyStore(
          { random: systemRandom },
          { directory: folder, unlock: { ...passphrase(words), ...chosen } },
        )
      const { keyId } = openBy('correct horse', { derivation }).create('a', 'log', 'Ed25519')
      assert.deepEqual(readdirSync(folder), ['keystore.cbor'])
      assert.deepEqual(openBy('correct horse').require('a').keyId, keyId)
      assert.throws(() => openBy('wrong horse'), keysError('KOS_KEYS_UNLOCK', 'wrong key'))
      assert.throws(open, keysError('KOS_KEYS_UNLOCK', 'unlocked by passphrase'))
    })
  }

  test('a short passphrase, and one for a store with a key file, are refused', (context) => {
    const { folder, open } = createKeyFolder(context)
    const openBy = (words: string) =>
      openKeyStore({ random: systemRandom }, { directory: folder, unlock: passphrase(words) })
    assert.throws(() => openBy('short'), keysError('KOS_KEYS_UNLOCK', 'passphrase too short'))
    open()
    assert.throws(() => openBy('long enough'), keysError('KOS_KEYS_UNLOCK', 'unlocked by file'))
  })

  test('a key file that is there already is kept', (context) => {
    const { file, keyFile, open } = createKeyFolder(context)
    open().close()
    const key = readFileSync(keyFile)
    rmSync(file)
    assert.deepEqual(open().list(), [])
    assert.deepEqual(readFileSync(keyFile), key)
  })
})

test('a closed store refuses everything, and so do its keys', (context) => {
  const { open } = createKeyFolder(context)
  const keys = open()
  const key = keys.create('a', 'identity', 'P-256')
  const cose = key.coseSigner()
  const x509 = key.certificateSigner()
  keys.close()
  keys.close()
  const bytes = utf8('x')
  const uses: readonly (() => unknown)[] = [
    () => keys.create('b', 'log', 'Ed25519'),
    () => keys.get('a'),
    () => keys.require('a'),
    () => keys.list(),
    () => keys.remove('a'),
    () => keys.rename('a', 'b'),
    () => keys.sealSecret('a', Secret.copy(bytes)),
    () => keys.openSecret('a'),
    () => keys.removeSecret('a'),
    () => key.sign(bytes),
    () => key.signDer(bytes),
    () => key.coseSigner(),
    () => cose.sign(bytes),
    () => x509.sign(bytes),
  ]
  for (const use of uses) assert.throws(use, keysError('KOS_KEYS_CLOSED'))
  assert.equal(open().list().length, 1)
})

test('a sealed key that does not fit its public key is refused', (context) => {
  const { file, keyFile, open, tamper } = createKeyFolder(context)
  open().create('a', 'log', 'P-256')
  const storeKey = Secret.copy(readFileSync(keyFile))
  const { id } = decodeStore(readFileSync(file))
  const other = generateKey('P-256')
  const facts = { kind: 'key', name: 'a', purpose: 'log', algorithm: 'P-256' } as const
  const forge = (entry: { readonly spki: Uint8Array; readonly algorithm: 'P-256' | 'Ed25519' }) => {
    const associated = entryBinding(id, { ...facts, ...entry })
    const sealed = exportKey(other).use((bytes) =>
      seal(storeKey, bytes, { random: systemRandom, associated }),
    )
    tamper(() => [{ ...facts, ...entry, sealed }])
    assert.throws(open, keysError('KOS_KEYS_CORRUPT', 'another key'))
  }
  forge({ spki: publicSpki(generateKey('P-256')), algorithm: 'P-256' })
  forge({ spki: publicSpki(other), algorithm: 'Ed25519' })
})

test('the number of entries is bounded, and a refused one changes nothing', (context) => {
  const { open, file } = createKeyFolder(context)
  const keys = open()
  const big = Secret.copy(new Uint8Array(64 * 1024))
  for (let at = 0; at < 15; at += 1) keys.sealSecret(`s${at}`, big)
  const before = readFileSync(file)
  assert.throws(() => keys.sealSecret('s15', big), keysError('KOS_KEYS_WRITE', 'too many keys'))
  assert.deepEqual(readFileSync(file), before)
  assert.equal(keys.openSecret('s15'), undefined)
  assert.equal(open().openSecret('s14')?.length, 64 * 1024)
})

test('nothing is left beside the two files', (context) => {
  const { folder, open } = createKeyFolder(context)
  const keys = open()
  keys.create('a', 'log', 'Ed25519')
  keys.remove('a')
  writeFileSync(join(folder, 'README'), 'a file of someone else stays')
  open()
  assert.deepEqual(readdirSync(folder).toSorted(), ['README', 'keystore.cbor', 'keystore.key'])
})
