/** The small parts of a node: clock, ports, addresses, files, recorders. */
import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type LogFields, silentLog, unixMs } from '../../../../src/foundation/base/index.ts'
import {
  formatHostPort,
  parseHostPort,
  permanentMacs,
  plainHost,
  reachableHosts,
} from '../../../../src/apps/node/addresses.ts'
import { createFloorClock } from '../../../../src/apps/node/floor-clock.ts'
import { keepPort, listenCandidates } from '../../../../src/apps/node/kept-port.ts'
import { readObject, writeObject, writePrivate } from '../../../../src/apps/node/object-files.ts'
import { recordSoon, refusalRecorder } from '../../../../src/apps/node/recorders.ts'
import { readCheckpoint, writeCheckpoint } from '../../../../src/apps/node/seen-checkpoint.ts'
import { KOS_VERSION } from '../../../../src/apps/node/version.ts'
import type { AuditEvent, AuditLog } from '../../../../src/trust/audit/index.ts'
import { auditErrors } from '../../../../src/trust/audit/index.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

test('a floor only rises, and goes on with monotonic time', () => {
  const machine = createTestClock(1_000_000)
  const clock = createFloorClock(machine)
  assert.equal(clock.wallMs(), 1_000_000)
  assert.equal(clock.raise(unixMs(999_999)), false)
  assert.equal(clock.raise(unixMs(5_000_000)), true)
  assert.equal(clock.wallMs(), 5_000_000)
  machine.advance(1500)
  assert.equal(clock.wallMs(), 5_001_500)
  assert.equal(clock.raise(unixMs(5_001_500)), false)
  // The machine's clock is put back: nothing changes. It is put right: it counts again.
  machine.setWall(0)
  assert.equal(clock.wallMs(), 5_001_500)
  machine.setWall(6_000_000)
  assert.equal(clock.wallMs(), 6_000_000)
  let fired = 0
  const cancel = clock.after(10, () => fired++)
  clock.after(10, () => fired++)
  cancel()
  machine.advance(10)
  assert.equal(fired, 1)
  assert.equal(clock.monotonicMs(), machine.monotonicMs())
})

test('wall times with a floor are whole milliseconds', () => {
  const machine = createTestClock(1000)
  let monotonic = 0.25
  const fractional = { ...machine, monotonicMs: () => monotonic as never }
  const clock = createFloorClock({ ...fractional, wallMs: () => unixMs(0) })
  clock.raise(unixMs(10))
  monotonic = 7.9
  assert.equal(clock.wallMs(), 17)
})

test('a listener tries the port it had, the default one, any', (context) => {
  const folder = temporaryFolder(context)
  const listen = { host: '127.0.0.1', port: 7402 }
  const kept = { folder, name: 'session', listen, isPortFixed: false }
  const ports = (): number[] => listenCandidates(kept).map(({ port }) => port)
  assert.deepEqual(ports(), [7402, 0])
  keepPort(kept, 40_000)
  assert.deepEqual(ports(), [40_000, 7402, 0])
  keepPort(kept, 7402)
  assert.deepEqual(ports(), [7402, 0])
  for (const nonsense of ['', 'x', '-1', '0', '70000', '1.5']) {
    writeFileSync(join(folder, 'session.port'), nonsense)
    assert.deepEqual(ports(), [7402, 0], nonsense)
  }
  const fixed = { ...kept, isPortFixed: true }
  keepPort(fixed, 41_000)
  assert.deepEqual(listenCandidates(fixed), [listen])
  assert.deepEqual(ports(), [7402, 0])
})

test('hosts and ports are parsed strictly and written back', () => {
  for (const text of ['127.0.0.1:7402', 'a-b.example:0', '[::1]:65535']) {
    const parsed = parseHostPort(text)
    assert.ok(parsed)
    assert.equal(formatHostPort(parsed), text)
  }
  for (const text of [
    '',
    'a',
    'a:',
    ':1',
    'a:65536',
    'a:1x',
    '::1:1',
    '[x]:1',
    'a b:1',
    'a:123456',
  ]) {
    assert.equal(parseHostPort(text), undefined, text)
  }
  assert.equal(formatHostPort({ host: '::1', port: 1 }), '[::1]:1')
  assert.equal(plainHost('[::1]'), '::1')
})

test('all addresses stand for those that others can reach', () => {
  assert.deepEqual(reachableHosts('192.0.2.1'), ['192.0.2.1'])
  for (const host of ['0.0.0.0', '::', '[::]']) {
    const hosts = reachableHosts(host)
    assert.ok(hosts.length >= 1 && hosts.length <= 8)
    assert.ok(!hosts.includes('0.0.0.0') && !hosts.includes('::'))
    assert.ok(hosts.every((found) => !found.startsWith('fe80:')))
  }
  for (const mac of permanentMacs()) assert.match(mac, /^[0-9a-f:]{17}$/)
})

test('files of the fabric are private and whole', (context) => {
  const folder = temporaryFolder(context)
  assert.equal(readObject(folder, 'locks'), undefined)
  writeObject(folder, 'locks', Uint8Array.of(1, 2, 3))
  assert.deepEqual(readObject(folder, 'locks'), Buffer.of(1, 2, 3))
  assert.equal(statSync(join(folder, 'locks.cbor')).mode & 0o777, 0o600)
  assert.throws(() => writePrivate(join(folder, 'none', 'file'), Uint8Array.of()))
  assert.equal(readCheckpoint(folder), undefined)
  writeCheckpoint(folder, 'origin\n7\nroot\n')
  assert.deepEqual(readCheckpoint(folder), { note: 'origin\n7\nroot\n', size: 7 })
  writeCheckpoint(folder, 'origin\nmany\n')
  assert.equal(readCheckpoint(folder), undefined)
})

test('refusals before authentication become audit events', () => {
  const events: AuditEvent[] = []
  const audit = { appendSoon: (event: AuditEvent) => void events.push(event) } as AuditLog
  refusalRecorder(
    silentLog,
    audit,
    'target',
  )([{ prefix: '192.0.2.1/32', reason: 'KOS_ADMISSION_RATE', count: 3 } as never])
  assert.deepEqual(events, [
    {
      type: 'refusal',
      actor: '-',
      target: 'target',
      action: 'connect',
      outcome: 'refused',
      code: 'KOS_ADMISSION_RATE',
      detail: { prefix: '192.0.2.1/32', count: 3 },
    },
  ])
})

test('an event that comes after the end is told to the log', () => {
  const told: (LogFields | undefined)[] = []
  const audit = {
    appendSoon: () => {
      throw auditErrors.error('KOS_AUDIT_CLOSED')
    },
  } as unknown as AuditLog
  recordSoon(
    audit,
    { event: (_name, fields) => void told.push(fields) },
    { type: 'session', actor: '-', target: '-', action: 'session.closed', outcome: 'ok' },
  )
  assert.equal(told[0]?.name, 'session.closed')
})

test('the version is that of the package', () => {
  const path = join(import.meta.dirname, '../../../../package.json')
  const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string }
  assert.equal(KOS_VERSION, version)
})
