/** The sandbox probe, on hosts of every kind and on this one. */
import assert from 'node:assert/strict'
import { existsSync, linkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  DEFAULT_PROBE_OPTIONS,
  type FileFacts,
  notInForce,
  type ProbeHost,
  type ProcessIdentity,
  probeSandbox,
  sandboxErrors,
  type SandboxReport,
  systemProbeHost,
} from '../../../../src/commands/sandbox/index.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const BWRAP = '/usr/bin/bwrap'
const SOUND: FileFacts = { regular: true, ownerId: 0, mode: 0o755 }

/** What every sandbox is made of besides bubblewrap. */
const HELPERS: Readonly<Record<string, FileFacts>> = Object.fromEntries(
  DEFAULT_PROBE_OPTIONS.helpers.map((path) => [path, SOUND]),
)

/** What a process in a sound sandbox prints of itself. */
const INSIDE = `Name:\tcat
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
NoNewPrivs:\t1
tmpfs / tmpfs ro,nosuid,nodev,relatime 0 0
/dev/vda /usr ext4 ro,nosuid,nodev,relatime 0 0
proc /proc proc ro,nosuid,nodev,noexec,relatime 0 0
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
`

interface FakeHost {
  readonly userId?: number
  readonly files?: Readonly<Record<string, FileFacts>>
  readonly texts?: Readonly<Record<string, string>>
  readonly kernelRelease?: string
  readonly version?: string
  readonly help?: string
  readonly inside?: string
  readonly startCode?: number | undefined
  readonly perl?: { readonly exitCode: number | undefined; readonly output: string }
}

interface Run {
  readonly program: string
  readonly args: readonly string[]
  readonly identity: ProcessIdentity | undefined
}

/** A sound host, but for what the test changes. */
function fakeHost(change: FakeHost = {}): { readonly host: ProbeHost; readonly runs: Run[] } {
  const runs: Run[] = []
  const files = { ...HELPERS, ...(change.files ?? { [BWRAP]: SOUND }) }
  const texts = change.texts ?? {
    '/proc/sys/kernel/seccomp/actions_avail': 'kill_process kill_thread trap errno user_notif',
    '/proc/self/cgroup': '0::/system.slice\n',
  }
  const host: ProbeHost = {
    userId: change.userId ?? 1000,
    kernelRelease: change.kernelRelease ?? '6.12.1',
    readText: (path) => texts[path],
    fileFacts: (path) => files[path],
    run: (program, args, identity) => {
      runs.push({ program, args, identity })
      if (program === '/usr/bin/perl') {
        return Promise.resolve(change.perl ?? { exitCode: 0, output: '7' })
      }
      if (args[0] === '--version') {
        return Promise.resolve({ exitCode: 0, output: change.version ?? 'bubblewrap 0.8.0\n' })
      }
      if (args[0] === '--help') {
        const output = change.help ?? '--ro-bind-fd FD DEST\n--disable-userns\n'
        return Promise.resolve({ exitCode: 0, output })
      }
      const exitCode = 'startCode' in change ? change.startCode : 0
      return Promise.resolve({ exitCode, output: change.inside ?? INSIDE })
    },
  }
  return { host, runs }
}

const probe = (change: FakeHost = {}): Promise<SandboxReport> =>
  probeSandbox({ host: fakeHost(change).host }, DEFAULT_PROBE_OPTIONS)

const statesOf = ({ guarantees }: SandboxReport): Readonly<Record<string, string>> =>
  Object.fromEntries(guarantees.map(({ name, state }) => [name, state]))

const missing = ({ guarantees }: SandboxReport): readonly string[] =>
  guarantees.filter(({ state }) => state === 'missing').map(({ name }) => name)

describe('a sound host', () => {
  test('is usable; what was measured is proven, what can be added is available', async () => {
    const report = await probe()
    assert.equal(report.usable, true)
    assert.equal(report.refusal, undefined)
    assert.deepEqual([report.program, report.version], [BWRAP, '0.8.0'])
    assert.deepEqual(statesOf(report), {
      namespaces: 'proven',
      'no-new-privileges': 'proven',
      'no-capabilities': 'proven',
      'no-network': 'proven',
      'read-only-root': 'proven',
      'read-only-proc': 'proven',
      'bind-by-descriptor': 'available',
      'no-nested-namespaces': 'available',
      'system-call-filter': 'available',
      landlock: 'available',
      'write-xor-execute': 'available',
      'resource-groups': 'available',
    })
  })

  test('every namespace is asked for, and nested ones are switched off', async () => {
    const { host, runs } = fakeHost()
    await probeSandbox({ host }, DEFAULT_PROBE_OPTIONS)
    const trial = runs.at(-1)?.args ?? []
    for (const option of ['user', 'pid', 'net', 'ipc', 'uts', 'cgroup']) {
      assert.ok(trial.includes(`--unshare-${option}`), option)
    }
    for (const option of ['--disable-userns', '--clearenv', '--cap-drop', '--die-with-parent']) {
      assert.ok(trial.includes(option), option)
    }
  })

  test('a sandbox is never started as root', async () => {
    const { first } = DEFAULT_PROBE_OPTIONS.users
    for (const [userId, identity] of [
      [0, { userId: first, groupId: first }],
      [1000, undefined],
    ] as const) {
      const { host, runs } = fakeHost({ userId })
      await probeSandbox({ host }, DEFAULT_PROBE_OPTIONS)
      const started = runs.filter(({ program }) => program === BWRAP)
      assert.equal(started.length, 3)
      for (const run of started) assert.deepEqual(run.identity, identity)
    }
    assert.ok(first > 0)
  })
})

describe('a missing guarantee is named with its reason', () => {
  test('inside the sandbox', async () => {
    const changes: readonly (readonly [string, string, string])[] = [
      ['no-new-privileges', 'NoNewPrivs:\t1', 'NoNewPrivs:\t0'],
      ['no-capabilities', 'CapEff:\t0000000000000000', 'CapEff:\t0000000000000400'],
      ['no-capabilities', 'CapPrm:\t0000000000000000', 'CapPrm:\t000001ffffffffff'],
      ['no-network', '    lo:', '  eth0:'],
      ['read-only-root', '/ tmpfs ro,', '/ tmpfs rw,'],
      ['read-only-proc', '/proc proc ro,', '/proc proc rw,'],
    ]
    for (const [name, from, to] of changes) {
      assert.ok(INSIDE.includes(from))
      const report = await probe({ inside: INSIDE.replace(from, to) })
      assert.deepEqual(missing(report), [name])
      assert.equal(report.usable, true)
    }
    assert.deepEqual(missing(await probe({ inside: '' })), [
      'no-new-privileges',
      'no-capabilities',
      'read-only-root',
      'read-only-proc',
    ])
  })

  test('on the host', async () => {
    assert.deepEqual(missing(await probe({ help: '' })), [
      'bind-by-descriptor',
      'no-nested-namespaces',
    ])
    assert.deepEqual(missing(await probe({ texts: {} })), ['system-call-filter', 'resource-groups'])
    for (const perl of [
      { exitCode: 0, output: '-1' },
      { exitCode: undefined, output: '' },
      { exitCode: 0, output: '0' },
      { exitCode: 1, output: '7' },
    ]) {
      assert.deepEqual(missing(await probe({ perl })), ['landlock'])
    }
  })

  test('by the version of the kernel', async () => {
    for (const kernelRelease of ['6.1.0-18-amd64', '5.15.0', '4.4', 'unknown']) {
      assert.deepEqual(missing(await probe({ kernelRelease })), ['write-xor-execute'])
    }
    for (const kernelRelease of ['6.3.0', '6.18.44-fc', '7.0-rc1']) {
      assert.deepEqual(missing(await probe({ kernelRelease })), [])
    }
  })

  test('each with a sentence', async () => {
    const { guarantees } = await probe({ files: {}, texts: {}, perl: { exitCode: 1, output: '' } })
    for (const { state, reason } of guarantees) {
      assert.equal(state === 'missing', reason !== undefined)
      if (reason !== undefined) assert.match(reason, /^[A-Z].*\.$/)
    }
  })
})

describe('a host that cannot isolate', () => {
  test('has no bubblewrap', async () => {
    const report = await probe({ files: {} })
    assert.equal(report.usable, false)
    assert.equal(report.program, undefined)
    assert.equal(report.refusal?.code, 'KOS_SANDBOX_MISSING')
    assert.match(report.refusal?.remedy ?? '', /apt-get install bubblewrap/)
    assert.ok(missing(report).includes('namespaces'))
  })

  test('has one that others could replace', async () => {
    for (const facts of [
      { ...SOUND, mode: 0o775 },
      { ...SOUND, mode: 0o757 },
      { ...SOUND, ownerId: 1001 },
      { ...SOUND, regular: false },
    ]) {
      const { host, runs } = fakeHost({ files: { [BWRAP]: facts } })
      const report = await probeSandbox({ host }, DEFAULT_PROBE_OPTIONS)
      assert.equal(report.refusal?.code, 'KOS_SANDBOX_UNTRUSTED')
      assert.ok(
        runs.every(({ program }) => program !== BWRAP),
        'it is not even asked its version',
      )
    }
  })

  test('lacks a program besides, or has one that others could replace', async () => {
    for (const path of DEFAULT_PROBE_OPTIONS.helpers) {
      const bent = { [BWRAP]: SOUND, [path]: { ...SOUND, mode: 0o777 } }
      const untrusted = await probe({ files: bent })
      assert.equal(untrusted.refusal?.code, 'KOS_SANDBOX_UNTRUSTED')
      assert.ok(untrusted.refusal?.remedy?.includes(path))
      const { host } = fakeHost()
      const without = { ...host, fileFacts: (at: string) => (at === path ? undefined : SOUND) }
      const lacking = await probeSandbox({ host: without }, DEFAULT_PROBE_OPTIONS)
      assert.equal(lacking.refusal?.code, 'KOS_SANDBOX_MISSING')
    }
  })

  test('an own one is as good as that of root', async () => {
    const files = { [BWRAP]: { ...SOUND, ownerId: 1000 } }
    assert.equal((await probe({ files })).usable, true)
  })

  test('the first place counts', async () => {
    const report = await probe({ files: { '/usr/local/bin/bwrap': SOUND, '/bin/bwrap': SOUND } })
    assert.equal(report.program, '/usr/local/bin/bwrap')
  })

  test('does not let it start, and says which switch it is', async () => {
    const switches: readonly (readonly [path: string, off: string, remedy: RegExp])[] = [
      ['/proc/sys/user/max_user_namespaces', '0\n', /max_user_namespaces/],
      ['/proc/sys/kernel/unprivileged_userns_clone', '0\n', /unprivileged_userns_clone/],
      ['/proc/sys/kernel/apparmor_restrict_unprivileged_userns', '1\n', /AppArmor/],
    ]
    for (const [path, off, remedy] of switches) {
      const report = await probe({ startCode: 1, texts: { [path]: off } })
      assert.equal(report.usable, false)
      assert.equal(report.refusal?.code, 'KOS_SANDBOX_START')
      assert.equal(report.refusal?.rule, 'sandbox/user-namespaces')
      assert.match(report.refusal?.remedy ?? '', remedy)
    }
    const unknown = await probe({ startCode: undefined, texts: {} })
    assert.equal(unknown.refusal?.rule, 'sandbox/start')
    assert.ok(missing(unknown).includes('namespaces'))
  })

  test('prints a version that is none: it is not shown', async () => {
    assert.equal((await probe({ version: '\u001b[31mbubblewrap' })).version, undefined)
    assert.equal((await probe({ version: 'bubblewrap 0.11.0' })).version, '0.11.0')
  })
})

describe('the real host', () => {
  test('facts of files; links are not followed', (context) => {
    const folder = temporaryFolder(context)
    const path = join(folder, 'file')
    writeFileSync(path, 'x', { mode: 0o640 })
    symlinkSync(path, join(folder, 'link'))
    linkSync(path, join(folder, 'hard'))
    assert.deepEqual(systemProbeHost.fileFacts(path), {
      regular: true,
      ownerId: process.getuid?.(),
      mode: 0o640,
    })
    assert.equal(systemProbeHost.fileFacts(join(folder, 'link'))?.regular, false)
    assert.equal(systemProbeHost.fileFacts(join(folder, 'none')), undefined)
    assert.equal(systemProbeHost.readText(path), 'x')
    rmSync(path)
    assert.equal(systemProbeHost.readText(path), undefined)
  })

  test('programs run with an empty environment and are bounded', async () => {
    const run = (script: string): ReturnType<ProbeHost['run']> =>
      systemProbeHost.run('/bin/sh', ['-c', script], undefined)
    assert.deepEqual(await run('echo "$HOME$USER"; pwd'), { exitCode: 0, output: '\n/\n' })
    assert.equal((await run('exit 3')).exitCode, 3)
    const flood = await run('while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done')
    assert.equal(flood.exitCode, undefined)
    assert.ok(flood.output.length <= 65_536)
    const none = await systemProbeHost.run('/nowhere/bwrap', [], undefined)
    assert.deepEqual(none, { exitCode: undefined, output: '' })
  })

  test('root steps down to the given user', async (context) => {
    if (process.getuid?.() !== 0) return context.skip('only root can become another user')
    const identity = { userId: 65_534, groupId: 65_534 }
    const { output } = await systemProbeHost.run('/bin/sh', ['-c', 'id -u; id -g; id -G'], identity)
    assert.equal(output, '65534\n65534\n65534\n')
  })

  test('bubblewrap isolates, where it is installed', async (context) => {
    const installed = DEFAULT_PROBE_OPTIONS.programs.some((path) => existsSync(path))
    const report = await probeSandbox({ host: systemProbeHost }, DEFAULT_PROBE_OPTIONS)
    if (!installed) {
      assert.equal(report.refusal?.code, 'KOS_SANDBOX_MISSING')
      return context.skip('bubblewrap is not installed')
    }
    if (!report.usable) return context.skip(`it does not start: ${report.refusal?.rule}`)
    assert.equal(statesOf(report)['namespaces'], 'proven')
    assert.equal(statesOf(report)['no-capabilities'], 'proven')
    assert.equal(statesOf(report)['no-network'], 'proven')
  })
})

test('what a report lacks is never in force; nor is what runs do not have yet', async () => {
  const always = ['system-call-filter', 'landlock', 'write-xor-execute', 'resource-groups']
  assert.deepEqual(notInForce((await probe()).guarantees), always)
  const { guarantees } = await probe({ help: '' })
  const more = ['bind-by-descriptor', 'no-nested-namespaces']
  assert.deepEqual(notInForce(guarantees), [...more, ...always])
})

test('what the host lacks is permanent until somebody acts', () => {
  const later = ['KOS_SANDBOX_BUSY', 'KOS_SANDBOX_BROKER']
  for (const [code, { retry }] of Object.entries(sandboxErrors.rows)) {
    assert.equal(retry, later.includes(code) ? 'later' : 'never', code)
  }
})
