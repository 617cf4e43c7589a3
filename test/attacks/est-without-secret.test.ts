/** Attack: a device asks EST for a certificate without a secret, or with something else in its place. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFabric } from '../kit/fabric.ts'
import { auditEntries, estDevice, estPost, estReenrol, estSecret } from '../kit/est-fabric.ts'
import { estCsr } from '../kit/est.ts'
import { testKey } from '../kit/x509.ts'

test('no secret, no certificate: 401 with a challenge, recorded, and nobody is registered', async (context) => {
  const fabric = await startFabric(context)
  const { user, password } = await estSecret(fabric, 'printer-1')
  const device = await estDevice(fabric, 'printer-2')
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const csr = estCsr(testKey())
  for (const headers of [
    {},
    { authorization: '' },
    { authorization: `Bearer ${password}` },
    { authorization: `Basic ${password}` },
    { authorization: `Basic ${base64(password)}` },
    { authorization: `Basic ${base64(`:${password}`)}` },
    { 'x-authorization': `Basic ${base64(`${user}:${password}`)}` },
  ]) {
    const answer = await estPost(fabric, 'simpleenroll', { csr, headers })
    assert.deepEqual([answer.status, answer.rule], [401, 'token/missing'], JSON.stringify(headers))
    assert.match(String(answer.headers['www-authenticate']), /^Basic realm="kOS EST"/)
    assert.match(String(answer.headers['content-type']), /^text\/plain/)
  }
  // A certificate is no secret of a first enrolment, and no certificate is none of a renewal.
  const { identity } = device
  const byCertificate = await estPost(fabric, 'simpleenroll', { csr, identity })
  assert.equal(byCertificate.status, 401)
  const byNobody = await estPost(fabric, 'simplereenroll', { csr })
  assert.deepEqual([byNobody.status, byNobody.rule], [403, 'guard/member/certificate-missing'])
  assert.notEqual((await fabric.kosctl(['devices', 'show', 'printer-1'])).code, 0)
  const refusals = (await auditEntries(fabric)).filter(
    ({ type, rule }) => type === 'refusal' && rule === 'token/missing',
  )
  assert.ok(refusals.length > 0)
  assert.equal((await estReenrol(fabric, device, testKey())).status, 200)
})
