/** The root keys offline: moved off, asked, signing elsewhere, taken back; nothing is ever half. */
import assert from 'node:assert/strict'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Secret, systemRandom, utf8 } from '../../../../src/foundation/base/index.ts'
import { pemEncode } from '../../../../src/foundation/codec/index.ts'
import { exportRootKeys } from '../../../../src/trust/pki/index.ts'
import type { CaStatus } from '../../../../src/apps/authority/index.ts'
import { openFolderKeys } from '../../../../src/apps/node/index.ts'
import { main as kosctlMain } from '../../../../src/apps/cli/main.ts'
import {
  captureTerminal,
  connected,
  eventually,
  startFabric,
  type TestFabric,
  testWorld,
} from '../../../kit/fabric.ts'
import { DAY_MS } from '../../../kit/pki.ts'
import { offerStandby } from '../../../kit/standby.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

/** A fabric whose root keys are in a file. */
interface Offline {
  readonly fabric: TestFabric
  readonly rootFile: string
  readonly secret: readonly string[]
  /** Runs `kosctl ca …`, which must succeed, and gives what it printed. */
  readonly ca: (...words: readonly string[]) => Promise<string>
  readonly status: () => Promise<CaStatus>
  /** Writes a text where a command reads it. */
  readonly put: (text: string) => string
  /** Asks, signs and takes the answer. */
  readonly step: (...words: readonly string[]) => Promise<string>
}

async function offline(context: TestContext): Promise<Offline> {
  const fabric = await startFabric(context)
  const folder = temporaryFolder(context)
  const rootFile = join(folder, 'root.kos')
  writeFileSync(join(folder, 'passphrase'), 'correct horse\n', { mode: 0o600 })
  const secret = ['--passphrase-file', join(folder, 'passphrase')]
  let texts = 0
  const put = (text: string): string => {
    const path = join(folder, `text-${++texts}`)
    writeFileSync(path, text)
    return path
  }
  const ca = async (...words: readonly string[]): Promise<string> => {
    const ran = await fabric.kosctl(['ca', ...words])
    assert.equal(ran.code, 0, `${words.join(' ')}: ${ran.err}`)
    return ran.out
  }
  const sign = (request: string): Promise<string> =>
    ca('sign-intermediate', '--root', rootFile, put(request), '--yes', ...secret)
  return {
    fabric,
    rootFile,
    secret,
    ca,
    put,
    status: async () => JSON.parse(await ca('status', '--json')) as CaStatus,
    step: async (...words) => ca('import', put(await sign(await ca('request', ...words)))),
  }
}

/** As an export that was cut off leaves it; PBKDF2 costs the least in what follows. */
function copyRoots(fabric: TestFabric, path: string): void {
  const deps = { random: systemRandom }
  const keys = openFolderKeys(deps, fabric.stateFolder)
  using passphrase = Secret.copy(utf8('correct horse'))
  exportRootKeys(deps, keys, { path, passphrase, derivation: 'pbkdf2', isKept: true })
  keys.close()
}

test('the root keys leave, and every step goes on with them elsewhere', async (context) => {
  const world = await offline(context)
  const { fabric, rootFile, secret, ca, status, put } = world
  const gate = await offerStandby(fabric, 'gate-2')
  const state = ['--state', fabric.stateFolder]
  for (const [rule, words] of [
    [/KOS_PKI_ROOT_ANSWER/, ['import', put('x')]],
    [/--for needs/, ['request', 'standby', 'add', 'olga', '--for', 'x']],
    [/principal\/unknown/, ['request', 'standby', 'add', 'nobody']],
    [/principal\/unknown/, ['request', 'standby', 'remove', 'nobody']],
    [/ca\/intermediates/, ['request', 'taint']],
  ] as const) {
    assert.match((await fabric.kosctl(['ca', ...words])).err, rule)
  }
  const inUse = await fabric.kosctl(['ca', 'export-root', rootFile, ...state, ...secret])
  assert.match(inUse.err, /Another kosd already uses this state folder/)
  assert.equal(existsSync(rootFile), false)
  assert.match(fabric.authority.warnings.join(), /move them off with "kosctl ca export-root FILE"/)
  await fabric.stopAuthority()
  copyRoots(fabric, rootFile)
  assert.match(
    await ca('export-root', rootFile, ...state, ...secret),
    /^root file +\/.*\ntrust domain +kos\.internal\npin +\S{43}\ntrust bundle +1\.1\nroot keys +in the file only\n$/,
  )
  assert.equal(statSync(rootFile).mode & 0o777, 0o600)
  await fabric.startAuthority()
  await connected(gate)
  assert.doesNotMatch(fabric.authority.warnings.join(), /root keys/)
  assert.match(await ca(), /root keys +offline\n/)

  // Refused here, with what is to be typed instead.
  for (const words of [
    ['ca', 'prepare'],
    ['standby', 'add', 'gate-2'],
  ]) {
    const refused = await fabric.kosctl(words)
    assert.equal(refused.code, 3)
    assert.match(refused.err, /root-keys[^]*kosctl ca request … > FILE/)
  }

  const request = await ca('request', 'prepare')
  assert.match(request, /^-----BEGIN KOS ROOT REQUEST-----\n/)
  assert.match(
    await ca(),
    /request +for trust bundle 1\.2, by olga, .*\nchanges +permits another .*\n +its key [0-9a-f]{16}, from 20/,
  )
  const other = await fabric.kosctl(['ca', 'request', 'era'])
  assert.match(other.err, /ca\/pending[^]*kosctl ca request cancel/)
  const signing = ['ca', 'sign-intermediate', '--root', rootFile, put(request), ...secret]
  const nobody = await fabric.kosctl(signing)
  assert.deepEqual([nobody.code, nobody.out], [2, ''])
  assert.match(nobody.err, /to be signed +trust bundle 1\.2\nchanges +permits another[^]*add --yes/)
  const declined = await fabric.kosctl(signing, { confirm: () => false })
  assert.deepEqual([declined.code, declined.out], [3, ''])
  assert.match(declined.err, /nothing was signed\n$/)
  const signed = await fabric.kosctl(signing, { confirm: () => true })
  assert.equal(signed.code, 0, signed.err)
  assert.match(await ca('import', put(signed.out)), /^imported\n\ntrust bundle +1\.2\n/)
  const fetched = (number: number): boolean => gate.running.member.fabric.bundle.number === number
  await eventually(() => fetched(2))
  const twice = await fabric.kosctl(['ca', 'import', put(signed.out)])
  assert.match(twice.err, /KOS_PKI_ROOT_ANSWER/)

  await ca('activate')
  const held = await fabric.kosctl(['ca', 'request', 'revoke'])
  assert.match(held.err, /ca\/holders/)
  await world.step('taint')
  assert.equal((await status()).intermediates[0]?.state, 'tainted')
  await world.step('clear-taint')
  assert.match(await world.step('standby', 'add', 'gate-2', '--for', '2h'), /trust bundle +1\.5/)
  assert.match((await fabric.kosctl(['standby'])).out, /gate-2 +permitted +120 min/)
  await world.step('standby', 'remove', 'gate-2')
  await world.step('revoke', '--force')
  await eventually(() => fetched(7))
  const audit = await fabric.kosctl(['audit', 'tail', '--count', '200'])
  assert.match(audit.out, /ca\.request[^]*ca\.import/)
  const recorded = await fabric.kosctl(['audit', 'tail', '--count', '200', '--json'])
  // Who reads it later knows what was asked for, and what came of it.
  for (const detail of [
    /"action":"ca\.request".*"name":"gate-2".*"step":"standby-add"/,
    /"action":"ca\.request".*"step":"revoke".*"force":true/,
    /"action":"ca\.import".*"bundle":"1\.7"/,
  ]) {
    assert.ok(
      recorded.out.split('\n').some((line) => detail.test(line)),
      String(detail),
    )
  }
  const path = '/v1/ca/csr/leaf'
  const neither = await fabric.request({ method: 'GET', path, as: fabric.operator })
  assert.deepEqual([neither.status, neither.rule], [400, 'csr/of'])

  // Cancelled: its number is not used again, and what was signed for it is not taken.
  const lost = await ca('request', 'prepare')
  assert.match(await ca('request', 'cancel', '--json'), /"number": 7/)
  assert.equal((await fabric.kosctl(['ca', 'request', 'cancel'])).code, 3)
  const late = await ca('sign-intermediate', '--root', rootFile, put(lost), '--yes', ...secret)
  await ca('request', 'prepare', '--json')
  assert.equal((await fabric.kosctl(['ca', 'import', put(late)])).code, 3)
  assert.deepEqual((await status()).bundle, { era: 1, number: 7 })
  await ca('request', 'cancel')

  // Half of its life: whoever looks is told what to type.
  fabric.clock.advance(46 * DAY_MS)
  await fabric.stopAuthority()
  await fabric.startAuthority()
  assert.match(fabric.authority.warnings.join(), /kosctl ca request prepare > FILE/)

  await fabric.stopAuthority()
  assert.match(
    await ca('import-root', rootFile, ...state, ...secret),
    /root keys +in the file and on the authority/,
  )
})

test('without an authority, a root file or a request nothing is done', async (context) => {
  const folder = temporaryFolder(context)
  const put = (text: string): string => {
    writeFileSync(join(folder, 'text'), text)
    return join(folder, 'text')
  }
  const rootFile = join(folder, 'root.kos')
  const said = async (...words: readonly string[]): Promise<string> => {
    const terminal = captureTerminal()
    assert.notEqual(await kosctlMain(['ca', ...words], terminal, testWorld({ config: folder })), 0)
    return terminal.printed.err
  }
  const state = ['--state', join(folder, 'authority')]
  assert.match(await said('export-root', rootFile, ...state), /KOS_CLI_FILE[^]*no authority/)
  assert.match(await said('sign-intermediate', put('x')), /--root is missing/)
  const sign = ['sign-intermediate', '--root', rootFile]
  assert.match(await said(...sign, put('x')), /text[^]*KOS_PKI_ROOT_REQUEST/)
  const request = put(pemEncode('KOS ROOT REQUEST', Uint8Array.of(1)))
  assert.match(await said(...sign, request), /KOS_CLI_FILE[^]*ENOENT/)
  const keys = openFolderKeys({ random: systemRandom }, join(folder, 'authority'))
  keys.close()
  assert.match(await said('export-root', rootFile, ...state), /--passphrase-file FILE/)
  assert.match(await said('import-root', rootFile, ...state), /KOS_CLI_FILE[^]*ENOENT/)
})
