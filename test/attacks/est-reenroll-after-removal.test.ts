/** Attack: a device that was locked or removed, or whose certificate ended, renews by EST. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCertificate, parseCrl } from '../../src/foundation/codec/index.ts'
import { estDevice, estPeer, estReenrol } from '../kit/est-fabric.ts'
import { startFabric, type TestFabric } from '../kit/fabric.ts'
import { testKey } from '../kit/x509.ts'

const HOUR_MS = 3_600_000

test('locked it waits, removed or ended it is out', async (context) => {
  const fabric = await startFabric(context)
  const device = await estDevice(fabric, 'printer-1')
  const other = await estDevice(fabric, 'printer-2')
  const renew = async (): Promise<number> => {
    fabric.clock.advance(HOUR_MS)
    return (await estReenrol(fabric, device, testKey())).status
  }
  assert.equal((await fabric.kosctl(['lock', 'printer-1', '--reason', 'lost'])).code, 0)
  assert.equal(await renew(), 403)
  assert.equal((await fabric.kosctl(['unlock', 'printer-1'])).code, 0)
  assert.equal(await renew(), 200)
  assert.equal((await fabric.kosctl(['devices', 'remove', 'printer-1'])).code, 0)
  assert.equal(await renew(), 403)
  fabric.clock.advance(24 * HOUR_MS)
  assert.equal((await estReenrol(fabric, other, testKey())).status, 403)
})

test('locks, removals and quarantines stand in the list for outsiders at once', async (context) => {
  const fabric = await startFabric(context, {
    authority: { crl: { listen: { host: '127.0.0.1', port: 0 }, isPortFixed: false } },
  })
  const [locked, removed, copied, free] = [
    await estDevice(fabric, 'locked'),
    await estDevice(fabric, 'removed'),
    await estDevice(fabric, 'copied'),
    await estDevice(fabric, 'free'),
  ]
  assert.equal((await fabric.kosctl(['lock', 'locked', '--reason', 'lost'])).code, 0)
  assert.equal((await fabric.kosctl(['devices', 'remove', 'removed'])).code, 0)
  const key = testKey()
  const owner = estPeer(key, await estReenrol(fabric, copied, key))
  assert.equal((await estReenrol(fabric, copied, testKey())).status, 200)
  assert.equal((await estReenrol(fabric, owner, testKey())).status, 403)
  const listed = await revokedSerials(fabric)
  const serials = [locked, removed, copied, owner, free].map(
    ({ leaf }) => parseCertificate(leaf).serialHex,
  )
  assert.deepEqual(
    serials.map((serial) => listed.includes(serial)),
    [true, true, true, true, false],
  )
})

async function revokedSerials(fabric: TestFabric): Promise<readonly string[]> {
  const { at, names } = fabric.authority.crl ?? assert.fail('no lists are served')
  const answer = await fetch(`http://${at.host}:${at.port}/crl/${names[0]}.crl`)
  const crl = parseCrl(new Uint8Array(await answer.arrayBuffer()))
  return [...crl.revoked.keys()]
}
