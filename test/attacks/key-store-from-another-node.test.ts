/** Attack: the key store of one node is put into the folder of another one, to act under its name. */
import assert from 'node:assert/strict'
import { copyFileSync, cpSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemRandom, toHex } from '../../src/foundation/base/index.ts'
import { openKeyStore } from '../../src/trust/keys/index.ts'
import { temporaryFolder } from '../kit/temporary.ts'

const STORE = 'keystore.cbor'
const KEY = 'keystore.key'

test('a store opens with its own key alone; with it, it is the other node and no mixture', (context) => {
  const folder = temporaryFolder(context)
  const open = (name: string): ReturnType<typeof openKeyStore> =>
    openKeyStore(
      { random: systemRandom },
      { directory: join(folder, name), unlock: { kind: 'file' } },
    )
  const ids = ['a', 'b'].map((name) => {
    using made = new DisposableStack()
    const keys = open(name)
    made.defer(() => keys.close())
    return toHex(keys.create('identity', 'identity', 'P-256').keyId)
  })
  for (const file of [STORE, KEY]) {
    cpSync(join(folder, 'b'), join(folder, `b-${file}`), { recursive: true })
    copyFileSync(join(folder, 'a', file), join(folder, `b-${file}`, file))
    assert.throws(() => open(`b-${file}`), { code: 'KOS_KEYS_UNLOCK' }, file)
  }
  // Both files together are the whole identity of the other node: found by its generations.
  for (const file of [STORE, KEY]) copyFileSync(join(folder, 'a', file), join(folder, 'b', file))
  const keys = open('b')
  assert.equal(toHex(keys.require('identity').keyId), ids[0])
  keys.close()
})
