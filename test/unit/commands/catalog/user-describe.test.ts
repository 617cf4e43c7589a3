/** A device says what it can do, however much that is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  calcCommand,
  describingCommands,
  isCommandName,
} from '../../../../src/commands/catalog/index.ts'
import { authenticatedPeer, callOf, createTestExecutor } from '../../../kit/calls.ts'
import { testCommand } from '../../../kit/commands.ts'

const peer = authenticatedPeer()

test('a full folder and as many refused files fit into one result', async () => {
  const name = (index: number): string =>
    `a${'b'.repeat(58)}.c${String.fromCharCode(97 + (index % 26), 97 + Math.floor(index / 26))}`
  const commands = Array.from({ length: 256 }, (_, index) =>
    testCommand(() => ({}), {
      name: name(index),
      permission: name(index),
      summary: 'ß'.repeat(120),
    }),
  )
  assert.ok(isCommandName(name(255)))
  const refused = Array.from({ length: 256 }, () => ({
    file: 'ß'.repeat(80),
    reason: 'ß'.repeat(256),
  }))
  const describing = describingCommands({
    list: () => [calcCommand, ...describing, ...commands],
    userNames: () => new Set(commands.map((command) => command.name)),
    refused: () => refused,
  })
  const { outcome } = createTestExecutor(describing)
  const list = await outcome(peer, callOf('commands.list', {}))
  assert.ok(list.status === 'ok', JSON.stringify(list))
  const value = list.value as { readonly commands: readonly { readonly origin: string }[] }
  assert.equal(value.commands.length, 259)
  assert.equal(value.commands.filter(({ origin }) => origin === 'file').length, 256)
})

test('only what peers may call is described', async () => {
  const internal = testCommand(() => ({}), { name: 'fabric.x', domain: 'fabric' })
  const describing = describingCommands({
    list: () => [calcCommand, internal],
    userNames: () => new Set(),
    refused: () => [],
  })
  const { outcome } = createTestExecutor(describing)
  const shown = await outcome(peer, callOf('commands.show', { name: 'calc' }))
  assert.ok(shown.status === 'ok')
  for (const name of ['fabric.x', 'nothing']) {
    const answer = await outcome(peer, callOf('commands.show', { name }))
    assert.ok(answer.status === 'failed')
    assert.equal(answer.rule, 'catalog/unknown-command')
  }
})
