/** Backups of an authority that serves; what is cut, changed or of somebody else is not brought back. */
import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import {
  KosError,
  Secret,
  silentLog,
  systemRandom,
  unixMs,
} from '../../../../src/foundation/base/index.ts'
import {
  createBackup,
  inspectBackup,
  restoreUnpacked,
  unpackBackup,
  startAuthority,
} from '../../../../src/apps/authority/index.ts'
import { readLastBackup } from '../../../../src/apps/authority/last-backup.ts'
import { markRestored, readRestored } from '../../../../src/apps/authority/restored-mark.ts'
import { exportRootKeys, openRootFile } from '../../../../src/trust/pki/index.ts'
import { openKeyStore } from '../../../../src/trust/keys/index.ts'
import { TRUST_DOMAIN } from '../../../kit/pki.ts'
import { CROWD, startFabric, type TestFabric } from '../../../kit/fabric.ts'

const secret = (text = 'correct horse'): Secret => Secret.take(Buffer.from(text))

async function code(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'done'
  } catch (error) {
    if (!(error instanceof KosError)) throw error
    return [error.code, error.details['rule']].join(' ')
  }
}

describe('a backup of an authority that serves', () => {
  const ends: (() => Promise<void>)[] = []
  let fabric: TestFabric
  let file = ''
  const at = (name: string): string => join(fabric.folder, name)
  const deps = (): Parameters<typeof restoreUnpacked>[0] => ({
    clock: fabric.clock,
    random: systemRandom,
    log: silentLog,
  })
  const create = (changes: Partial<Parameters<typeof createBackup>[1]> = {}): Promise<unknown> =>
    createBackup(deps(), { folder: fabric.stateFolder, file, passphrase: secret(), ...changes })
  const restore = (changes: Partial<Parameters<typeof unpackBackup>[0]> = {}): Promise<unknown> =>
    restored({ file, folder: at('back'), passphrase: secret(), ...changes })

  const restored = async (options: Parameters<typeof unpackBackup>[0]): Promise<unknown> =>
    restoreUnpacked(deps(), unpackBackup(options))

  before(async () => {
    fabric = await startFabric({ after: (end) => void ends.push(end) })
    await fabric.kosctl(['token', 'create', '--name', 'spare'])
    file = at('kos.backup')
    writeFileSync(join(fabric.stateFolder, 'config.yaml'), 'logLevel: info\n')
    await create()
  })
  after(() => Promise.all(ends.map((end) => end())))

  it('is one private file, and leaves nothing else behind', async () => {
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.ok(!readdirSync(fabric.stateFolder).some((name) => /copy|partial/.test(name)))
    assert.ok(!readdirSync(fabric.folder).some((name) => name.includes('partial')))
    const { createdAt, ...summary } = inspectBackup({ file, passphrase: secret() })
    assert.ok(createdAt > 0)
    assert.deepEqual([summary.trustDomain, summary.principals], ['kos.internal', { user: 1 }])
    assert.match(summary.objects['lock-list'] ?? '', /^1\.\d+$/)
    const last = readLastBackup(fabric.stateFolder)
    assert.deepEqual(last, { at: createdAt, bytes: statSync(file).size })
    // The authority served meanwhile, and does.
    assert.equal((await fabric.kosctl(['devices'])).code, 0)
  })

  it('is refused where it cannot be made, and no file is left', async () => {
    assert.equal(await code(() => create()), 'KOS_AUTHORITY_BACKUP exists')
    const other = at('other.backup')
    assert.equal(
      await code(() => create({ file: other, folder: at('nowhere') })),
      'KOS_AUTHORITY_BACKUP no-authority',
    )
    assert.equal(
      await code(() => create({ file: other, passphrase: secret('short') })),
      'KOS_KEYS_UNLOCK passphrase too short',
    )
    assert.ok(!existsSync(other) && !existsSync(`${other}.partial`))
  })

  it('comes back into a folder of its own, marked, and is verified before', async () => {
    mkdirSync(at('back.restoring'))
    writeFileSync(join(at('back.restoring'), 'of a restore that was killed'), '')
    await restore()
    assert.ok((readRestored(at('back'))?.backupAt ?? 0) > 0)
    assert.ok(!existsSync(at('back.restoring')))
    assert.equal(statSync(join(at('back'), 'keys/keystore.key')).mode & 0o777, 0o600)
    assert.equal(readFileSync(join(at('back'), 'config.yaml'), 'utf8'), 'logLevel: info\n')
    assert.equal(await code(() => restore()), 'KOS_AUTHORITY_BACKUP folder')
    rmSync(at('back'), { recursive: true })
  })

  it('is refused when it is cut, changed, of another kind, or the passphrase is wrong', async () => {
    const whole = readFileSync(file)
    const outcomeOf = async (bytes: Uint8Array): Promise<string> => {
      const damaged = at('damaged.backup')
      writeFileSync(damaged, bytes)
      return await code(() => restore({ file: damaged }))
    }
    // Behind a whole part: what is left is genuine.
    const part = 48 + 16 + 64 * 1024 + 16
    assert.equal(await outcomeOf(whole.subarray(0, part)), 'KOS_AUTHORITY_BACKUP truncated')
    assert.equal(await outcomeOf(whole.subarray(0, part + 9)), 'KOS_AUTHORITY_BACKUP damaged')
    const changed = Buffer.from(whole)
    changed.writeUInt8((changed[200_000] ?? 0) ^ 1, 200_000)
    assert.equal(await outcomeOf(changed), 'KOS_AUTHORITY_BACKUP damaged')
    assert.equal(await outcomeOf(Buffer.from('no backup')), 'KOS_AUTHORITY_BACKUP no-backup')
    assert.equal(
      await code(() => restore({ passphrase: secret('another horse') })),
      'KOS_KEYS_UNLOCK wrong key',
    )
    assert.ok(!existsSync(at('back')) && !existsSync(at('back.restoring')))
  })

  it('of a folder whose audit log was rewritten, or whose database is damaged, is refused', async () => {
    const copy = at('copy')
    cpSync(fabric.stateFolder, copy, { recursive: true })
    const raw = new DatabaseSync(join(copy, 'authority.sqlite'))
    raw.exec('UPDATE audit_entries SET entry = zeroblob(64) WHERE idx = 0')
    raw.exec(
      'UPDATE audit_segments SET leaves = zeroblob(length(leaves)) WHERE first = (SELECT MIN(first) FROM audit_segments)',
    )
    raw.close()
    await create({ folder: copy, file: at('rewritten.backup') })
    assert.match(
      await code(() => restore({ file: at('rewritten.backup') })),
      /^KOS_AUTHORITY_BACKUP audit|^KOS_AUDIT_TAMPERED/,
    )
    assert.ok(!existsSync(at('back')))
  })

  it('needs the root keys for the new era, from a file where they are kept elsewhere', async () => {
    const folder = at('offline')
    await restore({ folder })
    const keys = openKeyStore(deps(), { directory: join(folder, 'keys'), unlock: { kind: 'file' } })
    const place = { path: at('root.kos'), passphrase: secret(), derivation: 'pbkdf2' } as const
    exportRootKeys(deps(), keys, { ...place, isKept: false })
    keys.close()
    const options: Parameters<typeof startAuthority>[1] = {
      folder,
      trustDomain: TRUST_DOMAIN,
      listen: { host: '127.0.0.1', port: 0 },
      sessionListen: { host: '127.0.0.1', port: 0 },
      fixedPorts: { api: true, session: true },
      advertiseHost: undefined,
      names: { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] },
      operator: { folder: at('operator-2'), name: 'olga' },
      admission: CROWD,
    }
    const start = (recovery: (typeof options)['recovery']): Promise<unknown> =>
      startAuthority(deps(), { ...options, ...(recovery && { recovery }) }).then((running) =>
        running.stop(),
      )
    assert.equal(await code(() => start({ waitMs: 0 })), 'KOS_PKI_STATE root-keys')
    assert.ok(readRestored(folder), 'it is asked again at the next start')
    using roots = openRootFile(deps(), place)
    // Killed after the era was opened: the same era goes on.
    const killed = at('killed')
    assert.equal(await code(() => start({ waitMs: 0, roots })), 'done')
    assert.equal(readRestored(folder), undefined)
    cpSync(folder, killed, { recursive: true })
    markRestored(killed, { backupAt: unixMs(1), era: 2 })
    const again = { ...options, folder: killed, recovery: { waitMs: 0 } }
    const running = await startAuthority(deps(), again)
    assert.deepEqual(running.recovered, { adopted: 0, renewed: 0, locked: 0, unknown: 0 })
    await running.stop()
    // A mark that cannot be read is no reason to serve.
    writeFileSync(join(killed, 'restored.json'), '{')
    assert.equal(
      await code(() => startAuthority(deps(), again)),
      'KOS_AUTHORITY_STORE restored.json',
    )
  })
})
