/** EST as `curl` and `openssl` speak it, against a running authority. @see RFC 7030, RFC 8951 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { parseCertificate, pemDecode } from '../../../src/foundation/codec/index.ts'
import { startFabric, type TestFabric } from '../../kit/fabric.ts'
import { missing, runOutside, type Said } from '../../kit/outside.ts'
import { temporaryFolder } from '../../kit/temporary.ts'

const skip = missing('curl') || missing('openssl', 'version')

/** A device without kosd: a folder, curl, openssl and a shell. */
interface Device {
  readonly folder: string
  readonly url: string
  sh(script: string): Promise<Said>
  read(name: string): string
}

interface Access {
  readonly est: Readonly<Record<'url' | 'user' | 'password' | 'rootPem', string>>
}

async function access(fabric: TestFabric, name: string): Promise<Access['est']> {
  const made = await fabric.kosctl(['token', 'create', '--name', name, '--est', '--json'])
  assert.equal(made.code, 0, made.err)
  return (JSON.parse(made.out) as Access).est
}

function device(context: TestContext, { url, rootPem }: Access['est']): Device {
  const folder = temporaryFolder(context)
  writeFileSync(join(folder, 'kos-root.pem'), rootPem)
  return {
    folder,
    url,
    sh: (script) => runOutside('sh', ['-c', `cd '${folder}' && { ${script}\n}`]),
    read: (name) => readFileSync(join(folder, name), 'utf8'),
  }
}

const CURL = `curl --noproxy '*' --silent --show-error --cacert kos-root.pem`
const PKCS10 = `--header 'Content-Type: application/pkcs10'`
const NEW_KEY = 'openssl ecparam -name prime256v1 -genkey -noout'

/** The script of docs/est.md; it renews a certificate that is new, too. */
function renewScript(url: string): string {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/est.md'), 'utf8')
  const [, script = ''] = /```sh\n(# renew\.sh[^]*?)```/.exec(page) ?? []
  assert.match(script, /-checkend 43200 /)
  const due = script.replace('-checkend 43200', '-checkend 90000')
  return `EST=${url}\n${due.replace('curl ', `curl --noproxy '*' `)}`
}

async function enrolled(context: TestContext, fabric: TestFabric, name: string): Promise<Device> {
  const made = await fabric.kosctl(['token', 'create', '--name', name, '--est'])
  assert.equal(made.code, 0, made.err)
  const url = /https:[^']+(?=\/simpleenroll)/.exec(made.out)?.[0] ?? ''
  const at = device(context, { url, rootPem: '', user: '', password: '' })
  // As printed, but for a proxy that the machine of the test may have.
  const said = await at.sh(made.out.replace('curl ', `curl --noproxy '*' `))
  assert.equal(
    said.code,
    0,
    `${said.text}${existsSync(join(at.folder, 'device.p7')) ? at.read('device.p7') : ''}`,
  )
  return at
}

describe('EST with curl and openssl', { skip }, () => {
  let fabric: TestFabric
  const ends: (() => Promise<void>)[] = []
  before(async () => {
    fabric = await startFabric({ after: (end) => void ends.push(end) })
  })
  after(() => Promise.all(ends.map((end) => end())))

  test('/cacerts: root and intermediates, without a credential', async (context) => {
    const at = device(context, await access(fabric, 'ca-reader'))
    const said = await at.sh(`${CURL} --dump-header head --output body ${at.url}/cacerts
openssl base64 -d -in body -out ca.p7 && openssl pkcs7 -inform DER -in ca.p7 -print_certs -out ca.pem`)
    assert.equal(said.code, 0, said.text)
    const [head, body] = [at.read('head'), at.read('body')]
    assert.match(head, /^HTTP\/1\.1 200 /)
    assert.match(head, /^content-type: application\/pkcs7-mime; smime-type=certs-only\r$/im)
    assert.match(head, /^content-transfer-encoding: base64\r$/im)
    assert.match(head, new RegExp(`^content-length: ${body.length}\\r$`, 'im'))
    assert.doesNotMatch(head, /transfer-encoding: chunked/i)
    const pem = at.read('ca.pem')
    assert.ok((pem.match(/BEGIN CERTIFICATE/g) ?? []).length >= 2, pem)
    assert.ok(pem.includes(at.read('kos-root.pem')), 'the root is one of them')
    const verified = await at.sh('openssl verify -CAfile kos-root.pem ca.pem')
    assert.equal(verified.code, 0, verified.text)
  })

  test('/csrattrs: a P-256 key and ECDSA with SHA-256', async (context) => {
    const at = device(context, await access(fabric, 'attribute-reader'))
    const said = await at.sh(`${CURL} --dump-header head --output body ${at.url}/csrattrs
openssl base64 -d -in body | openssl asn1parse -inform DER`)
    assert.match(said.text, /:id-ecPublicKey/)
    assert.match(said.text, /:prime256v1/)
    assert.match(said.text, /:ecdsa-with-SHA256/)
    assert.match(at.read('head'), /^content-type: application\/csrattrs\r$/im)
    assert.match(at.read('head'), /^content-length: \d+\r$/im)
  })

  test('the commands that kosctl prints enrol a device', async (context) => {
    const at = await enrolled(context, fabric, 'printer-1')
    const verified = await at.sh(`${CURL} ${at.url}/cacerts | openssl base64 -d \\
| openssl pkcs7 -inform DER -print_certs -out ca.pem
openssl verify -CAfile kos-root.pem -untrusted ca.pem device.pem`)
    assert.match(verified.text, /device\.pem: OK/)
    const pem = /-----BEGIN[^]*-----END CERTIFICATE-----\n/.exec(at.read('device.pem'))?.[0] ?? ''
    const leaf = parseCertificate(pemDecode(pem, 'CERTIFICATE'))
    assert.equal(leaf.basicConstraints?.ca, false)
    const shown = await fabric.kosctl(['devices', 'show', 'printer-1', '--json'])
    const view = JSON.parse(shown.out) as Record<string, unknown>
    assert.deepEqual(
      [view['origin'], view['profile'], view['generation'], view['state']],
      ['est', 'SEC-2', 1, 'active'],
    )
    assert.deepEqual(leaf.subjectAltNames?.uris, [view['uri']])
  })

  test('a body in one line is taken too; the answer has a length and is not chunked', async (context) => {
    const { user, password, ...rest } = await access(fabric, 'one-line')
    const at = device(context, { user, password, ...rest })
    const said = await at.sh(`${NEW_KEY} -out device.key
openssl req -new -key device.key -subj '/CN=nobody' -outform DER | openssl base64 -A > device.csr
${CURL} ${PKCS10} --user '${user}:${password}' --data-binary @device.csr --dump-header head \\
  --output body ${at.url}/simpleenroll`)
    assert.equal(said.code, 0, said.text)
    const head = at.read('head')
    assert.match(head, /^HTTP\/1\.1 200 /, at.read('body'))
    assert.match(head, /^content-type: application\/pkcs7-mime; smime-type=certs-only\r$/im)
    assert.match(head, new RegExp(`^content-length: ${at.read('body').length}\\r$`, 'im'))
    assert.doesNotMatch(head, /transfer-encoding: chunked/i)
  })

  test('the script of the page renews, for a new key and for the same', async (context) => {
    const at = await enrolled(context, fabric, 'renewer')
    const script = renewScript(at.url)
    const answered = (): string => (existsSync(join(at.folder, 'new.p7')) ? at.read('new.p7') : '')
    const said = await at.sh(script)
    assert.equal(said.code, 0, `${said.text}${answered()}`)
    const kept = await at.sh(script.replace(`${NEW_KEY} -out new.key`, 'cp device.key new.key'))
    assert.equal(kept.code, 0, `${kept.text}${answered()}`)
    const shown = await fabric.kosctl(['devices', 'show', 'renewer', '--json'])
    assert.equal((JSON.parse(shown.out) as Record<string, unknown>)['generation'], 3)
    // A certificate that is new is left alone.
    const idle = await at.sh(script.replace('-checkend 90000', '-checkend 43200'))
    assert.deepEqual([idle.code, idle.text], [0, ''])
    const verified = await at.sh(`${CURL} ${at.url}/cacerts | openssl base64 -d \\
| openssl pkcs7 -inform DER -print_certs -out ca.pem
openssl verify -CAfile kos-root.pem -untrusted ca.pem device.pem`)
    assert.match(verified.text, /device\.pem: OK/)
  })

  test('without a secret: 401, a challenge, and text for people', async (context) => {
    const at = device(context, await access(fabric, 'no-secret'))
    await at.sh(`${NEW_KEY} -out k && openssl req -new -key k -subj / -outform DER | openssl base64 > c
${CURL} ${PKCS10} --data-binary @c --dump-header head --output body ${at.url}/simpleenroll`)
    assert.match(at.read('head'), /^HTTP\/1\.1 401 /)
    assert.match(at.read('head'), /^www-authenticate: Basic realm="kOS EST"/im)
    assert.match(at.read('head'), /^content-type: text\/plain/im)
    assert.match(at.read('body'), /^KOS_ENROLMENT_TOKEN \(token\/missing\): .*\.$/m)
  })

  test('what this server does not offer says so', async (context) => {
    const at = device(context, await access(fabric, 'more'))
    for (const path of ['serverkeygen', 'fullcmc']) {
      await at.sh(`${CURL} --data x --dump-header head --output body ${at.url}/${path}`)
      assert.match(at.read('head'), /^HTTP\/1\.1 501 /, path)
      assert.match(at.read('body'), /est\/not-implemented/)
    }
    await at.sh(`${CURL} --dump-header head --output body ${at.url}/label/cacerts`)
    assert.match(at.read('head'), /^HTTP\/1\.1 404 /)
  })

  test('TLS 1.2 is not spoken', async (context) => {
    const at = device(context, await access(fabric, 'old-tls'))
    const said = await at.sh(`${CURL} --tls-max 1.2 ${at.url}/cacerts`)
    assert.equal(said.code, 35, said.text)
  })
})
