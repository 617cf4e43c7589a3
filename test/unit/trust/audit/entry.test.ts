import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toHex } from '../../../../src/foundation/base/index.ts'
import { CborWriter, encodeCbor } from '../../../../src/foundation/codec/index.ts'
import { decodeEntry, EventWriter, writeForwarded } from '../../../../src/trust/audit/entry.ts'
import {
  AUDIT_EVENT_LIMITS,
  AUDIT_OUTCOMES,
  AUDIT_TYPES,
  type AuditEvent,
  requireEvent,
} from '../../../../src/trust/audit/event.ts'
import { testEvent } from '../../../kit/audit.ts'

const DIGEST = new Uint8Array(32).fill(7)
const FULL: AuditEvent = testEvent({
  code: 'KOS_POLICY_DENIED',
  rule: 'fleet/default-deny',
  callId: '00112233445566778899aabbccddeeff',
  durationMs: 1.25,
  detail: { n: 1, flag: true, text: '\u00e9', fraction: 0.5 },
})

function encode(event: AuditEvent, saltedDigest?: Uint8Array): Uint8Array {
  const writer = new CborWriter()
  new EventWriter().write(writer, event, { index: 5, timeMs: 1_767_225_600_000, saltedDigest })
  return writer.take()
}

/** An entry as a map, changed. */
function entryMap(changes: Readonly<Record<number, unknown>> = {}): Uint8Array {
  const fields = new Map<number, unknown>([
    [0, 5],
    [1, 9],
    [2, 'call'],
    [3, 'a'],
    [4, 'b'],
    [5, 'c'],
    [6, 'ok'],
  ])
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) fields.delete(Number(key))
    else fields.set(Number(key), value)
  }
  return encodeCbor(fields as Map<number, string>)
}

describe('audit entries', () => {
  it('are the bytes that the documentation shows', () => {
    const event = testEvent({ actor: 'a', target: 'b', action: 'c' })
    assert.equal(
      toHex(encode(event)),
      [
        'a7',
        '0005',
        '011b0000019b76daa800',
        '026463616c6c',
        '036161',
        '046162',
        '056163',
        '06626f6b',
      ].join(''),
    )
  })

  it('keep everything of an event', () => {
    const decoded = decodeEntry(encode({ ...FULL, argumentDigest: new Uint8Array(32) }, DIGEST))
    assert.equal(decoded.index, 5)
    assert.equal(decoded.timeMs, 1_767_225_600_000)
    assert.equal(decoded.forwarded, undefined)
    const { argumentDigest, detail, ...rest } = decoded.event ?? assert.fail()
    assert.deepEqual(argumentDigest, DIGEST)
    const { detail: expected, ...event } = FULL
    assert.deepEqual({ ...detail }, expected)
    assert.deepEqual(rest, event)
  })

  it('are deterministic CBOR', () => {
    const bytes = encode(FULL, DIGEST)
    const { event } = decodeEntry(bytes)
    assert.deepEqual(encode(event ?? assert.fail(), DIGEST), bytes)
  })

  it('wrap what a node forwarded, unchanged', () => {
    const writer = new CborWriter()
    const entry = encode(FULL)
    writeForwarded(writer, { source: 'n', sourceIndex: 0, entry }, { index: 1, timeMs: 2 })
    const decoded = decodeEntry(writer.take())
    assert.equal(decoded.event, undefined)
    assert.deepEqual(decoded.forwarded, { source: 'n', sourceIndex: 0, entry })
    assert.deepEqual([decoded.index, decoded.timeMs], [1, 2])
  })

  it('keep a key such as __proto__ as a plain fact', () => {
    const detail = Object.fromEntries([['__proto__', 'x']]) as Record<string, string>
    const { event } = decodeEntry(encode(testEvent({ detail })))
    assert.equal(Object.getPrototypeOf(event?.detail), Object.prototype)
    assert.deepEqual(Object.keys(event?.detail ?? {}), ['__proto__'])
  })

  const refused: readonly (readonly [string, Uint8Array])[] = [
    ['no index', entryMap({ 0: undefined })],
    ['no time', entryMap({ 1: undefined })],
    ['no type', entryMap({ 2: undefined })],
    ['an unknown type', entryMap({ 2: 'other' })],
    ['no actor', entryMap({ 3: undefined })],
    ['no action', entryMap({ 5: undefined })],
    ['no outcome', entryMap({ 6: undefined })],
    ['an unknown outcome', entryMap({ 6: 'perhaps' })],
    ['an unknown key', entryMap({ 16: 1 })],
    ['an empty text', entryMap({ 3: '' })],
    ['a long text', entryMap({ 5: 'x'.repeat(AUDIT_EVENT_LIMITS.action + 1) })],
    ['a short digest', entryMap({ 10: new Uint8Array(31) })],
    ['a nested detail', entryMap({ 12: { a: {} } })],
    ['an integer key in the detail', entryMap({ 12: new Map([[1, 1]]) })],
    [
      'too many details',
      entryMap({ 12: Object.fromEntries([...Array(17).keys()].map((n) => [n, 1])) }),
    ],
    ['a field of forwarded entries', entryMap({ 14: 0 })],
    [
      'a forwarded entry with a field of events',
      entryMap({ 2: 'forwarded', 13: 'n', 14: 0, 15: new Uint8Array(1) }),
    ],
    ['a forwarded entry without a source', entryMap({ 2: 'forwarded' })],
    ['a text key', encodeCbor({ a: 1 })],
    ['another thing', encodeCbor([1])],
    ['bytes that follow', Buffer.concat([entryMap(), Uint8Array.of(0)])],
    ['more than an entry may have', new Uint8Array(64 * 1024)],
    ['nothing', new Uint8Array(0)],
  ]
  for (const [name, bytes] of refused) {
    it(`are refused with ${name}`, () => {
      assert.throws(() => decodeEntry(bytes), { code: /^KOS_(AUDIT_ENTRY|CODEC_CBOR)$/ })
    })
  }
})

describe('audit events', () => {
  it('are accepted with every type and outcome, at their limits', () => {
    for (const type of AUDIT_TYPES) requireEvent(testEvent({ type }))
    for (const outcome of AUDIT_OUTCOMES) requireEvent(testEvent({ outcome }))
    const limits = AUDIT_EVENT_LIMITS
    const wide = (length: number): string => '\u20ac'.repeat(length)
    const largest = testEvent({
      actor: wide(limits.name),
      target: wide(limits.name),
      action: wide(limits.action),
      code: wide(limits.code),
      rule: wide(limits.rule),
      callId: wide(limits.callId),
      argumentDigest: DIGEST,
      durationMs: 1e9,
      detail: Object.fromEntries(
        [...Array(limits.details).keys()].map((n) => [
          `${n}`.padStart(limits.detailKey, '\u20ac'),
          wide(limits.detailText),
        ]),
      ),
    })
    requireEvent(largest)
    // What may be appended can be read again.
    assert.ok(decodeEntry(encode(largest, DIGEST)).event)
  })

  const wrong: readonly (readonly [string, Partial<Record<keyof AuditEvent, unknown>>])[] = [
    ['type', { type: 'forwarded' }],
    ['outcome', { outcome: 'maybe' }],
    ['actor', { actor: '' }],
    ['actor', { actor: '\ud800' }],
    ['target', { target: 'x'.repeat(AUDIT_EVENT_LIMITS.name + 1) }],
    ['action', { action: 7 }],
    ['code', { code: '' }],
    ['rule', { rule: 'x'.repeat(AUDIT_EVENT_LIMITS.rule + 1) }],
    ['callId', { callId: 'x'.repeat(AUDIT_EVENT_LIMITS.callId + 1) }],
    ['durationMs', { durationMs: -1 }],
    ['durationMs', { durationMs: Number.NaN }],
    ['argumentDigest', { argumentDigest: new Uint8Array(20) }],
    ['detail: too many', { detail: Object.fromEntries([...Array(17).keys()].map((n) => [n, 1])) }],
    ['detail: key', { detail: { ['x'.repeat(33)]: 1 } }],
    ['detail: a', { detail: { a: Number.POSITIVE_INFINITY } }],
    ['detail: a', { detail: { a: {} } }],
    ['detail: a', { detail: { a: 'x'.repeat(AUDIT_EVENT_LIMITS.detailText + 1) } }],
  ]
  for (const [rule, changes] of wrong) {
    it(`are refused for a wrong ${rule}`, () => {
      const event = { ...testEvent(), ...changes } as AuditEvent
      assert.throws(() => requireEvent(event), { code: 'KOS_AUDIT_EVENT', details: { rule } })
    })
  }
})
