/** Attack or accident: the key store or its key file is cut, lengthened or overwritten. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { utf8 } from '../../src/foundation/base/index.ts'
import { createKeyFolder, type KeyFolder, keysError } from '../kit/key-store.ts'

function filled(context: Parameters<typeof createKeyFolder>[0]): KeyFolder {
  const made = createKeyFolder(context)
  const keys = made.open()
  keys.create('identity', 'identity', 'P-256')
  keys.create('log', 'log', 'Ed25519')
  keys.close()
  return made
}

test('a store cut at any place is refused as damaged', (context) => {
  const { file, open } = filled(context)
  const whole = readFileSync(file)
  const lengths = [0, 1, whole.length - 1]
  for (let length = 7; length < whole.length; length += 31) lengths.push(length)
  for (const length of lengths) {
    writeFileSync(file, whole.subarray(0, length))
    assert.throws(open, keysError('KOS_KEYS_CORRUPT'), `${length} bytes`)
  }
  writeFileSync(file, Buffer.concat([whole, Buffer.of(0)]))
  assert.throws(open, keysError('KOS_KEYS_CORRUPT'))
  writeFileSync(file, Buffer.alloc(1024 * 1024 + 1))
  assert.throws(open, keysError('KOS_KEYS_CORRUPT', 'size'))
  writeFileSync(file, whole)
  assert.equal(open().list().length, 2)
})

test('a store with any changed byte is refused', (context) => {
  const { file, open } = filled(context)
  const whole = readFileSync(file)
  for (let at = 0; at < whole.length; at += 7) {
    const changed = Buffer.from(whole)
    changed.writeUInt8(changed.readUInt8(at) ^ 0x01, at)
    writeFileSync(file, changed)
    // The identifier and the check value belong to the unlocking, all else to the content.
    assert.throws(
      open,
      (error) => keysError('KOS_KEYS_CORRUPT')(error) || keysError('KOS_KEYS_UNLOCK')(error),
      `byte ${at}`,
    )
  }
})

test('a cut, foreign or missing key file does not open the store', (context) => {
  const { keyFile, open } = filled(context)
  writeFileSync(keyFile, readFileSync(keyFile).subarray(0, 31))
  assert.throws(open, keysError('KOS_KEYS_UNLOCK', 'key file truncated'))
  writeFileSync(keyFile, new Uint8Array(32))
  assert.throws(open, keysError('KOS_KEYS_UNLOCK', 'wrong key'))
  writeFileSync(keyFile, new Uint8Array(33))
  assert.throws(open, keysError('KOS_KEYS_CORRUPT', 'size'))
  rmSync(keyFile)
  assert.throws(open, keysError('KOS_KEYS_UNLOCK', 'key file missing'))
})

test('the file does not hold private keys or secrets in clear', (context) => {
  const { file, open } = createKeyFolder(context)
  const keys = open()
  const pem = keys.create('tls', 'tls', 'P-256').tlsPrivateKeyPem()
  const base64 = pem.use((bytes) =>
    Buffer.from(bytes).toString('latin1').split('\n').slice(1, -2).join(''),
  )
  const scalar = Buffer.from(base64, 'base64').subarray(36, 68)
  assert.equal(readFileSync(file).indexOf(scalar), -1)
  assert.equal(scalar.length, 32)
  assert.equal(readFileSync(file).indexOf(utf8('PRIVATE')), -1)
})
