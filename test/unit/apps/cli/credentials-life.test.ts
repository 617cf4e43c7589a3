/** The credentials of a fleet: what there is, replaced, taken back, written out; nobody loses who they are. */
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Secret, utf8 } from '../../../../src/foundation/base/index.ts'
import {
  buildEncryptedPkcs8,
  DerReader,
  parseCertificate,
  parseCrl,
} from '../../../../src/foundation/codec/index.ts'
import { createCredentialReport } from '../../../../src/apps/authority/credential-report.ts'
import type { CredentialView } from '../../../../src/apps/authority/index.ts'
import { EMPTY_LOCK_LIST } from '../../../../src/trust/pki/index.ts'
import { createFleet, joined, tokenOf } from '../../../kit/enrolment.ts'
import {
  connected,
  eventually,
  type Ran,
  startFabric,
  type TestFabric,
  type TestNode,
} from '../../../kit/fabric.ts'
import { heldGeneration, refusedBy } from '../../../kit/operators.ts'
import { findOpenssl } from '../../../kit/openssl.ts'
import { joinSensor } from '../../../kit/sensor.ts'

const { openssl, skip } = findOpenssl()
const PASSPHRASE = 'correct horse'
const DAY_MS = 86_400_000
const CRL = { listen: { host: '127.0.0.1', port: 0 }, isPortFixed: false }

const generationOf = ({ running }: TestNode): number => running.member.membership.generation
async function report(
  fabric: TestFabric,
  ...args: readonly string[]
): Promise<readonly CredentialView[]> {
  const ran = await fabric.kosctl(['credentials', 'report', '--json', ...args])
  assert.equal(ran.code, 0, ran.err)
  return JSON.parse(ran.out) as CredentialView[]
}

const reported = (fabric: TestFabric, kind: string): Promise<readonly CredentialView[]> =>
  report(fabric, '--kind', kind)

describe('in one fleet', () => {
  const ends: (() => Promise<void>)[] = []
  let fabric: TestFabric
  let people: Record<string, string>

  before(async () => {
    const suite = { after: (end: () => Promise<void>) => void ends.push(end) }
    fabric = await startFabric(suite, { authority: { crl: CRL } })
    people = await fabric.addUsers({ otto: ['operator'], vera: ['viewer'], anna: ['auditor'] })
  })
  after(async () => {
    for (const end of ends) await end()
  })

  test('every kind of credential, its age, its last use, its end', async () => {
    const node = await fabric.addNode('camera-4')
    await joinSensor(fabric, 'sensor-4')
    await fabric.kosctl(['token', 'create', '--name', 'camera-5'])
    const all = await report(fabric)
    const kinds = [...new Set(all.map(({ kind }) => kind))].toSorted((a, b) => (a < b ? -1 : 1))
    assert.deepEqual(kinds, [
      'api-token',
      'certificate',
      'intermediate',
      'join-token',
      'psk',
      'role-key',
      'root',
    ])
    const camera = all.find(({ kind, name }) => kind === 'certificate' && name === 'camera-4')
    assert.ok(camera?.lastUsedAt)
    assert.deepEqual([camera.generation, camera.state], [1, 'active'])

    await node.running.stop()

    // Weeks later: what was not used is found, and of whom it is.
    fabric.clock.advance(17 * DAY_MS)
    await fabric.kosctl(['devices'])
    await fabric.kosctl(['devices'])
    const own = (await report(fabric, '--kind', 'certificate')).filter(
      ({ name }) => name === 'olga',
    )
    assert.deepEqual(
      own.map(({ generation, state }) => [generation, state]),
      [
        [1, 'superseded'],
        [2, 'active'],
      ],
    )
    const old = await report(fabric, '--older-than', '16d', '--sort', 'name')
    assert.ok(old.some(({ kind }) => kind === 'intermediate'))
    assert.ok(old.some(({ kind }) => kind === 'role-key'))
    assert.ok(!old.some(({ kind, generation }) => kind === 'certificate' && generation === 2))
    const unused = await report(fabric, '--unused-for', '16d', '--kind', 'psk', '--kind', 'root')
    assert.ok(unused.some(({ kind, name }) => kind === 'psk' && name === 'sensor-4'))

    const shown = await fabric.kosctl([
      'credentials',
      'report',
      '--kind',
      'certificate',
      '--sort',
      'end',
    ])
    assert.match(shown.out, /^KIND +NAME +ID +GEN +STATE +SINCE +LAST USE +ENDS$/m)
    assert.match(shown.out, /^certificate +olga +[0-9a-f]+…? +2 +active +\d/m)
    assert.match(shown.out, /in all: \d+ certificate$/m)
    for (const [option, value] of [
      ['--kind', 'passport'],
      ['--sort', 'colour'],
      ['--older-than', 'long'],
    ] as const) {
      assert.equal((await fabric.kosctl(['credentials', 'report', option, value])).code, 2)
    }

    // Who may look: auditors, operators, admins; nobody sees a place that is none.
    const refused = await fabric.kosctl(['credentials', 'report'], { config: people['vera'] ?? '' })
    assert.equal(refused.code, 3)
    assert.match(refused.err, /admin or operator or auditor \(yours: viewer\)/)
    assert.equal(
      (await fabric.kosctl(['credentials', 'report'], { config: people['anna'] ?? '' })).code,
      0,
    )
    const path = '/v1/credentials?after=nowhere'
    const lost = await fabric.request({ method: 'GET', path, as: fabric.operator })
    assert.deepEqual([lost.status, lost.rule], [400, 'credentials/after'])

    // The own folder knows its dates too.
    const list = await fabric.kosctl(['credentials', 'list'])
    assert.match(
      list.out,
      /^certificate +generation 2, since \S+ \S+ ago, ends in 30 d, serial [0-9a-f]+$/m,
    )
    assert.match(list.out, /^API token +since .* ago, ends in \d+ min, handle \S+$/m)
  })

  test('a new key and certificate: the own, of a node that is there, away or stopped', async () => {
    const camera = await fabric.addNode('camera-1')
    const run = (...args: readonly string[]): Promise<Ran> =>
      fabric.kosctl(['credentials', ...args])

    const own = await run('rotate')
    assert.deepEqual([own.code, own.err], [0, ''])
    assert.match(own.out, /^generation +3$/m)
    assert.equal(heldGeneration(fabric), 3)

    // Calls that run are not lost: the session goes on in a new one.
    const asked = await run('rotate', 'camera-1')
    assert.deepEqual([asked.code, asked.out], [0, 'asked  camera-1, certificate\n'])
    await eventually(() => generationOf(camera) === 2, 'camera-1 renewed')
    const exec = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+1'])
    assert.equal(exec.out, '2\n')
    // Its folder is the daemon's while that runs.
    const busy = await run('rotate', '--state', camera.folder)
    assert.match(busy.err, /KOS_NODE_IN_USE/)

    // Away: asked when it is back, also by an authority that was started anew; once.
    await camera.running.stop()
    const later = await run('rotate', 'camera-1', '--json')
    assert.deepEqual(JSON.parse(later.out), { kind: 'certificate', delivered: false })
    await fabric.stopAuthority()
    await fabric.startAuthority()
    const back = await camera.restart()
    await eventually(() => generationOf(back) === 3, 'camera-1 renewed after its absence')
    await back.running.stop()
    const again = await back.restart()
    assert.equal(generationOf(again), 3)
    await again.running.stop()
    assert.equal((await run('rotate', '--state', camera.folder)).code, 0)
    assert.equal(heldGeneration(fabric, camera.folder), 4)

    // A sensor gets its key inside its session; a person and a locked device are not asked.
    const sensor = await joinSensor(fabric, 'sensor-1')
    const waiting = await run('rotate', 'sensor-1')
    assert.equal(waiting.out, 'not connected: its pre-shared key is rotated when it is back\n')
    const keys = (await reported(fabric, 'psk')).filter(({ name }) => name === 'sensor-1')
    const states = keys.map(({ generation, state }) => [generation, state])
    assert.deepEqual(
      states.toSorted(([a], [b]) => Number(a) - Number(b)),
      [
        [1, 'superseded'],
        [2, 'waiting'],
      ],
    )
    const device = await sensor.start()
    await eventually(async () => {
      const held = await reported(fabric, 'psk')
      return held.every(({ name, generation }) => name !== 'sensor-1' || generation === 2)
    }, 'the sensor uses its second key alone')
    await device.stop()
    assert.equal(refusedBy(await run('rotate', 'olga')), 'rotate/user')
    await fabric.kosctl(['lock', 'camera-1', '--reason', 'x'])
    assert.equal(refusedBy(await run('rotate', 'camera-1')), 'rotate/locked')
    assert.equal((await run('rotate', 'camera-1', '--state', 'x')).code, 2)
  })

  test('taken back: by serial number, handle, token, or all that somebody has', async () => {
    const camera = await fabric.addNode('camera-2')
    const revoke = (id: string, ...more: readonly string[]): Promise<Ran> =>
      fabric.kosctl(['credentials', 'revoke', id, ...more])
    const serialOf = ({ running }: TestNode): string =>
      parseCertificate(running.member.membership.leaf).serialHex
    const listed = (): ReadonlySet<string> => {
      const [name = ''] = fabric.authority.crl?.names ?? []
      const { revoked } = parseCrl(readFileSync(join(fabric.stateFolder, 'crl', `${name}.crl`)))
      return new Set(revoked.keys())
    }

    // All of a node's: it is cut off, comes back by its identity key, and stays who it is.
    const first = serialOf(camera)
    const all = await revoke('camera-2', '--reason', 'backup stolen')
    assert.deepEqual([all.code, all.out], [0, 'revoked  certificate of camera-2\n'])
    await eventually(() => generationOf(camera) === 2, 'camera-2 has another certificate')
    await connected(camera)
    assert.ok(listed().has(first))
    assert.equal((await fabric.kosctl(['exec', 'camera-2', 'calc', '2'])).out, '2\n')

    // One certificate, the one in use.
    const second = serialOf(camera)
    assert.equal((await revoke(second)).out, 'revoked  certificate of camera-2\n')
    const state = (await reported(fabric, 'certificate')).find(({ id }) => id === second)?.state
    assert.equal(state, 'revoked')
    await eventually(() => generationOf(camera) === 3, 'camera-2 has a third certificate')
    assert.deepEqual([listed().has(first), listed().has(second)], [true, true])
    await connected(camera)

    // A person's: the next command renews, and nobody notices.
    const { otto = '', vera = '' } = people
    assert.equal((await fabric.kosctl(['devices'], { config: vera })).code, 0)
    const held = heldGeneration(fabric, vera)
    assert.equal((await revoke('vera')).out, 'revoked  certificate of vera\n')
    assert.deepEqual((await fabric.kosctl(['devices'], { config: vera })).err, '')
    assert.equal(heldGeneration(fabric, vera), held + 1)
    await fabric.kosctl(['lock', 'vera', '--reason', 'lost'])
    const locked = await fabric.kosctl(['devices'], { config: vera })
    assert.equal(refusedBy(locked), 'guard/viewer/certificate')
    const byOperator = ['credentials', 'revoke', 'olga']
    assert.equal(refusedBy(await fabric.kosctl(byOperator, { config: otto })), 'guard/admin/user')
    assert.equal((await revoke('olga')).code, 0)
    assert.equal((await fabric.kosctl(['devices'])).err, '')

    // Tokens and keys.
    const token = (await reported(fabric, 'api-token')).find(({ name }) => name === 'otto')
    assert.match((await revoke(token?.id ?? '')).out, /^revoked {2}api-token of /)
    await fabric.kosctl(['token', 'create', '--name', 'camera-9'])
    const [line] = await reported(fabric, 'join-token')
    assert.equal((await revoke(line?.id ?? '')).out, 'revoked  join-token\n')
    assert.deepEqual(await reported(fabric, 'join-token'), [])
    await joinSensor(fabric, 'sensor-2')
    const key = (await reported(fabric, 'psk')).find(({ name }) => name === 'sensor-2')
    assert.equal(refusedBy(await revoke('sensor-2')), 'revoke/psk')
    const sold = await revoke(key?.id ?? '', '--reason', 'sensor sold')
    assert.equal(sold.out, 'revoked  psk of sensor-2\n')
    assert.ok(!(await reported(fabric, 'psk')).some(({ id }) => id === key?.id))
    assert.equal(refusedBy(await revoke(key?.id ?? '')), 'credential/unknown')
    assert.equal(refusedBy(await revoke('nobody')), 'credential/unknown')
    const log = await fabric.kosctl(['audit', 'tail', '--json'])
    assert.match(log.out, /credential\.revoke/)
    assert.match(log.out, /sensor sold/)
  })

  test('the certificate with its chain, the key encrypted, no other key', async () => {
    const camera = await fabric.addNode('camera-3')
    const prompt = (): Secret => Secret.take(utf8(PASSPHRASE))
    const run = (...args: readonly string[]): Promise<{ code: number; out: string; err: string }> =>
      fabric.kosctl(['credentials', 'export', ...args], { prompt })

    const chain = await run('--certificate')
    const [leaf, issuer] = chain.out.split(/(?<=-----END CERTIFICATE-----\n)/)
    const certificate = new X509Certificate(leaf ?? '')
    assert.match(certificate.subjectAltName ?? '', /URI:spiffe:\/\/kos\.internal\/user\/olga/)
    assert.ok(certificate.verify(new X509Certificate(issuer ?? '').publicKey))

    const out = join(fabric.folder, 'olga.pem')
    const both = await run('--certificate', '--private', '--out', out)
    assert.deepEqual([both.code, both.out], [0, `written  ${out}\n`])
    assert.equal(statSync(out).mode & 0o777, 0o600)
    const pem = readFileSync(out, 'utf8')
    assert.ok(pem.startsWith(leaf ?? 'no leaf'))
    const key = createPrivateKey({
      key: pem.slice(pem.indexOf('-----BEGIN ENC')),
      passphrase: PASSPHRASE,
    })
    assert.ok(createPublicKey(key).equals(certificate.publicKey))
    if (!skip) {
      const pass = `pass:${PASSPHRASE}`
      const text = openssl.run(['pkey', '-in', out, '-passin', pass, '-noout', '-text'], {})
      assert.match(text, /NIST CURVE: P-256/)
    }
    // 600,000 rounds: what OpenSSL would have done by itself are 2,048.
    const der = Buffer.from(/ENCRYPTED PRIVATE KEY-----\n([^-]+)-/.exec(pem)?.[1] ?? '', 'base64')
    assert.ok(der.includes(Buffer.from('02030927c0', 'hex')))

    // Nothing is written over, shown, or let out that others know this principal by.
    assert.equal((await run('--private', '--out', out)).code, 2)
    assert.equal((await run('--private')).code, 2)
    assert.equal((await run()).code, 2)
    for (const name of ['identity', 'kem', 'log-ed25519']) {
      const refused = await run(name, '--private', '--out', `${out}-2`)
      assert.deepEqual([refused.code, refused.out], [3, ''])
      assert.match(refused.err, /KOS_CLI_EXPORT/)
    }
    assert.match((await run('identity', '--certificate')).err, /KOS_CLI_EXPORT/)
    const short = (): Secret => Secret.take(utf8('short'))
    const weak = ['credentials', 'export', '--private', '--out', `${out}-2`]
    assert.match((await fabric.kosctl(weak, { prompt: short })).err, /passphrase too short/)

    // A node's: while it is stopped, and in its log.
    const theirs = [
      '--private',
      '--out',
      join(fabric.folder, 'camera.pem'),
      '--state',
      camera.folder,
    ]
    assert.match((await run(...theirs)).err, /KOS_NODE_IN_USE/)
    await camera.running.stop()
    assert.equal((await run(...theirs)).code, 0)
    assert.equal((await run('--certificate', '--state', camera.folder, '--json')).code, 0)
    await camera.restart()
    await eventually(async () => {
      const log = await fabric.kosctl(['audit', 'tail', '--json'])
      return /"action":"credential.export".*"key":"tls-g1"/.test(log.out)
    }, 'the authority has the record')
  })
})

test('the encrypted form is refused with parameters that are none', () => {
  const iv = new Uint8Array(16)
  const salt = new Uint8Array(16)
  const key = { salt, iv, iterations: 600_000, ciphertext: new Uint8Array(32) }
  assert.ok(new DerReader(buildEncryptedPkcs8(key)))
  for (const wrong of [{ salt: new Uint8Array(8) }, { iv: new Uint8Array(12) }]) {
    assert.throws(() => buildEncryptedPkcs8({ ...key, ...wrong }), { code: 'KOS_CODEC_X509' })
  }
})

test('pages of any size come to the same, each credential once', async (context) => {
  const fleet = await createFleet(context)
  for (const name of ['a', 'b', 'c', 'd', 'e']) await joined(fleet, { name })
  await fleet.tokens.create(tokenOf(fleet, { name: 'f' }))
  const locked = await joined(fleet, { name: 'g' })
  await fleet.registry.change(locked.grant.principalId, { state: 'locked' })
  const revoked = (await joined(fleet, { name: 'h' })).grant
  const minimum = { [revoked.uri]: { generation: 2, floor: 'SEC-2' } } as const
  const report = createCredentialReport({
    ...fleet,
    apiTokens: { live: () => [] },
    locks: () => ({ ...EMPTY_LOCK_LIST, minimum }),
  })
  const whole = report.page(undefined, 1000)?.credentials ?? []
  assert.equal(whole.filter(({ kind }) => kind === 'certificate').length, 8)
  for (const size of [1, 2, 3, 7, whole.length]) {
    const read: CredentialView[] = []
    let after: string | undefined
    do {
      const page = report.page(after, size)
      assert.ok(page && page.credentials.length <= size)
      read.push(...page.credentials)
      after = page.next
    } while (after !== undefined)
    assert.deepEqual(read, whole)
  }
  const stateOf = (wanted: string): string | undefined =>
    whole.find(({ kind, name }) => kind === 'certificate' && name === wanted)?.state
  assert.deepEqual(['a', 'g', 'h'].map(stateOf), ['waiting', 'locked', 'revoked'])
  assert.equal(report.page('9x', 5), undefined)
})
