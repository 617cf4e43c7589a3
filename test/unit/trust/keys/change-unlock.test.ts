/** The passphrase of a store is set, changed and removed; after a crash one of both ways opens it. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, test, type TestContext } from 'node:test'
import { Secret, systemRandom, utf8 } from '../../../../src/foundation/base/index.ts'
import {
  changeKeyStoreUnlock,
  type KeyStore,
  type KeyStoreUnlock,
  keyStoreUnlockKind,
  openKeyStore,
} from '../../../../src/trust/keys/index.ts'
import { createKeyFolder, type KeyFolder, keysError } from '../../../kit/key-store.ts'

const FILE: KeyStoreUnlock = { kind: 'file' }

/** The cheaper derivation, for all tests but one. */
const by = (text: string): KeyStoreUnlock => ({
  kind: 'passphrase',
  passphrase: Secret.copy(utf8(text)),
  derivation: 'pbkdf2',
})

interface Changed extends KeyFolder {
  readonly change: (from: KeyStoreUnlock, to: KeyStoreUnlock) => void
  readonly openBy: (unlock: KeyStoreUnlock) => KeyStore
}

function createFolder(context: TestContext): Changed {
  const made = createKeyFolder(context)
  const directory = made.folder
  const deps = { random: systemRandom }
  const keys = made.open()
  keys.create('identity', 'identity', 'P-256')
  keys.create('log', 'log', 'Ed25519')
  keys.sealSecret('root', Secret.copy(utf8('of all')))
  keys.close()
  return {
    ...made,
    change: (from, to) => changeKeyStoreUnlock(deps, { directory, from, to: () => to }),
    openBy: (unlock) => openKeyStore(deps, { directory, unlock }),
  }
}

function contentOf(keys: KeyStore): unknown {
  const secret = keys.openSecret('root')?.use((bytes) => Buffer.from(bytes).toString())
  const found = [keys.list(), keys.listSecrets(), secret]
  keys.close()
  return found
}

describe('a passphrase', () => {
  test('is set, changed and removed; the keys stay', (context) => {
    const { change, openBy, open, folder, keyFile } = createFolder(context)
    const before = contentOf(open())
    assert.equal(keyStoreUnlockKind(folder), 'file')
    change(FILE, by('the first one'))
    assert.equal(keyStoreUnlockKind(folder), 'passphrase')
    assert.equal(existsSync(keyFile), false)
    assert.throws(open, keysError('KOS_KEYS_UNLOCK'))
    assert.deepEqual(contentOf(openBy(by('the first one'))), before)
    change(by('the first one'), by('the second one'))
    assert.throws(() => openBy(by('the first one')), keysError('KOS_KEYS_UNLOCK', 'wrong key'))
    assert.deepEqual(contentOf(openBy(by('the second one'))), before)
    change(by('the second one'), FILE)
    assert.equal(keyStoreUnlockKind(folder), 'file')
    assert.deepEqual(contentOf(open()), before)
  })

  test('becomes a key by scrypt where nobody says otherwise', (context) => {
    const { change, openBy } = createFolder(context)
    const plain: KeyStoreUnlock = {
      kind: 'passphrase',
      passphrase: Secret.copy(utf8('by scrypt, then')),
    }
    change(FILE, plain)
    assert.equal(openBy(plain).list().length, 2)
  })

  test('that is wrong or too short changes nothing', (context) => {
    const { change, open, file, folder } = createFolder(context)
    const before = readFileSync(file)
    assert.throws(
      () => change(FILE, by('short')),
      keysError('KOS_KEYS_UNLOCK', 'passphrase too short'),
    )
    assert.throws(() => change(by('never set'), FILE), keysError('KOS_KEYS_UNLOCK'))
    assert.throws(() => change(FILE, FILE), keysError('KOS_KEYS_UNLOCK', 'has a key file already'))
    assert.deepEqual(readFileSync(file), before)
    change(FILE, by('the right one'))
    const sealed = readFileSync(file)
    const wrong = (): void => change(by('the wrong one'), FILE)
    assert.throws(wrong, keysError('KOS_KEYS_UNLOCK', 'wrong key'))
    assert.deepEqual(readFileSync(file), sealed)
    assert.equal(keyStoreUnlockKind(folder), 'passphrase')
    assert.throws(open, keysError('KOS_KEYS_UNLOCK'))
  })

  test('is not set on a store that is not there, nor on a damaged one', (context) => {
    const { folder } = createKeyFolder(context)
    assert.equal(keyStoreUnlockKind(folder), undefined)
    const change = (): void =>
      changeKeyStoreUnlock(
        { random: systemRandom },
        { directory: folder, from: FILE, to: () => by('long enough') },
      )
    assert.throws(change, keysError('KOS_KEYS_UNLOCK', 'no store'))
    const damaged = createFolder(context)
    damaged.tamper((entries) => {
      const [first] = entries
      if (first) first.sealed = first.sealed.map((byte) => byte ^ 1)
      return entries
    })
    const before = readFileSync(damaged.file)
    assert.throws(
      () => damaged.change(FILE, by('long enough')),
      keysError('KOS_KEYS_CORRUPT', 'entry'),
    )
    assert.deepEqual(readFileSync(damaged.file), before)
  })
})

describe('a crash', () => {
  test('behind the new seal leaves a key file that ends with the next opening', (context) => {
    const { change, openBy, keyFile } = createFolder(context)
    const left = readFileSync(keyFile)
    change(FILE, by('the right one'))
    writeFileSync(keyFile, left, { mode: 0o600 })
    assert.throws(() => openBy(by('the wrong one')), keysError('KOS_KEYS_UNLOCK'))
    assert.equal(existsSync(keyFile), true, 'a guess removes nothing')
    openBy(by('the right one')).close()
    assert.equal(existsSync(keyFile), false)
  })

  test('before the new seal leaves the passphrase in force', (context) => {
    const { change, openBy, open, keyFile } = createFolder(context)
    change(FILE, by('the right one'))
    // The new key file was written, the store was not.
    const left = Buffer.alloc(32, 7)
    writeFileSync(keyFile, left, { mode: 0o600 })
    change(by('the right one'), FILE)
    assert.notDeepEqual(readFileSync(keyFile), left, 'what lay about is not taken')
    open().close()
    assert.throws(() => openBy(by('the right one')), keysError('KOS_KEYS_UNLOCK'))
  })
})
