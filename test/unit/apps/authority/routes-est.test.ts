/** EST on the wire: headers, audit records, what an EST device can do, and what kosctl shows of it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test, type TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { DerReader } from '../../../../src/foundation/codec/index.ts'
import { eventually, rawRequest, startFabric, type TestFabric } from '../../../kit/fabric.ts'
import {
  auditEntries,
  estDevice,
  estEnrol,
  estPeer,
  estPost,
  estReenrol,
  estSecret,
} from '../../../kit/est-fabric.ts'
import { estCsr } from '../../../kit/est.ts'
import { testKey } from '../../../kit/x509.ts'

const get = (fabric: TestFabric, name: string): ReturnType<typeof rawRequest> =>
  rawRequest(fabric.authority.api.port, { method: 'GET', path: `/.well-known/est/${name}` })

/** An answer as its bytes, so that nothing hides how it was framed. */
async function rawAnswer(context: TestContext, fabric: TestFabric, head: string): Promise<string> {
  const { port } = fabric.authority.api
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  context.after(() => socket.destroy())
  let heard = ''
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  socket.write(`${head}\r\nhost: a\r\nconnection: close\r\n\r\n`)
  await once(socket, 'close')
  return heard
}

describe('answers', () => {
  test('have their type, the encoding, and a length; nothing is chunked', async (context) => {
    const fabric = await startFabric(context)
    for (const [name, type] of [
      ['cacerts', 'application/pkcs7-mime; smime-type=certs-only'],
      ['csrattrs', 'application/csrattrs'],
    ] as const) {
      const heard = await rawAnswer(context, fabric, `GET /.well-known/est/${name} HTTP/1.1`)
      const [head = '', body = ''] = heard.split('\r\n\r\n')
      assert.match(head, /^HTTP\/1\.1 200 /)
      assert.ok(head.toLowerCase().includes(`\r\ncontent-type: ${type}\r\n`), head)
      assert.match(head, /\r\ncontent-transfer-encoding: base64\r\n/i)
      assert.match(head, new RegExp(`\\r\\ncontent-length: ${body.length}\\r\\n`, 'i'))
      assert.doesNotMatch(head, /transfer-encoding: chunked/i)
      const reader = new DerReader(Buffer.from(body, 'base64'))
      reader.sequence()
      reader.end()
    }
    const device = await estDevice(fabric, 'printer-1')
    const answers = [
      await estEnrol(fabric, await estSecret(fabric, 'printer-2'), estCsr(testKey())),
      await estReenrol(fabric, device, testKey()),
      await estPost(fabric, 'simpleenroll', { csr: estCsr(testKey()) }),
      await estPost(fabric, 'fullcmc', { csr: estCsr(testKey()) }),
    ]
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 401, 501],
    )
    for (const { headers, bytes } of answers) {
      assert.equal(headers['content-length'], String(bytes.length))
      assert.equal(headers['transfer-encoding'], undefined)
    }
  })

  test('of refusals are text that names code, rule and what to do', async (context) => {
    const fabric = await startFabric(context)
    const { status, headers, text } = await estPost(fabric, 'simpleenroll', {
      csr: estCsr(testKey()),
    })
    assert.equal(status, 401)
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8')
    assert.match(
      text,
      /^KOS_ENROLMENT_TOKEN \(token\/missing\): The join token [^\n]*\.\nSend [^\n]*\n$/,
    )
    const missing = await get(fabric, 'label/cacerts')
    assert.deepEqual([missing.status, missing.code], [404, 'KOS_AUTHORITY_NOT_FOUND'])
  })

  test('a device that renews all the time is told when to come back', async (context) => {
    const fabric = await startFabric(context)
    let device = await estDevice(fabric, 'printer-1')
    const key = testKey()
    for (let round = 0; round < 4; round++) {
      device = estPeer(key, await estReenrol(fabric, device, key))
    }
    const limited = await estReenrol(fabric, device, key)
    assert.deepEqual([limited.status, limited.rule], [429, 'rate/renewals'])
    const seconds = Number(limited.headers['retry-after'])
    assert.ok(seconds > 3000 && seconds <= 3600, String(seconds))
    fabric.clock.advance(seconds * 1000)
    assert.equal((await estReenrol(fabric, device, key)).status, 200)
  })
})

describe('the connection', () => {
  test('may be bound by the challenge password; that of another connection is refused', async (context) => {
    const fabric = await startFabric(context)
    const device = await estDevice(fabric, 'printer-1')
    const { port } = fabric.authority.api
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      ...device.identity,
    })
    context.after(() => socket.destroy())
    await once(socket, 'secureConnect')
    const exported = socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
    const bound = (bytes: Buffer): Buffer => {
      const text = bytes.toString('base64')
      const value = Buffer.concat([Buffer.of(0x13, text.length), Buffer.from(text)])
      return Buffer.from(
        estCsr(testKey(), { attributes: [{ oid: '1.2.840.113549.1.9.7', values: [value] }] }),
      )
    }
    const elsewhere = await estEnrol(fabric, await estSecret(fabric, 'a'), bound(exported))
    assert.deepEqual([elsewhere.status, elsewhere.rule], [403, 'proof/challenge-password'])
    const { user, password } = await estSecret(fabric, 'b')
    const body = bound(exported).toString('base64')
    let heard = ''
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
    socket.write(
      [
        'POST /.well-known/est/simpleenroll HTTP/1.1',
        'host: a',
        'connection: close',
        'content-type: application/pkcs10',
        `authorization: Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
        `content-length: ${body.length}`,
        '',
        body,
      ].join('\r\n'),
    )
    await once(socket, 'close')
    assert.match(heard, /^HTTP\/1\.1 200 /)
  })
})

describe('records', () => {
  test('each issue has an intent and an outcome, each refusal one entry', async (context) => {
    const fabric = await startFabric(context)
    const secret = await estSecret(fabric, 'printer-1')
    const key = testKey()
    const device = estPeer(key, await estEnrol(fabric, secret, estCsr(key)))
    await estReenrol(fabric, device, testKey())
    await estEnrol(fabric, { ...secret, password: 'guess' }, estCsr(testKey()))
    await estReenrol(fabric, device, estCsr(testKey()))
    // Refusals may wait a moment before they are written.
    await eventually(async () => {
      const rules = (await auditEntries(fabric)).map(({ rule }) => rule)
      return rules.includes('token/secret') && rules.includes('csr/names')
    }, 'recorded')
    const entries = await auditEntries(fabric)
    const said = entries
      .filter(({ type, action }) => type === 'enrolment' && String(action).startsWith('est.'))
      .map(({ action, outcome }) => `${String(action)} ${String(outcome)}`)
    assert.deepEqual(said, ['est.enrol intent', 'est.enrol ok', 'est.renew ok'])
    const refused = entries
      .filter(({ action }) => String(action).startsWith('POST /.well-known/est/'))
      .map(({ rule, actor }) => `${String(rule)} ${String(actor).split('/').at(-2) ?? '-'}`)
    assert.deepEqual(refused, ['token/secret -', 'csr/names device'])
    assert.ok(!JSON.stringify(entries).includes(secret.password))
  })
})

describe('an EST device', () => {
  test('has fewer rights than a member: no session token, no route of operators', async (context) => {
    const fabric = await startFabric(context)
    const { identity } = await estDevice(fabric, 'printer-1')
    const ask = (method: string, path: string, body?: Buffer): ReturnType<typeof rawRequest> =>
      rawRequest(fabric.authority.api.port, { method, path, identity, ...(body && { body }) })
    const token = await ask('POST', '/v1/session', Buffer.alloc(64))
    assert.deepEqual([token.status, token.rule], [403, 'token/no-identity-key'])
    for (const path of ['/v1/objects', '/v1/principals', '/v1/audit', '/v1/tokens']) {
      fabric.clock.advance(1000)
      assert.equal((await ask('GET', path)).status, 401, path)
    }
  })

  test('is shown as one, and is missed neither in the audit view nor in the checks', async (context) => {
    const fabric = await startFabric(context)
    await estDevice(fabric, 'printer-1')
    await fabric.addNode('camera-1')
    const listed = (await fabric.kosctl(['devices'])).out
    assert.match(listed, /^printer-1 +kdev-\S+ +SEC-2 \(EST\) /m)
    assert.match(listed, /^camera-1 +kdev-\S+ +SEC-2 +connected /m)
    assert.match((await fabric.kosctl(['devices', 'show', 'printer-1'])).out, /^enrolled by +est$/m)
    assert.match(
      (await fabric.kosctl(['token', 'list'])).out,
      /printer-1 +device +SEC-2 \(EST\) +spent/,
    )
    const members = (await fabric.kosctl(['audit', 'members'])).out
    assert.doesNotMatch(members, /printer-1/)
    assert.match((await fabric.kosctl(['doctor'])).out, /1 of 1 connected/)
  })

  test('comes in with what kosctl prints, and that line brings nothing else', async (context) => {
    const fabric = await startFabric(context)
    const made = await fabric.kosctl(['token', 'create', '--name', 'printer-1', '--est'])
    assert.equal(made.code, 0, made.err)
    assert.match(
      made.out,
      /-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----/,
    )
    assert.match(
      made.out,
      /\/\.well-known\/est\/simpleenroll' <<'END'\nuser = "[\w-]{22}:[\w-]{43}"\nEND/,
    )
    for (const more of [
      ['--profile', 'SEC-1'],
      ['--profile', 'SEC-3'],
      ['--kind', 'agent'],
    ]) {
      const refused = await fabric.kosctl(['token', 'create', '--name', 'x', '--est', ...more])
      assert.notEqual(refused.code, 0, more.join(' '))
    }
  })
})
