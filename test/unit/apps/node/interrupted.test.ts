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

/** A log that holds these events. */
function logOf(events: AuditEvent[]): AuditLog {
  const entries = (from: number, limit: number): unknown =>
    Promise.resolve(events.slice(from, from + limit).map((event) => ({ event })))
  const append = (event: AuditEvent): unknown => Promise.resolve({ index: events.push(event) - 1 })
  return { entries, append, size: events.length } as unknown as AuditLog
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
  assert.equal(await recordInterrupted(logOf(events)), 2)
  assert.deepEqual(
    events.slice(-2).map(({ callId, outcome, code }) => [callId, outcome, code]),
    [
      ['first', 'failed', 'KOS_EXECUTION_INTERRUPTED'],
      ['second', 'failed', 'KOS_EXECUTION_INTERRUPTED'],
    ],
  )
  // A start that was killed as well.
  assert.equal(await recordInterrupted(logOf(events)), 0)
  assert.equal(await recordInterrupted(logOf([])), 0)
})
