/** Scenario: a user gives a node a command of his own, peers call it, its file breaks and is corrected. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  DEFAULT_PROBE_OPTIONS,
  probeSandbox,
  systemProbeHost,
} from '../../src/commands/sandbox/index.ts'
import { Place } from '../kit/processes.ts'
import { commandFile, objectSchema } from '../kit/user-commands.ts'

const RULE = {
  id: 'gateway-speaks',
  effect: 'allow',
  domain: 'rpc',
  from: ['name:gateway-1'],
  to: ['name:node'],
  actions: ['say.word'],
}
const GREETER = commandFile({
  name: 'greet',
  result: objectSchema({ text: { type: 'string' } }),
  run: { module: './greet.mjs' },
})

test('commands of files come, break and are corrected on a running node', async (context) => {
  const { refusal } = await probeSandbox({ host: systemProbeHost }, DEFAULT_PROBE_OPTIONS)
  if (refusal) return context.skip(`no sandbox on this host: ${refusal.code} (${refusal.rule})`)
  const place = new Place(context)
  await place.startAuthority()
  // The node that `kosctl` takes for the one of this machine.
  const node = await place.join('node')
  await place.join('gateway-1')
  const draft = join(place.folder, 'draft.json')
  const add = (file: object): Promise<string> => {
    writeFileSync(draft, JSON.stringify(file), { mode: 0o600 })
    return place.done('commands', 'add', draft)
  }
  const said = async (...command: readonly string[]): Promise<string> =>
    (await place.kosctl(['exec', 'node', ...command])).out

  await add(commandFile())
  await place.eventually(
    'the command is there',
    async () => (await said('say.word', 'hi')) === 'hi\n',
  )
  writeFileSync(
    join(place.folder, 'greet.mjs'),
    'export function run({ word }, { peer }) { return { text: `${word} from ${peer}` } }',
    { mode: 0o600 },
  )
  await add(GREETER)
  await place.eventually('so is the module', async () =>
    /^hello from spiffe:.*\/user\//.test(await said('greet', 'hello')),
  )

  const refused = await place.execAs('gateway-1', 'node', 'say.word', '--args', '{"word":"a"}')
  assert.equal(refused.code, 3, refused.err)
  assert.match(refused.err, /rule +default-deny/)
  await place.changeRules((rules) => [...rules, RULE])
  await place.eventually('a peer may call it', async () => {
    const call = ['say.word', '--args', '{"word":"a b"}']
    return (await place.execAs('gateway-1', 'node', ...call)).out === 'a b\n'
  })

  const path = join(place.stateOf('node'), 'commands', 'say.word.json')
  writeFileSync(path, '{ "name": "say.word", ')
  await place.eventually('the file is refused', async () =>
    /^refused {2}say\.word\.json: /m.test(await place.done('commands', 'list', 'node')),
  )
  // Looks again, where another program would end.
  process.kill(node.pid, 'SIGHUP')
  assert.equal(await said('say.word', 'still'), 'still\n')
  assert.match(
    (await place.kosctl(['doctor'])).out,
    /warning +command files +1 accepted, 1 refused/,
  )
  assert.equal((await place.kosctl(['commands', 'validate', path])).code, 1)
  await place.eventually('the record tells of it', async () =>
    (await place.audit()).some(
      ({ action, outcome, detail }) =>
        action === 'command-file.apply' &&
        outcome === 'refused' &&
        detail?.['file'] === 'say.word.json',
    ),
  )

  await add(commandFile({ run: { program: '/usr/bin/printf', arguments: ['%s!', '{word}'] } }))
  await place.eventually(
    'the corrected one is in force',
    async () => (await said('say.word', 'hi')) === 'hi!\n',
  )
  assert.ok(node.isRunning)
  await place.verifyAudit()
})
