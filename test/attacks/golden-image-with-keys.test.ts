/**
 * Attack, or mistake: a state folder is copied to another machine together with its keys, as a golden image
 * that was started once too often. The copy does not start there, unless an operator says that the disk moved
 * for good.
 */
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog, systemRandom } from '../../src/foundation/base/index.ts'
import { type RunningNode, startNode } from '../../src/apps/node/index.ts'
import { joinFolder, startFabric } from '../kit/fabric.ts'
import { rememberedHost } from '../kit/probe-host.ts'

const HERE = { macs: ['a'], id: 'here' }
const THERE = { macs: ['b'], id: 'here' }

test('a folder with keys does not start on another machine', async (context) => {
  const fabric = await startFabric(context)
  const folder = join(fabric.folder, 'original')
  const { clock } = fabric
  await joinFolder({ folder, line: await fabric.joinLine('camera-1'), clock })
  const start = (state: string, marks: typeof HERE, isMoved = false): Promise<RunningNode> =>
    startNode(
      { clock, random: systemRandom, log: silentLog, probeHost: rememberedHost },
      {
        folder: state,
        listen: { host: '127.0.0.1', port: 0 },
        isPortFixed: true,
        advertise: undefined,
        shareFolder: join(state, 'share'),
        marks,
        isMoved,
      },
    )
  await (await start(folder, HERE)).stop()
  const copy = join(fabric.folder, 'copy')
  cpSync(folder, copy, { recursive: true })
  await assert.rejects(start(copy, THERE), { code: 'KOS_NODE_MOVED' })
  await (await start(copy, THERE, true)).stop()
  await assert.rejects(start(copy, HERE), { code: 'KOS_NODE_MOVED' })
})
