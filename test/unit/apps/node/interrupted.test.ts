/** Calls without outcome in the log of a killed node. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordInterrupted } from '../../../../src/apps/node/interrupted.ts'
import type { AuditEvent, AuditLog } from '../../../../src/trust/audit/index.ts'

const digest = new Uint8Array(32)
const start: AuditEvent = {
  type: 'system',
  actor: 'n',
  target: 'n',
  action: 'node.start',
  outcome: 'ok',
}

function call(callId: string, outcome: AuditEvent['outcome'], hasDigest = true): AuditEvent {
  const argumentDigest = hasDigest ? { argumentDigest: digest } : {}
  return { type: 'call', actor: 'a', target: 'n', action: 'x', outcome, callId, ...argumentDigest }
}

/** What is told of an entry beside its event. */
interface Told {
  readonly timeMs?: number
  readonly forwarded?: boolean
}

/** A log that holds these events. */
function logOf(events: AuditEvent[], tell: (index: number) => Told = () => ({})): AuditLog {
  const entries = (from: number, limit: number): unknown =>
    Promise.resolve(
      events
        .slice(from, from + limit)
        .map((event, index) => ({ event, timeMs: 0, ...tell(from + index) })),
    )
  const append = (event: AuditEvent): unknown => Promise.resolve({ index: events.push(event) - 1 })
  return { entries, append, size: events.length } as unknown as AuditLog
}

function change(action: string, outcome: AuditEvent['outcome'], target = 'camera-1'): AuditEvent {
  return { type: 'admin', actor: 'olga', target, action, outcome }
}

function join(outcome: AuditEvent['outcome'], target: string, token = 't1'): AuditEvent {
  return { type: 'enrolment', actor: 'olga', target, action: 'join', outcome, detail: { token } }
}

test('each intent without an outcome gets one, in their order and once', async () => {
  const events = [
    call('before', 'intent'),
    start,
    ...Array.from({ length: 2000 }, (_, index) => call(`read-${index}`, 'ok', false)),
    call('first', 'intent'),
    call('done', 'intent'),
    call('second', 'intent'),
    call('done', 'ok'),
    // A refused repetition bears the id of the call that runs.
    call('second', 'refused', false),
  ]
  assert.equal(await recordInterrupted(logOf(events), 'node.start'), 2)
  assert.deepEqual(
    events.slice(-2).map(({ callId, outcome, code }) => [callId, outcome, code]),
    [
      ['first', 'failed', 'KOS_EXECUTION_INTERRUPTED'],
      ['second', 'failed', 'KOS_EXECUTION_INTERRUPTED'],
    ],
  )
  // A start that was killed as well.
  assert.equal(await recordInterrupted(logOf(events), 'node.start'), 0)
  assert.equal(await recordInterrupted(logOf([]), 'node.start'), 0)
})

test('changes of operators and joins have no call id: each outcome ends one intent', async () => {
  const events = [
    change('device.rename', 'intent'),
    change('device.rename', 'ok'),
    change('device.rename', 'intent'),
    change('device.remove', 'intent', 'camera-2'),
    change('device.remove', 'refused', 'camera-2'),
    // The outcome of a join names the device, which had no name before.
    join('intent', 'camera-3'),
    join('ok', 'spiffe://kos.internal/device/kdev-3'),
    join('intent', 'camera-4', 't2'),
    { ...change('session.opened', 'ok'), type: 'session' },
  ] satisfies AuditEvent[]
  const count = events.length
  assert.equal(await recordInterrupted(logOf(events), 'authority.start'), 2)
  assert.deepEqual(
    events.slice(count).map(({ type, action, target, outcome }) => [type, action, target, outcome]),
    [
      ['admin', 'device.rename', 'camera-1', 'failed'],
      ['enrolment', 'join', 'camera-4', 'failed'],
    ],
  )
  assert.deepEqual(events.at(-1)?.detail, { token: 't2' })
  assert.equal(await recordInterrupted(logOf(events), 'authority.start'), 0)
})

test('what members forwarded is theirs: neither their intents nor their starts count', async () => {
  const events = [call('own', 'intent'), start, call('theirs', 'intent')]
  const log = logOf(events, (index) => (index === 0 ? {} : { forwarded: true }))
  assert.equal(await recordInterrupted(log, 'node.start'), 1)
  assert.equal(events.at(-1)?.callId, 'own')
})

test('a long log is looked at for an hour back, whatever the clock for 65,536 entries', async () => {
  const others = Array.from({ length: 70_000 }, () => call('read', 'ok', false))
  const long = [call('old', 'intent'), ...others]
  const hours = (index: number): Told => ({ timeMs: index < 2000 ? 0 : 3_600_001 })
  assert.equal(await recordInterrupted(logOf(long, hours), 'node.start'), 0)
  const within = (index: number): Told => ({ timeMs: index < 2000 ? 0 : 3_600_000 })
  assert.equal(await recordInterrupted(logOf(long, within), 'node.start'), 1)
  const short = [call('old', 'intent'), ...others.slice(0, 60_000)]
  assert.equal(await recordInterrupted(logOf(short, hours), 'node.start'), 1)
})
