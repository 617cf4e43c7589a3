/** `kosd --fips`: on an OpenSSL FIPS provider, or not at all. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { main as kosdMain } from '../../../../src/apps/cli/kosd.ts'
import { approvedGroups, isFipsMode, probeFips } from '../../../../src/trust/keys/index.ts'
import { captureTerminal, type Ran, testWorld } from '../../../kit/fabric.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

async function kosd(...argv: readonly string[]): Promise<Ran> {
  const terminal = captureTerminal()
  const code = await kosdMain(argv, terminal, testWorld({}))
  return { code, ...terminal.printed }
}

/** A folder with the configuration of a provider of this machine that Node starts on. */
function provider(): { readonly folder: string; readonly config: string } | undefined {
  const folders = ['/usr/lib/x86_64-linux-gnu/ossl-modules', '/usr/lib64/ossl-modules']
  const module = folders.map((folder) => join(folder, 'fips.so')).find((path) => existsSync(path))
  if (module === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'kos-fips-'))
  const config = join(folder, 'openssl.cnf')
  const section = join(folder, 'fips.cnf')
  spawnSync('openssl', ['fipsinstall', '-module', module, '-out', section])
  const text = [
    'openssl_conf = all',
    `.include ${section}`,
    '[all]',
    'providers = list',
    '[list]',
    'fips = fips_sect',
    'base = base_sect',
    '[base_sect]',
    'activate = 1',
  ].join('\n')
  writeFileSync(config, text)
  return { folder, config }
}

test('without a provider the daemon does not start, and says so in one sentence', async (context) => {
  const folder = temporaryFolder(context)
  const empty = join(folder, 'openssl.cnf')
  writeFileSync(empty, '')
  for (const role of ['authority', 'node']) {
    const state = join(folder, role)
    const ran = await kosd(role, '--fips', '--fips-config', empty, '--state', state)
    assert.equal(ran.code, 1)
    assert.match(
      ran.err,
      /^error {2}There is no OpenSSL FIPS provider to run on, .*KOS_CLI_FIPS\)$/m,
    )
    assert.match(ran.err, /reason {2}.*requires an active OpenSSL provider named "fips"/)
    assert.equal(existsSync(state), false)
  }
  assert.equal(readdirSync(folder).length, 1)
})

test('a configuration that does not exist is no provider; one without --fips is a mistake', async (context) => {
  const missing = join(temporaryFolder(context), 'none.cnf')
  assert.equal((await kosd('node', '--fips', '--fips-config', missing)).code, 1)
  assert.equal((await kosd('node', '--fips-config', missing)).code, 2)
})

test('the probe claims nothing that is not there', { skip: isFipsMode() }, () => {
  assert.deepEqual(probeFips(), { isInUse: false, state: 'not in use', failed: 'mode' })
  const groups = ['SecP256r1MLKEM768', 'X25519MLKEM768', 'P-256']
  assert.deepEqual(approvedGroups(groups), groups)
})

/** A mode without a provider, as `setFips(true)` makes it, is not believed. */
test('a process that only says that it is in FIPS mode is found out', () => {
  const code = `
    const { probeFips } = await import('${new URL('../../../../src/trust/keys/fips.ts', import.meta.url).href}')
    const { default: crypto } = await import('node:crypto')
    try { crypto.setFips(true) } catch {}
    const real = probeFips()
    console.log(JSON.stringify([crypto.getFips(), real.state]))`
  const ran = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    encoding: 'utf8',
  })
  const [, state] = JSON.parse(ran.stdout) as [number, string]
  assert.equal(state, 'not in use', ran.stderr)
})

test('on a provider the probe holds, and the groups are approved ones', (context) => {
  const found = provider()
  if (!found) {
    context.skip('no fips.so on this machine: Debian 12 has no package of it')
    return
  }
  context.after(() => rmSync(found.folder, { recursive: true }))
  const code = `
    const { probeFips, approvedGroups } = await import('${new URL('../../../../src/trust/keys/fips.ts', import.meta.url).href}')
    console.log(JSON.stringify([probeFips().state, approvedGroups(['X25519MLKEM768', 'P-256'])]))`
  const ran = spawnSync(
    process.execPath,
    [
      '--force-fips=strict',
      '--openssl-shared-config',
      `--openssl-config=${found.config}`,
      '--input-type=module',
      '--eval',
      code,
    ],
    { encoding: 'utf8' },
  )
  assert.deepEqual(JSON.parse(ran.stdout), ['validated module in use', ['P-256']], ran.stderr)
})
