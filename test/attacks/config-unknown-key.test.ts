/** Attack: a misspelt or foreign setting is passed over, and the daemon runs without what it should do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConfigFolder } from '../kit/config.ts'

test('what a daemon does not know keeps it from starting', async (context) => {
  const node = createConfigFolder(context)
  const authority = createConfigFolder(context, 'authority')
  const unknown: readonly (readonly [typeof node, text: string, problem: string])[] = [
    [
      node,
      'enforcment: modules.json',
      '1:1\n  problem  "enforcment" is not known here: is it "enforcement"?',
    ],
    [
      node,
      '# x\nlog-level: info',
      '2:1\n  problem  "log-level" is not known here: is it "logLevel"?',
    ],
    [
      node,
      'crl: 127.0.0.1:1',
      '1:1\n  problem  "crl" is a setting of kosd authority, not of kosd node',
    ],
    [
      authority,
      'standby: true',
      '1:1\n  problem  "standby" is a setting of kosd node, not of kosd authority',
    ],
    [authority, 'passphrase: x', '1:1\n  problem  "passphrase" is not known here'],
    [node, '"a\\nb": 1', '1:1\n  problem  this name is not known here'],
    [node, '__proto__: { standby: true }', '1:1\n  problem  "__proto__" is not known here'],
    [node, '<<: { standby: true }', '1:1\n  problem  this name is not known here'],
  ]
  for (const [daemon, text, problem] of unknown) {
    daemon.write(text)
    const { code, err } = await daemon.start()
    assert.equal(code, 1)
    assert.ok(err.includes(`config.yaml:${problem}\n`), err)
  }
})
