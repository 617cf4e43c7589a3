/** Values of files sealed with keys of a store: what opens where, and what does not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isRefusal,
  type Refusal,
  Secret,
  systemRandom,
  utf8,
} from '../../../../src/foundation/base/index.ts'
import {
  isSealedText,
  MAX_SEALED_VALUE_BYTES,
  openValueKeys,
  sealedKeyId,
  type ValueKeys,
} from '../../../../src/trust/keys/index.ts'
import { createKeyFolder, keysError } from '../../../kit/key-store.ts'

const PATH = ['secrets', 'weather']
const secret = (text: string): Secret => Secret.copy(utf8(text))
const opened = (keys: ValueKeys, path: readonly string[], text: string): string | Refusal => {
  const plain = keys.open(path, text)
  return isRefusal(plain) ? plain : plain.use((bytes) => Buffer.from(bytes).toString())
}
const rule = (keys: ValueKeys, path: readonly string[], text: string): string => {
  const refusal = keys.open(path, text)
  assert.ok(isRefusal(refusal))
  assert.equal(refusal.code, 'KOS_KEYS_SEALED')
  return refusal.rule
}

test('a value opens where it was sealed, and nowhere else', (context) => {
  const store = createKeyFolder(context).open()
  const keys = openValueKeys({ random: systemRandom }, store)
  assert.equal(keys.current, undefined)
  assert.throws(() => keys.seal(PATH, secret('x')), keysError('KOS_KEYS_NOT_FOUND'))
  keys.addKey()
  const text = keys.seal(PATH, secret('correct horse'))
  assert.match(text, /^kos-sealed:v1:[0-9a-f]{16}:[\w-]+$/)
  assert.ok(isSealedText(text) && !isSealedText('correct horse'))
  assert.equal(sealedKeyId(text), keys.current)
  assert.equal(opened(keys, PATH, text), 'correct horse')
  assert.notEqual(keys.seal(PATH, secret('correct horse')), text)
  assert.equal(rule(keys, ['secrets', 'other'], text), 'sealed/other')
  assert.equal(rule(keys, ['secrets', 'weather', ''], text), 'sealed/other')
  assert.equal(rule(keys, ['secretsweather'], text), 'sealed/other')
  const long = new Uint8Array(MAX_SEALED_VALUE_BYTES + 1)
  assert.throws(() => keys.seal(PATH, Secret.take(long)), keysError('KOS_KEYS_WRITE'))
  const longest = Secret.take(new Uint8Array(MAX_SEALED_VALUE_BYTES))
  assert.equal(isRefusal(keys.open(PATH, keys.seal(PATH, longest))), false)
})

test('every cut and every changed character is noticed', (context) => {
  const keys = openValueKeys({ random: systemRandom }, createKeyFolder(context).open())
  keys.addKey()
  const text = keys.seal(PATH, secret('correct horse'))
  for (let at = 0; at < text.length; at += 1) {
    assert.ok(isRefusal(keys.open(PATH, text.slice(0, at))), `cut at ${at}`)
    const other = text.charAt(at) === 'a' ? 'b' : 'a'
    const changed = `${text.slice(0, at)}${other}${text.slice(at + 1)}`
    assert.ok(isRefusal(keys.open(PATH, changed)), `changed at ${at}`)
  }
  assert.equal(rule(keys, PATH, 'kos-sealed:v1:'), 'sealed/form')
  assert.equal(sealedKeyId('kos-sealed:v1:'), undefined)
  assert.equal(rule(keys, PATH, `${text}=`), 'sealed/form')
  assert.equal(rule(keys, PATH, text.replace('v1', 'v2')), 'sealed/form')
  const padded = `kos-sealed:v1:${'0'.repeat(16)}:${'A'.repeat(38)}`
  assert.equal(rule(keys, PATH, padded), 'sealed/key')
})

test('another store does not open it; the owner counts once there is one', (context) => {
  const { open } = createKeyFolder(context)
  const store = open()
  const keys = openValueKeys({ random: systemRandom }, store)
  keys.addKey()
  const before = keys.seal(PATH, secret('early bird'))
  const others = createKeyFolder(context).open()
  const other = openValueKeys({ random: systemRandom }, others)
  other.addKey()
  assert.equal(rule(other, PATH, before), 'sealed/key')
  store.create('identity', 'identity', 'P-256')
  assert.equal(opened(keys, PATH, before), 'early bird')
  const owned = keys.seal(PATH, secret('mine alone'))
  assert.equal(opened(keys, PATH, owned), 'mine alone')
  // The key alone, in the store of another principal.
  using key = store.openSecret('config-key-1')
  assert.ok(key)
  others.sealSecret('config-key-7', key)
  others.create('identity', 'identity', 'P-256')
  const thief = openValueKeys({ random: systemRandom }, others)
  assert.equal(rule(thief, PATH, owned), 'sealed/other')
})

test('keys are counted, the last one counts, and old ones can be forgotten', (context) => {
  const { open } = createKeyFolder(context)
  const store = open()
  const keys = openValueKeys({ random: systemRandom }, store)
  const texts: string[] = []
  for (let n = 0; n < 11; n += 1) {
    keys.addKey()
    texts.push(keys.seal(PATH, secret(`value ${n}`)))
  }
  store.sealSecret('config-key-0', secret('no key of ours'))
  texts.forEach((text, n) => assert.equal(opened(keys, PATH, text), `value ${n}`))
  keys.dropOldKeys()
  assert.deepEqual(store.listSecrets(), ['config-key-0', 'config-key-11'])
  assert.equal(rule(keys, PATH, texts[9] ?? ''), 'sealed/key')
  assert.equal(opened(keys, PATH, texts[10] ?? ''), 'value 10')
  store.close()
  const again = openValueKeys({ random: systemRandom }, open())
  assert.equal(opened(again, PATH, texts[10] ?? ''), 'value 10')
})
