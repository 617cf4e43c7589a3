/** `policy.explain`: what it takes, what it gives, what it notes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type PolicyAnswer,
  policyExplainCommand,
  type PolicyQuestion,
} from '../../../../src/commands/catalog/index.ts'
import { refuse } from '../../../../src/foundation/base/index.ts'
import { commandContext, runCommand } from '../../../kit/commands.ts'

const RULE = { rule: 'fleet/a', effect: 'allow', result: 'matches', because: ['x'] } as const
const ANSWER: PolicyAnswer = {
  from: 'ada',
  fromProfile: 'SEC-2',
  to: 'camera-1',
  toProfile: 'SEC-2',
  domain: 'rpc',
  action: 'echo',
  permission: 'echo',
  effects: 'read',
  arguments: { value: 1 },
  outcome: 'allowed',
  decidedBy: 'fleet/a',
  layers: [
    {
      layer: 'fleet',
      state: 'in force',
      verdict: 'allows',
      rules: Array.from({ length: 50 }, () => RULE),
      omitted: 3,
      manifest: { subject: 'any', era: 1, number: 2, hash: 'ab' },
    },
  ],
  notes: [],
}

test('a question reaches the port with who asks, and its answer comes back whole', async () => {
  const questions: PolicyQuestion[] = []
  const facts: object[] = []
  const command = policyExplainCommand({
    explain: (question, asker) => {
      questions.push(question)
      assert.equal(asker.principal.uri, commandContext().peer.principal.uri)
      return ANSWER
    },
  })
  assert.deepEqual([command.permission, command.effects], ['policy.explain', 'read'])
  const context = { ...commandContext(), note: (more: object) => void facts.push(more) }
  const asked = { command: 'echo', from: 'ada', arguments: { value: { a: [1] } }, rules: 50 }
  assert.deepEqual(await runCommand(command, asked, context), ANSWER)
  await runCommand(command, { command: 'echo' }, context)
  assert.deepEqual(
    questions.map(({ rules }) => rules),
    [50, 20],
  )
  assert.deepEqual(facts[0], { explained: 'echo', outcome: 'allowed' })
})

test('a refusal is passed on and not noted', async () => {
  const refusal = refuse('KOS_CATALOG_UNKNOWN', 'catalog/unknown-command')
  const command = policyExplainCommand({ explain: () => refusal })
  const note = (): void => assert.fail('noted')
  const context = { ...commandContext(), note }
  assert.deepEqual(await runCommand(command, { command: 'x' }, context), { ...refusal })
})

test('what is out of bounds is refused', async () => {
  const command = policyExplainCommand({ explain: () => ANSWER })
  for (const bad of [
    {},
    { command: '' },
    { command: 'x', rules: 51 },
    { command: 'x', arguments: [] },
    { command: 'x', to: 'camera-1' },
    { command: 'x', arguments: { a: 'b\0' } },
  ]) {
    assert.equal((await runCommand(command, bad))['code'], 'KOS_CATALOG_ARGUMENTS')
  }
})
