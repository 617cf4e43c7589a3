/** docs/commands.md says what the catalog says. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { commandsPage, documentedCommands } from '../../../../tools/commands-doc.ts'
import { DEFAULT_EXECUTOR_LIMITS } from '../../../../src/commands/execution/index.ts'
import { runCommand } from '../../../kit/commands.ts'

const page = readFileSync(join(import.meta.dirname, '../../../../docs/commands.md'), 'utf8')

test('the catalog section is up to date (else: node tools/boot.js run tools/commands-doc.ts)', () => {
  assert.equal(page, commandsPage(page, documentedCommands()))
})

test('a page without markers is refused', () => {
  assert.throws(() => commandsPage('# Commands\n', documentedCommands()), TypeError)
})

test('the limits named in the text are those of the code', () => {
  const { callRate, maxRunningPerPeer, maxStoredCalls, maxStoredBytes, maxStoredChangesPerPeer } =
    DEFAULT_EXECUTOR_LIMITS
  for (const text of [
    `${callRate.perSecond}/s, burst ${callRate.burst}`,
    `per peer ${maxRunningPerPeer}`,
    `${maxStoredCalls.toLocaleString('en-US')} calls and ${maxStoredBytes / 1024 / 1024} MiB`,
    `${maxStoredChangesPerPeer.toLocaleString('en-US')} per peer`,
  ]) {
    assert.ok(page.includes(text), text)
  }
})

describe('examples with a result have it', () => {
  for (const command of documentedCommands()) {
    for (const { purpose, arguments: args, result } of command.examples) {
      if (!result) continue
      test(`${command.name}: ${purpose}`, async () => {
        assert.deepEqual(await runCommand(command, args), result)
      })
    }
  }
})
