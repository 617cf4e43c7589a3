/** A rotation of the key that ends at any step: the file opens, with the old key or the new one. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isRefusal, Secret, systemRandom, utf8 } from '../../../../src/foundation/base/index.ts'
import { openValueKeys, type ValueKeys } from '../../../../src/trust/keys/index.ts'
import { readConfigFile, writeConfigFile } from '../../../../src/apps/cli/config/file.ts'
import { rotate, type RotationFile } from '../../../../src/apps/cli/config/rotate.ts'
import { createKeyFolder } from '../../../kit/key-store.ts'

const PATH = ['secrets', 'weather']
const VALUE = 'correct horse'

class Killed extends Error {}

/** Steps of a rotation, the process gone before or behind one of them. */
function killedAt(
  keys: ValueKeys,
  file: RotationFile,
  at: { readonly step: string; readonly isDone: boolean },
): { readonly keys: ValueKeys; readonly file: RotationFile } {
  const step = (name: string, run: () => void): void => {
    if (name !== at.step) return run()
    if (at.isDone) run()
    throw new Killed()
  }
  return {
    keys: {
      ...keys,
      addKey: () => step('addKey', () => keys.addKey()),
      dropOldKeys: () => step('dropOldKeys', () => keys.dropOldKeys()),
    },
    file: {
      reseal: () => file.reseal(),
      write: (text) => step('write', () => file.write(text)),
    },
  }
}

function world(context: TestContext): {
  readonly openKeys: () => { readonly keys: ValueKeys; readonly close: () => void }
  readonly file: (keys: ValueKeys) => RotationFile
  readonly value: (keys: ValueKeys) => string
  readonly path: string
} {
  const { folder, open } = createKeyFolder(context)
  const path = join(folder, 'value.yaml')
  const openText = (keys: ValueKeys): Secret => {
    const opened = keys.open(PATH, readFileSync(path, 'utf8'))
    assert.ok(!isRefusal(opened), JSON.stringify(opened))
    return opened
  }
  return {
    path,
    openKeys: () => {
      const store = open()
      return { keys: openValueKeys({ random: systemRandom }, store), close: () => store.close() }
    },
    file: (keys) => ({
      reseal: () => keys.seal(PATH, openText(keys)),
      write: (text) => {
        writeConfigFile({ random: systemRandom }, { path, before: readConfigFile(path) }, text)
      },
    }),
    value: (keys) => openText(keys).use((bytes) => Buffer.from(bytes).toString()),
  }
}

for (const step of ['addKey', 'write', 'dropOldKeys']) {
  for (const isDone of [false, true]) {
    test(`killed ${isDone ? 'behind' : 'before'} ${step}`, (context) => {
      const { openKeys, file, value, path } = world(context)
      const first = openKeys()
      first.keys.addKey()
      writeFileSync(path, first.keys.seal(PATH, Secret.copy(utf8(VALUE))), { mode: 0o600 })
      const killed = killedAt(first.keys, file(first.keys), { step, isDone })
      assert.throws(() => rotate(killed.keys, killed.file), Killed)
      first.close()
      const later = openKeys()
      assert.equal(value(later.keys), VALUE)
      const before = later.keys.current
      // The next rotation ends what this one began.
      rotate(later.keys, file(later.keys))
      later.close()
      const last = openKeys()
      assert.equal(value(last.keys), VALUE)
      assert.notEqual(last.keys.current, before)
      const kept = last.keys.current
      last.keys.dropOldKeys()
      assert.equal(last.keys.current, kept)
      assert.equal(value(last.keys), VALUE)
      last.close()
    })
  }
}
