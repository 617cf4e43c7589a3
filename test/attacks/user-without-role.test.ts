/** A user of the fabric without any role: the credential is genuine and opens nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFabric } from '../kit/fabric.ts'

test('a user without a role sees nothing, changes nothing and calls nobody’s devices', async (context) => {
  const fabric = await startFabric(context)
  await fabric.addNode('camera-1')
  const { nora = '', vera = '' } = await fabric.addUsers({ nora: [], vera: ['viewer'] })
  const commands = [
    ['devices'],
    ['devices', 'show', 'camera-1'],
    ['devices', 'remove', 'camera-1'],
    ['devices', 'rename', 'camera-1', 'mine'],
    ['token', 'create', '--name', 'mine'],
    ['token', 'list'],
    ['policy', 'show'],
    ['audit', 'tail'],
    ['audit', 'verify'],
  ]
  for (const args of commands) {
    const ran = await fabric.kosctl(args, { config: nora })
    assert.deepEqual([ran.code, ran.out], [3, ''], args.join(' '))
    assert.match(ran.err, /rule {4}guard\//)
  }
  // Peers decide by themselves: an owner's rule is not for others.
  const exec = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'], { config: nora })
  assert.deepEqual([exec.code, exec.out], [3, ''])
  assert.match(exec.err, /KOS_POLICY_NOT_ALLOWED/)

  // A role opens what it names and no more.
  assert.equal((await fabric.kosctl(['devices'], { config: vera })).code, 0)
  const create = await fabric.kosctl(['token', 'create', '--name', 'mine'], { config: vera })
  assert.equal(create.code, 3)
})
