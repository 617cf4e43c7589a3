/** Attack: the secret of an EST token was overheard, and is used for a second device. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFabric } from '../kit/fabric.ts'
import { auditEntries, estEnrol, estPeer, estReenrol, estSecret, shown } from '../kit/est-fabric.ts'
import { estCsr } from '../kit/est.ts'
import { testKey } from '../kit/x509.ts'

test('the same key gets the same certificate, another one nothing', async (context) => {
  const fabric = await startFabric(context)
  const secret = await estSecret(fabric, 'printer-1')
  const key = testKey()
  const first = await estEnrol(fabric, secret, estCsr(key))
  const second = await estEnrol(fabric, secret, estCsr(key))
  assert.equal(first.status, 200, first.text)
  assert.equal(second.text, first.text)
  const thief = await estEnrol(fabric, secret, estCsr(testKey()))
  assert.deepEqual([thief.status, thief.rule], [403, 'token/spent'])
  // Nobody has used the certificate yet: this alone locks no device out.
  assert.equal((await shown(fabric, 'printer-1'))['state'], 'active')
})

test('once its certificate was used, the device is quarantined: nobody knows whose it is', async (context) => {
  const fabric = await startFabric(context)
  const secret = await estSecret(fabric, 'printer-1')
  const key = testKey()
  const device = estPeer(key, await estEnrol(fabric, secret, estCsr(key)))
  const renewed = estPeer(key, await estReenrol(fabric, device, key))
  const thief = await estEnrol(fabric, secret, estCsr(testKey()))
  assert.deepEqual([thief.code, thief.rule], ['KOS_ENROLMENT_COPY', 'token/other-key'])
  assert.equal((await shown(fabric, 'printer-1'))['state'], 'quarantined')
  assert.equal((await estReenrol(fabric, renewed, testKey())).status, 403)
  const alarms = (await auditEntries(fabric)).filter(
    ({ type, rule }) => type === 'lock' && rule === 'token/other-key',
  )
  assert.equal(alarms.length, 1)
})

test('two devices at once with one secret: one of them gets in', async (context) => {
  const fabric = await startFabric(context)
  const secret = await estSecret(fabric, 'printer-1')
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => estEnrol(fabric, secret, estCsr(testKey()))),
  )
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, ...Array.from({ length: 7 }, () => 403)],
  )
})
