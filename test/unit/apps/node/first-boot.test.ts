/** What a device does before it is one: the image's file, its machine, its name, its patience. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { refuse } from '../../../../src/foundation/base/index.ts'
import { nodeErrors } from '../../../../src/apps/node/index.ts'
import {
  readFirstBoot,
  shredFirstBoot,
  writeFirstBoot,
} from '../../../../src/apps/node/first-boot.ts'
import { joinPatiently } from '../../../../src/apps/node/join-retry.ts'
import { bindMachine, machineMarks } from '../../../../src/apps/node/machine.ts'
import { wantedName } from '../../../../src/apps/node/wanted-name.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { createKeyFolder } from '../../../kit/key-store.ts'
import { createTestRandom } from '../../../kit/random.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

test('what an image leaves is read once, closed to others, and strict', (context) => {
  const folder = temporaryFolder(context)
  assert.equal(readFirstBoot(folder), undefined)
  shredFirstBoot(folder)
  const left = { joinLine: 'kos://a:1#b.c.d', psk: true, name: '{hostname}' }
  writeFirstBoot(folder, left)
  assert.deepEqual(readFirstBoot(folder), left)
  const path = join(folder, 'first-boot.json')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const unfit = { code: 'KOS_NODE_FIRST_BOOT' }
  chmodSync(path, 0o640)
  assert.throws(() => readFirstBoot(folder), unfit)
  chmodSync(path, 0o600)
  shredFirstBoot(folder)
  assert.equal(readFirstBoot(folder), undefined)
  for (const text of ['', '{}', '{"joinLine":1}', '{"joinLine":"a","x":1}', ' '.repeat(5000)]) {
    writeFileSync(path, text, { mode: 0o600 })
    assert.throws(() => readFirstBoot(folder), unfit, text)
  }
})

test('marks are of hardware with addresses of its own, and of the installation', (context) => {
  const folder = temporaryFolder(context)
  const net = join(folder, 'net')
  const card = (name: string, files: Readonly<Record<string, string>>, isHardware = true): void => {
    mkdirSync(join(net, name, ...(isHardware ? ['device'] : [])), { recursive: true })
    for (const [file, text] of Object.entries(files)) writeFileSync(join(net, name, file), text)
  }
  assert.deepEqual(machineMarks({ net, id: join(folder, 'none') }), { macs: [], id: '' })
  const permanent = { addr_assign_type: '0\n' }
  card('lo', { ...permanent, address: '00:00:00:00:00:00' })
  card('docker0', { ...permanent, address: '02:42:00:00:00:01' }, false)
  card('wlan0', { addr_assign_type: '1', address: '02:00:00:00:00:01' })
  card('usb0', permanent)
  const id = join(folder, 'machine-id')
  writeFileSync(id, 'abc\n')
  assert.equal(machineMarks({ net, id }).macs.length, 0)
  card('eth0', { ...permanent, address: '52:54:00:00:00:01\n' })
  card('eth1', { ...permanent, address: '52:54:00:00:00:01' })
  const marks = machineMarks({ net, id })
  assert.equal(marks.macs.length, 1)
  assert.match(`${marks.macs[0]} ${marks.id}`, /^[0-9a-f]{32} [0-9a-f]{32}$/)
  assert.deepEqual(machineMarks(), machineMarks())
})

test('keys are used on the machine that they were made on', (context) => {
  const keys = createKeyFolder(context).open()
  const home = { macs: ['a', 'b'], id: 'home' }
  const refused = { code: 'KOS_NODE_MOVED' }
  bindMachine(keys, home)
  // One card is gone, another one came, the system was installed anew: the same machine.
  for (const same of [home, { macs: ['b', 'c'], id: 'new' }, { macs: [], id: 'home' }]) {
    bindMachine(keys, same)
  }
  // A machine that says nothing of itself cannot be told from another.
  bindMachine(keys, { macs: [], id: '' })
  for (const other of [
    { macs: ['c'], id: 'home' },
    { macs: [], id: 'other' },
  ]) {
    assert.throws(() => bindMachine(keys, other), refused)
  }
  bindMachine(keys, { macs: ['c'], id: 'other' }, true)
  assert.throws(() => bindMachine(keys, home), refused)
  const damaged = createKeyFolder(context).open()
  bindMachine(damaged, { macs: ['x'.repeat(33)], id: '' })
  assert.throws(() => bindMachine(damaged, home), { code: 'KOS_NODE_STATE' })
})

test('a device asks for a name that can be one', () => {
  const facts = { hostname: () => 'Cam_7', serial: () => ' AB/12 ' }
  const cases: readonly (readonly [template: string, name: string | undefined])[] = [
    ['camera-{serial}', 'camera-ab-12'],
    ['{hostname}', 'cam-7'],
    ['{hostname}-{hostname}', 'cam-7-cam-7'],
    ['--', undefined],
    ['a'.repeat(70), 'a'.repeat(63)],
  ]
  for (const [template, name] of cases) assert.equal(wantedName(template, facts), name, template)
  assert.equal(wantedName('{x}'), 'x')
  assert.match(wantedName('a-{hostname}-{serial}') ?? '', /^a/)
})

test('joining waits while the authority is busy, or away, and no longer than it may', async () => {
  const clock = createTestClock()
  const pauses: number[] = []
  const deps = { clock, random: createTestRandom('join') }
  const busy = refuse('KOS_AUTHORITY_REQUEST', 'rate', { retryAfterMs: 1000 })
  const failing = (code?: string): Error =>
    nodeErrors.error(
      'KOS_NODE_AUTHORITY_UNREACHABLE',
      { host: 'a', port: 1 },
      code === undefined ? undefined : Object.assign(new Error(code), { code }),
    )
  const run = async (
    outcomes: readonly unknown[],
    patience: { readonly forMs: number; readonly whileAway: boolean },
  ): Promise<unknown> => {
    const left = [...outcomes]
    pauses.length = 0
    const onPause = (ms: number): void => {
      pauses.push(ms)
      setImmediate(() => clock.advance(ms))
    }
    return joinPatiently<unknown>(deps, { ...patience, onPause }, () => {
      const next = left.shift()
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next)
    })
  }
  const patient = { forMs: 120_000, whileAway: false }
  assert.equal(await run(['in'], patient), 'in')
  assert.equal(await run([failing('ECONNRESET'), failing(), busy, 'in'], patient), 'in')
  assert.equal(pauses.length, 3)
  assert.ok((pauses[2] ?? 0) >= 1000)
  const no = refuse('KOS_ENROLMENT_TOKEN', 'token/spent')
  assert.equal(await run([no], patient), no)
  assert.equal(await run([busy], { ...patient, forMs: 0 }), busy)
  await assert.rejects(run([failing('ECONNREFUSED'), 'in'], patient), /cannot be reached/)
  await assert.rejects(run([failing()], { ...patient, forMs: 0 }), /cannot be reached/)
  await assert.rejects(run([new Error('other'), 'in'], patient), /other/)
  assert.equal(
    await run([failing('ECONNREFUSED'), 'in'], { forMs: Infinity, whileAway: true }),
    'in',
  )
})
