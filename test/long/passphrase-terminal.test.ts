/** A passphrase as somebody types it: unseen, on a terminal, whatever the standard streams are. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startFabric } from '../kit/fabric.ts'
import { noTerminal, sitDown } from '../kit/terminal.ts'

const [ENTER, BACKSPACE, CTRL_C, CTRL_U] = ['\r', '\u007f', '\u0003', '\u0015']

describe('a passphrase on a terminal', { skip: noTerminal }, () => {
  test('is set, asked for, and never shown', async (context) => {
    const fabric = await startFabric(context)
    const environment = { KOS_CONFIG: fabric.operator }
    const setting = sitDown(context, ['credentials', 'passphrase'], environment)
    await setting.sees(/new passphrase: /)
    setting.type(`nonsense${CTRL_U}correct horsö${BACKSPACE}e${ENTER}`)
    await setting.sees(/the same again: /)
    setting.type(`correct horse${ENTER}`)
    await setting.sees(/passphrase set/)
    assert.equal(await setting.ended, 0)
    assert.doesNotMatch(setting.shown(), /correct|nonsense/)

    const list = sitDown(context, ['credentials', 'list'], environment)
    await list.sees(/passphrase of .*: /)
    list.type(`wrong one${ENTER}`)
    await list.sees(/passphrase of .*: /)
    list.type(`correct horse${ENTER}`)
    await list.sees(/sealed by +a passphrase/)
    assert.equal(await list.ended, 0)
    assert.doesNotMatch(list.shown(), /wrong one|correct/)

    const left = sitDown(context, ['credentials', 'list'], environment)
    await left.sees(/passphrase of .*: /)
    left.type(`corr${CTRL_C}`)
    await left.sees(/No passphrase was typed/)
    assert.equal(await left.ended, 1)
  })
})
