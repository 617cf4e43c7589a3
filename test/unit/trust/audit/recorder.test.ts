import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type Authenticated,
  mintAuthorised,
  mintExecuted,
  mintFiltered,
  mintValidated,
  type Recordable,
  Recorded,
} from '../../../../src/foundation/pipeline/index.ts'
import type { RecordPort } from '../../../../src/commands/execution/index.ts'
import { type CallRecord, createCallRecorder } from '../../../../src/trust/audit/index.ts'
import { openTestLog } from '../../../kit/audit.ts'
import { authenticatedPeer } from '../../../kit/calls.ts'

const TARGET = 'spiffe://kos.internal/device/kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa'
const RECORD: CallRecord = {
  outcome: 'ok',
  durationMs: 1.5,
  command: 'files.read',
  callId: '00112233445566778899aabbccddeeff',
  argumentDigest: new Uint8Array(32).fill(1),
}

/** Every stage a call can end at, with a grant from `authorised` on and another from `validated` on. */
function stages(): readonly [Authenticated, ...Recordable[]] {
  const authenticated = authenticatedPeer('alice')
  const call = {
    callId: RECORD.callId,
    command: RECORD.command,
    arguments: {},
    deadlineMs: 1000,
    traceId: 't',
    signal: new AbortController().signal,
  }
  const grant = (rule: string) => ({ rule, layer: 'fleet', manifestNumber: 1 })
  const authorised = mintAuthorised(authenticated, {
    call,
    grant: grant('fleet/reads'),
    decideArguments: undefined,
  })
  const validated = mintValidated(authorised, { arguments: {}, grant: grant('fleet/reads-etc') })
  const executed = mintExecuted(validated, { status: 'ok', value: 1 })
  return [authenticated, authorised, validated, executed, mintFiltered(executed, executed.outcome)]
}

describe('call recorder', () => {
  it('fits the port of the executor', async (t) => {
    const { audit } = await openTestLog(t)
    const port: RecordPort = createCallRecorder(audit, { target: TARGET })
    assert.equal(port.healthy, true)
    await audit.close()
    assert.equal(port.healthy, false)
  })

  it('records intent and outcome durably, from every stage', async (t) => {
    const { audit } = await openTestLog(t)
    const recorder = createCallRecorder(audit, { target: TARGET })
    const [authenticated, ...rest] = stages()
    await recorder.intent(rest[1] ?? assert.fail(), RECORD)
    assert.equal(audit.size, 1)
    for (const last of [authenticated, ...rest]) {
      const recorded = await recorder.outcome(last, RECORD)
      assert.ok(Recorded.is(recorded))
      assert.equal(recorded.last, last)
    }
    const entries = await audit.entries(0, 10)
    assert.deepEqual(
      entries.map(({ event }) => [event.outcome, event.rule]),
      [
        ['intent', 'fleet/reads-etc'],
        ['ok', undefined],
        ['ok', 'fleet/reads'],
        ['ok', 'fleet/reads-etc'],
        ['ok', 'fleet/reads-etc'],
        ['ok', 'fleet/reads-etc'],
      ],
    )
    const { argumentDigest, ...event } = entries[1]?.event ?? assert.fail()
    assert.deepEqual(event, {
      type: 'call',
      actor: authenticated.peer.principal.uri,
      target: TARGET,
      action: 'files.read',
      outcome: 'ok',
      callId: RECORD.callId,
      durationMs: 1.5,
    })
    assert.notDeepEqual(Buffer.from(argumentDigest ?? []), Buffer.alloc(32, 1))
  })

  it('records at once what may wait', async (t) => {
    const { audit } = await openTestLog(t)
    const recorder = createCallRecorder(audit, { target: TARGET })
    const [last] = stages()
    const refused: CallRecord = {
      outcome: 'refused',
      code: 'KOS_POLICY_DENIED',
      rule: 'default-deny',
      durationMs: -0.1,
      command: 'x.y',
      callId: '-',
      suppressed: 3,
    }
    assert.ok(Recorded.is(recorder.soon(last, refused)))
    assert.equal(audit.size, 0)
    await audit.flush()
    const [entry] = await audit.entries(0, 1)
    const { type, code, rule, durationMs, detail } = entry?.event ?? assert.fail()
    assert.deepEqual(
      [type, code, rule, durationMs, { ...detail }],
      ['refusal', 'KOS_POLICY_DENIED', 'default-deny', 0, { suppressed: 3 }],
    )
  })

  it('loses no record for what a caller sent as a name', async (t) => {
    const { audit } = await openTestLog(t)
    const recorder = createCallRecorder(audit, { target: TARGET })
    const [last] = stages()
    for (const text of ['', 'x'.repeat(10_000), '\ud800', `${'x'.repeat(127)}\u{1f600}`]) {
      recorder.soon(last, { ...RECORD, command: text, callId: text, rule: text || '-' })
    }
    await audit.flush()
    const actions = (await audit.entries(0, 10)).map(({ event }) => event.action)
    assert.deepEqual(actions, ['-', 'x'.repeat(128), '\ufffd', `${'x'.repeat(127)}\ufffd`])
  })
})
