/** Attack: the key store, or the key that opens it, is left readable or replaceable by others. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { test } from 'node:test'
import { createKeyFolder, keysError } from '../kit/key-store.ts'

test('files are made private', (context) => {
  const { folder, file, keyFile, open } = createKeyFolder(context)
  rmSync(folder, { recursive: true })
  open().create('identity', 'identity', 'P-256')
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(statSync(keyFile).mode & 0o777, 0o600)
})

for (const mode of [0o644, 0o640, 0o604, 0o620, 0o700]) {
  test(`a store or key file of mode ${mode.toString(8)} is refused`, (context) => {
    const { file, keyFile, open } = createKeyFolder(context)
    open().close()
    for (const path of [file, keyFile]) {
      chmodSync(path, mode)
      assert.throws(open, keysError('KOS_KEYS_MODE', 'file: mode is not 0600'))
      chmodSync(path, 0o600)
      open().close()
    }
  })
}

test('a folder into which others can write is refused', (context) => {
  const { folder, open } = createKeyFolder(context)
  open().close()
  for (const mode of [0o770, 0o707, 0o722]) {
    chmodSync(folder, mode)
    assert.throws(open, keysError('KOS_KEYS_MODE', 'folder: others can write'))
  }
  chmodSync(folder, 0o755)
  open().close()
})

test('links, folders and other things in the place of a file are refused', (context) => {
  const { folder, file, keyFile, open } = createKeyFolder(context)
  open().close()
  for (const path of [file, keyFile]) {
    const elsewhere = `${path}.elsewhere`
    renameSync(path, elsewhere)
    symlinkSync(elsewhere, path)
    assert.throws(open, keysError('KOS_KEYS_MODE', 'file: cannot be opened'))
    rmSync(path)
    mkdirSync(path, { mode: 0o600 })
    assert.throws(open, keysError('KOS_KEYS_MODE', 'file: not a plain file'))
    rmSync(path, { recursive: true })
    copyFileSync(elsewhere, path)
  }
  const link = `${folder}-link`
  symlinkSync(folder, link)
  context.after(() => rmSync(link))
})

const isRoot = process.getuid?.() === 0
const foreign = { skip: isRoot ? false : 'only root can give a file away' }

test('a file or folder of another owner is refused', foreign, (context) => {
  const { folder, file, keyFile, open } = createKeyFolder(context)
  open().close()
  for (const path of [file, keyFile, folder]) {
    chownSync(path, 65_534, 65_534)
    const what = path === folder ? 'folder' : 'file'
    assert.throws(open, keysError('KOS_KEYS_MODE', `${what}: another owner`))
    chownSync(path, 0, 0)
  }
  open().close()
})
