/** `kosctl credentials`: what keys there are, and the passphrase that seals them. */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Secret, utf8 } from '../../../../src/foundation/base/index.ts'
import type { PassphraseSource } from '../../../../src/apps/node/index.ts'
import { createPassphraseSource } from '../../../../src/apps/cli/passphrase.ts'
import { startTestAgent } from '../../../kit/agent.ts'
import { startFabric } from '../../../kit/fabric.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

/** A person who always types this. */
const types = (text: string): { prompt: () => Secret; passphrases: PassphraseSource } => {
  const prompt = (): Secret => Secret.copy(utf8(text))
  return {
    prompt,
    passphrases: createPassphraseSource({ file: undefined, prompt, wait: () => undefined }),
  }
}

test('an operator seals the credential, works with it, and goes back', async (context) => {
  const fabric = await startFabric(context)
  const keyFile = join(fabric.operator, 'keys/keystore.key')
  const listed = await fabric.kosctl(['credentials', 'list'])
  assert.equal(listed.code, 0)
  assert.match(listed.out, /sealed by +a key file of mode 0600 beside them\n/)
  assert.match(listed.out, /\nNAME +PURPOSE +ALGORITHM +KEY ID\n/)
  assert.match(listed.out, /\nidentity +identity +P-256 +[0-9a-f]{16}\n/)

  const json = await fabric.kosctl(['credentials', 'list', '--json'])
  const { sealedBy, keys, secrets } = JSON.parse(json.out) as {
    sealedBy: string
    keys: { name: string; keyId: string }[]
    secrets: string[]
  }
  assert.equal(sealedBy, 'file')
  assert.ok(keys.some(({ name, keyId }) => name === 'identity' && keyId.length === 64))
  assert.ok(secrets.includes('membership'))

  const set = await fabric.kosctl(['credentials', 'passphrase'], types('correct horse'))
  assert.deepEqual([set.code, set.out], [0, `passphrase set  ${fabric.operator}\n`])
  assert.equal(existsSync(keyFile), false)

  const without = await fabric.kosctl(['devices'])
  assert.equal(without.code, 1)
  assert.match(without.err, /sealed by a passphrase.*KOS_PASSPHRASE_FILE/s)
  const guess = join(temporaryFolder(context), 'guess')
  writeFileSync(guess, 'battery staple', { mode: 0o600 })
  const passphrases = createPassphraseSource({ file: guess, wait: () => undefined })
  const wrong = await fabric.kosctl(['devices'], { passphrases })
  assert.equal(wrong.code, 1)
  assert.match(wrong.err, /could not be unlocked/)
  const right = await fabric.kosctl(['devices'], types('correct horse'))
  assert.equal(right.code, 0, right.err)

  // The authority leaves it alone: it has no passphrase of its operator.
  await fabric.stopAuthority()
  await fabric.startAuthority()
  assert.equal(fabric.authority.operator, 'kept')

  const file = join(temporaryFolder(context), 'new')
  writeFileSync(file, 'a longer one\n', { mode: 0o600 })
  const change = ['credentials', 'passphrase', '--new-file', file, '--json']
  const changed = await fabric.kosctl(change, types('correct horse'))
  assert.deepEqual(JSON.parse(changed.out), { folder: fabric.operator, passphrase: 'changed' })
  const removed = await fabric.kosctl(
    ['credentials', 'passphrase', '--remove'],
    types('a longer one'),
  )
  assert.deepEqual([removed.code, removed.out], [0, `passphrase removed  ${fabric.operator}\n`])
  assert.equal((await fabric.kosctl(['devices'])).code, 0)
})

test('a folder in use is refused; an agent is told a passphrase once; a node needs it to start', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('camera-1')
  const state = ['--state', node.folder]
  const used = await fabric.kosctl(['credentials', 'passphrase', ...state], types('correct horse'))
  assert.equal(used.code, 1)
  assert.match(used.err, /Another kosd already uses this state folder/)
  const own = await fabric.kosctl(['credentials', 'passphrase'], types('battery staple'))
  assert.equal(own.code, 0, own.err)
  // Whoever has the socket needs no passphrase: the agent was told it once.
  const agent = await startTestAgent(context, fabric, types('battery staple'))
  const called = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])
  assert.deepEqual(called, { code: 0, out: '3\n', err: '' })
  assert.equal(await agent.stop(), 0)
  await node.running.stop()
  const set = await fabric.kosctl(['credentials', 'passphrase', ...state], types('correct horse'))
  assert.equal(set.code, 0, set.err)
  await assert.rejects(node.restart(), { code: 'KOS_NODE_PASSPHRASE' })
})

test('what cannot be meant is refused, and nothing is changed', async (context) => {
  const fabric = await startFabric(context)
  const run = ['credentials', 'passphrase']
  const refused = async (args: readonly string[], reason: RegExp, changes = {}): Promise<void> => {
    const ran = await fabric.kosctl([...run, ...args], changes)
    assert.equal(ran.code, 2, ran.err)
    assert.match(ran.err, reason)
  }
  await refused(['--remove'], /have no passphrase/)
  await refused(['--remove', '--new-file', 'x'], /exclude each other/)
  await refused([], /no terminal to ask on/)
  let typed = 0
  const prompt = (): Secret => Secret.copy(utf8(`passphrase ${typed++}`))
  await refused([], /the two passphrases differ/, { prompt })
  const short = await fabric.kosctl(run, types('short'))
  assert.match(short.err, /could not be unlocked/)
  const none = await fabric.kosctl(['credentials', 'list', '--state', temporaryFolder(context)])
  assert.equal(none.code, 1)
  assert.match(none.err, /KOS_CLI_CREDENTIAL/)
  assert.equal((await fabric.kosctl(['devices'])).code, 0)
})
