/** Where an authority was, another one comes up: restored from the backup of somebody else's fleet. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Secret, silentLog, systemRandom } from '../../src/foundation/base/index.ts'
import {
  createBackup,
  restoreUnpacked,
  startAuthority,
  unpackBackup,
} from '../../src/apps/authority/index.ts'
import { consultAuthority } from '../../src/apps/node/consult.ts'
import { CROWD, startFabric } from '../kit/fabric.ts'
import { domain } from '../kit/pki.ts'

const passphrase = (): Secret => Secret.take(Buffer.from('correct horse'))

test('neither node nor operator believes it, and nothing of the fleet is told to it', async (context) => {
  const fabric = await startFabric(context)
  const node = await fabric.addNode('gate')
  const { member } = node.running
  const before = member.fabric.bundle.hash
  const other = await startFabric(context, { trustDomain: 'other.internal' })
  const deps = { clock: fabric.clock, random: systemRandom, log: silentLog }
  const file = join(other.folder, 'other.backup')
  await createBackup(deps, { folder: other.stateFolder, file, passphrase: passphrase() })
  const { api, session } = fabric.authority
  await fabric.stopAuthority()
  rmSync(fabric.stateFolder, { recursive: true })
  await restoreUnpacked(
    deps,
    unpackBackup({ file, folder: fabric.stateFolder, passphrase: passphrase() }),
  )
  // Under the own domain it does not even open.
  await assert.rejects(
    fabric.startAuthority({ recovery: { waitMs: 0 } }),
    (error: { code?: string }) => error.code === 'KOS_PKI_STATE',
  )
  const foreign = await startAuthority(deps, {
    folder: fabric.stateFolder,
    trustDomain: domain('other.internal'),
    listen: api,
    sessionListen: session,
    fixedPorts: { api: true, session: true },
    advertiseHost: undefined,
    names: { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] },
    operator: { folder: join(other.folder, 'operator-2'), name: 'mallory' },
    admission: CROWD,
    recovery: { waitMs: 0 },
  })
  try {
    await assert.rejects(
      consultAuthority(member, 3000),
      (error: { code?: string }) => error.code === 'KOS_NODE_AUTHORITY_UNTRUSTED',
    )
    assert.equal(member.fabric.bundle.hash, before)
    assert.ok(!node.running.link.isConnected)
    const devices = await fabric.kosctl(['devices'])
    assert.equal(devices.code, 5, devices.err)
  } finally {
    await foreign.stop()
  }
})
