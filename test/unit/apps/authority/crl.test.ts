/** Revocation lists for outsiders: over plain HTTP, and as openssl judges by them. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { describe, test } from 'node:test'
import { parseCertificate, parseCrl, pemEncode } from '../../../../src/foundation/codec/index.ts'
import { CRL_LIFE_MS } from '../../../../src/apps/authority/crl-publisher.ts'
import type { Member } from '../../../../src/apps/node/index.ts'
import { startFabric, type TestFabric, type TestNode } from '../../../kit/fabric.ts'
import { findOpenssl } from '../../../kit/openssl.ts'

const { openssl, skip } = findOpenssl()
const CRL = { listen: { host: '127.0.0.1', port: 0 }, isPortFixed: false }
const pem = (der: Uint8Array): string => pemEncode('CERTIFICATE', der)

interface Answer {
  readonly status: number
  readonly type: string | undefined
  readonly body: Buffer
}

function fetchPath(fabric: TestFabric, path: string, method: string = 'GET'): Promise<Answer> {
  const { at } = fabric.authority.crl ?? assert.fail('no lists are served')
  return new Promise((resolve, reject) => {
    const sent = request({ host: at.host, port: at.port, path, method, agent: false }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () =>
        resolve({
          status: answer.statusCode ?? 0,
          type: answer.headers['content-type'],
          body: Buffer.concat(chunks),
        }),
      )
    })
    sent.on('error', reject)
    sent.end()
  })
}

const crlOf = async (fabric: TestFabric): Promise<Buffer> => {
  const [name] = fabric.authority.crl?.names ?? []
  const { status, type, body } = await fetchPath(fabric, `/crl/${name}.crl`)
  assert.deepEqual([status, type], [200, 'application/pkix-crl'])
  return body
}

const memberOf = ({ running }: TestNode): Member => running.member
const serialOf = (node: TestNode): string =>
  parseCertificate(memberOf(node).membership.leaf).serialHex

/** What openssl says of a leaf: "ok", or its complaint. */
function verdict(node: TestNode, crl: Uint8Array, atMs: number): string {
  const { bundle } = memberOf(node).fabric
  const [intermediate] = bundle.intermediates
  assert.ok(intermediate)
  const files = {
    root: pem(bundle.rootP256Certificate.der),
    intermediate: pem(intermediate.certificate.der),
    leaf: pem(memberOf(node).membership.leaf),
    crl: pemEncode('X509 CRL', crl),
  }
  const at = String(Math.floor(atMs / 1000))
  const args = ['verify', '-attime', at, '-crl_check', '-CAfile', '{root}', '-untrusted']
  try {
    return openssl.run([...args, '{intermediate}', '-CRLfile', '{crl}', '{leaf}'], files)
  } catch (error) {
    return String((error as { stderr?: unknown }).stderr)
  }
}

describe('revocation lists', () => {
  test(
    'openssl accepts a leaf, refuses it when locked or removed, and without a list in time',
    { skip },
    async (context) => {
      const fabric = await startFabric(context, { authority: { crl: CRL } })
      const locked = await fabric.addNode('camera-1')
      const other = await fabric.addNode('camera-2')
      const now = (): number => fabric.clock.wallMs()
      const first = await crlOf(fabric)
      assert.match(verdict(locked, first, now()), /OK/)

      await fabric.kosctl(['lock', 'camera-1', '--reason', 'stolen'])
      const second = await crlOf(fabric)
      assert.match(verdict(locked, second, now()), /certificate revoked/)
      assert.match(verdict(other, second, now()), /OK/)

      // A list that has ended proves nothing any more, in either direction.
      const late = now() + CRL_LIFE_MS + 1000
      assert.match(verdict(other, second, late), /CRL has expired/)
      // And without any list there is no verdict.
      const missing = await fetchPath(fabric, `/crl/${'0'.repeat(40)}.crl`)
      assert.equal(missing.status, 404)

      await fabric.kosctl(['unlock', 'camera-1'])
      assert.match(verdict(locked, await crlOf(fabric), now()), /OK/)
      await fabric.kosctl(['devices', 'remove', 'camera-1'])
      assert.match(verdict(locked, await crlOf(fabric), now()), /certificate revoked/)
    },
  )

  test('numbers and times go on after a restart; a list is signed anew before its end', async (context) => {
    const fabric = await startFabric(context, { authority: { crl: CRL } })
    const camera = await fabric.addNode('camera-1')
    await fabric.kosctl(['lock', 'camera-1', '--reason', 'stolen'])
    const before = parseCrl(await crlOf(fabric))
    const entry = before.revoked.get(serialOf(camera))
    assert.ok(entry)
    assert.equal(entry.reason, 'unspecified')
    assert.equal(before.nextUpdate - before.thisUpdate, CRL_LIFE_MS)

    await fabric.stopAuthority()
    await fabric.startAuthority()
    const same = parseCrl(await crlOf(fabric))
    assert.equal(same.crlNumber, before.crlNumber)
    fabric.clock.advance(CRL_LIFE_MS / 2 + 61_000)
    const renewed = parseCrl(await crlOf(fabric))
    assert.ok(renewed.crlNumber > before.crlNumber)
    assert.ok(renewed.nextUpdate > before.nextUpdate)
    assert.deepEqual(renewed.revoked.get(serialOf(camera)), entry)

    // Its certificate ends: nobody needs to hear of it any more.
    fabric.clock.advance(25 * 60 * 60 * 1000)
    assert.equal(parseCrl(await crlOf(fabric)).revoked.size, 0)
  })

  test('the server answers one kind of question', async (context) => {
    const fabric = await startFabric(context, { authority: { crl: CRL } })
    const [name = ''] = fabric.authority.crl?.names ?? []
    for (const path of ['/', '/crl/', '/crl/..%2fkeys', `/crl/${name}.crl?x=1`, `/crl/${name}`]) {
      assert.equal((await fetchPath(fabric, path)).status, 404, path)
    }
    assert.equal((await fetchPath(fabric, `/crl/${name}.crl`, 'POST')).status, 405)
  })

  test('there is none unless it is asked for', async (context) => {
    const fabric = await startFabric(context)
    assert.equal(fabric.authority.crl, undefined)
  })
})
