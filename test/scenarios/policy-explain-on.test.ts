/** Scenario: an operator asks a node why it would let a call pass, its own commands included. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Place } from '../kit/processes.ts'
import { commandFile, objectSchema } from '../kit/user-commands.ts'

const RULE = {
  id: 'gateway-says-hello',
  effect: 'allow',
  domain: 'rpc',
  from: ['name:gateway-1'],
  to: ['name:camera-1'],
  actions: ['say.word'],
  when: [{ argument: 'word', oneOf: ['hello'] }],
}

test('the node answers by its own manifest and commands', async (context) => {
  const place = new Place(context)
  await place.startAuthority()
  await place.join('camera-1')
  await place.join('gateway-1')
  const file = commandFile({
    permission: 'say.words',
    arguments: objectSchema(
      {
        word: { type: 'string', maxLength: 8 },
        times: { type: 'integer', default: 1 },
      },
      ['word'],
    ),
  })
  writeFileSync(
    join(place.stateOf('camera-1'), 'commands', 'say.word.json'),
    JSON.stringify(file),
    {
      mode: 0o600,
    },
  )
  const explain = (...words: readonly string[]): ReturnType<Place['kosctl']> =>
    place.kosctl(['policy', 'explain', '--on', 'camera-1', ...words])
  const from = ['--from', 'gateway-1', '--json', 'say.word']

  await place.eventually('the owner may call it', async () => {
    const { code, out } = await explain('say.word', 'hi')
    return code === 0 && /^allowed by fleet\/\S+$/m.test(out) && /arguments \{.*"times":1/.test(out)
  })
  const refused = await explain(...from, 'hello')
  assert.equal(refused.code, 3)
  const told = JSON.parse(refused.out) as Record<string, unknown>
  assert.deepEqual(
    [told['outcome'], told['decidedBy'], told['permission'], told['to'], told['from']],
    ['refused', 'default-deny', 'say.words', 'camera-1', 'gateway-1'],
  )
  assert.deepEqual((told['suggestion'] as Record<string, unknown>)['actions'], ['say.word'])

  await place.changeRules((rules) => [...rules, RULE])
  await place.eventually(
    'the new rule counts',
    async () => (await explain(...from, 'hello')).code === 0,
  )
  const other = await explain('--from', 'gateway-1', 'say.word', 'bye')
  assert.equal(other.code, 3)
  assert.match(other.out, /gateway-says-hello does not match: word .*hello.* does not hold/)
  const open = await explain('--from', 'gateway-1', 'say.word')
  assert.match(open.out, /depends on arguments by /)
  const long = await explain('say.word', 'far too long a word')
  assert.match(long.out, /The command itself refuses these arguments: arguments\.word/)
  assert.equal(long.code, 3)

  for (const [words, code, says] of [
    [['no.such'], 1, /catalog\/unknown-command/],
    [['--from', 'nobody-1', 'calc'], 1, /KOS_NODE_UNKNOWN_PRINCIPAL/],
    [['fabric.notice', '{}'], 1, /catalog\/unknown-command/],
    [['--to', 'camera-1', 'calc'], 2, /--to does not go with it/],
    [['--rules', '0', 'calc'], 3, /arguments\.rules/],
  ] as const) {
    const answer = await explain(...words)
    assert.match(answer.err, says)
    assert.equal(answer.code, code, answer.err)
  }

  // Who has no permission gets no look at the rules.
  const peer = await place.execAs('gateway-1', 'camera-1', 'policy.explain', 'calc')
  assert.equal(peer.code, 3)
  assert.match(peer.err, /default-deny/)
  await place.verifyAudit()
})
