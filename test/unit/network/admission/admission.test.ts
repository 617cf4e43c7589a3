import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isRefusal, type Refusal } from '../../../../src/foundation/base/index.ts'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import {
  type Admission,
  type AdmissionLimits,
  type AdmissionTicket,
  createAdmission,
  DEFAULT_ADMISSION_LIMITS,
  type RefusalRecord,
} from '../../../../src/network/admission/index.ts'
import { createTestClock, type TestClock } from '../../../kit/clock.ts'

interface Gate {
  readonly clock: TestClock
  readonly admission: Admission
  readonly records: RefusalRecord[]
  readonly admit: (address: string | undefined) => AdmissionTicket | Refusal
  /** A connection that gets as far as READY. */
  readonly ready: (address: string, device?: string) => AdmissionTicket
}

function start(limits: Partial<AdmissionLimits> = {}, allow: readonly string[] = []): Gate {
  const clock = createTestClock()
  const records: RefusalRecord[] = []
  const lists = { block: [], allow, allowOnly: false }
  const deps = { clock, onRefusals: (some: readonly RefusalRecord[]) => records.push(...some) }
  const admission = createAdmission(deps, { limits, lists })
  const admit: Gate['admit'] = (address) =>
    admission.admit({ address, port: 40_000, listener: PROFILES['SEC-2'] })
  const ready = (address: string, device = `device-${address}`): AdmissionTicket => {
    const ticket = ticketOf(admit(address))
    ticket.secured()
    assert.equal(ticket.ready(device), undefined)
    return ticket
  }
  return { clock, admission, records, admit, ready }
}

function ticketOf(answer: AdmissionTicket | Refusal): AdmissionTicket {
  if (isRefusal(answer)) throw new Error(`refused: ${answer.code}`)
  return answer
}

/** The code of a refusal, or `admitted`. */
function codeOf(answer: AdmissionTicket | Refusal): string {
  return isRefusal(answer) ? answer.code : 'admitted'
}

/** What remains of counting when nothing is open. */
const NOTHING_OPEN = { halfOpen: 0, connections: 0, devices: 0 }

function openCounts({ admission }: Gate): typeof NOTHING_OPEN {
  const { halfOpen, connections, devices } = admission.stats
  return { halfOpen, connections, devices }
}

/** A rate that never bites, to look at other limits alone. */
const NO_RATE = { connectionRate: { perSecond: 1e6, burst: 1e6 } }

describe('half-open connections', () => {
  test('are four per IPv4 address', () => {
    const gate = start()
    const tickets = Array.from({ length: 4 }, () => ticketOf(gate.admit('192.0.2.1')))
    const refusal = gate.admit('192.0.2.1')
    assert.ok(isRefusal(refusal))
    assert.deepEqual(
      [refusal.code, refusal.rule, refusal.retryAfterMs, refusal.details],
      ['KOS_ADMISSION_HALF_OPEN', 'half-open-per-source', 1000, { prefix: '192.0.2.1/32' }],
    )
    assert.equal(codeOf(gate.admit('::ffff:192.0.2.1')), 'KOS_ADMISSION_HALF_OPEN')
    assert.equal(codeOf(gate.admit('192.0.2.2')), 'admitted')
    tickets[0]?.closed()
    assert.equal(codeOf(gate.admit('192.0.2.1')), 'admitted')
  })

  test('are four per IPv6 /64, eight times that per /56 and per /48', () => {
    const gate = start(NO_RATE)
    for (let n = 0; n < 4; n++) ticketOf(gate.admit(`2001:db8::${n}`))
    assert.equal(codeOf(gate.admit('2001:db8::ffff')), 'KOS_ADMISSION_HALF_OPEN')
    for (let subnet = 1; subnet < 8; subnet++) {
      for (let n = 0; n < 4; n++) ticketOf(gate.admit(`2001:db8:0:${subnet}::${n}`))
    }
    const inWide = gate.admit('2001:db8:0:8::1')
    assert.ok(isRefusal(inWide))
    assert.deepEqual(inWide.details, { prefix: '2001:db8:0:0::/56' })
    const inSite = gate.admit('2001:db8:0:100::1')
    assert.ok(isRefusal(inSite))
    assert.deepEqual(inSite.details, { prefix: '2001:db8:0::/48' })
    assert.equal(codeOf(gate.admit('2001:db8:1::1')), 'admitted')
  })

  test('are 64 in all, and 16 more for known-good and allow-listed sources', () => {
    const gate = start(NO_RATE, ['198.51.100.0/24'])
    gate.ready('203.0.113.1').closed()
    for (let n = 0; n < 64; n++) ticketOf(gate.admit(`192.0.2.${n}`))
    assert.equal(codeOf(gate.admit('192.0.2.200')), 'KOS_ADMISSION_BUSY')
    assert.equal(codeOf(gate.admit('203.0.113.1')), 'admitted')
    for (let n = 0; n < 15; n++) ticketOf(gate.admit(`198.51.100.${n}`))
    assert.equal(codeOf(gate.admit('198.51.100.99')), 'KOS_ADMISSION_BUSY')
  })

  test('stop counting when the device is ready', () => {
    const gate = start(NO_RATE)
    for (let n = 0; n < 16; n++) gate.ready('192.0.2.1', `device-${n}`)
    assert.deepEqual(openCounts(gate), { halfOpen: 0, connections: 16, devices: 16 })
  })
})

describe('connections', () => {
  test('are 16 per source', () => {
    const gate = start(NO_RATE)
    const tickets = Array.from({ length: 16 }, (_, n) => gate.ready('192.0.2.1', `device-${n}`))
    assert.equal(codeOf(gate.admit('192.0.2.1')), 'KOS_ADMISSION_CONNECTIONS')
    for (const ticket of tickets) ticket.closed()
    assert.deepEqual(openCounts(gate), NOTHING_OPEN)
    assert.equal(codeOf(gate.admit('192.0.2.1')), 'admitted')
  })

  test('are three per device, wherever it connects from', () => {
    const gate = start()
    const tickets = [1, 2, 3].map((n) => gate.ready(`192.0.2.${n}`, 'device'))
    const fourth = ticketOf(gate.admit('192.0.2.4'))
    fourth.secured()
    const refusal = fourth.ready('device')
    assert.equal(refusal?.code, 'KOS_ADMISSION_DEVICE')
    assert.equal(refusal?.retryAfterMs, 1000)
    fourth.closed()
    assert.deepEqual(openCounts(gate), { halfOpen: 0, connections: 3, devices: 1 })
    tickets[0]?.closed()
    gate.ready('192.0.2.4', 'device')
    gate.ready('192.0.2.4', 'other device')
  })

  test('are bounded in all', () => {
    const gate = start({ ...NO_RATE, connectionsTotal: 3 })
    for (const n of [1, 2, 3]) gate.ready(`192.0.2.${n}`)
    const refusal = gate.admit('192.0.2.4')
    assert.ok(isRefusal(refusal))
    assert.deepEqual([refusal.code, refusal.rule], ['KOS_ADMISSION_BUSY', 'connections-total'])
  })
})

describe('the connection rate', () => {
  /** How many of many attempts at one moment get in. */
  const burst = (gate: Gate, address: (n: number) => string): number => {
    let admitted = 0
    for (let n = 0; n < 500; n++) {
      const answer = gate.admit(address(n))
      if (isRefusal(answer)) continue
      admitted++
      answer.secured()
      answer.ready(`device-${n}`)
      answer.closed()
    }
    return admitted
  }

  test('is 5 per second with a burst of 10 per IPv4 address', () => {
    const gate = start()
    assert.equal(
      burst(gate, () => '192.0.2.1'),
      10,
    )
    const refusal = gate.admit('192.0.2.1')
    assert.ok(isRefusal(refusal))
    assert.deepEqual(
      [refusal.code, refusal.retryAfterMs, refusal.details],
      ['KOS_ADMISSION_RATE', 200, { prefix: '192.0.2.1/32' }],
    )
    gate.clock.advance(200)
    assert.equal(
      burst(gate, () => '192.0.2.1'),
      1,
    )
    gate.clock.advance(1000)
    assert.equal(
      burst(gate, () => '192.0.2.1'),
      5,
    )
    gate.clock.advance(3_600_000)
    assert.equal(
      burst(gate, () => '192.0.2.1'),
      10,
    )
    assert.equal(
      burst(gate, () => '192.0.2.2'),
      10,
    )
  })

  test('holds for IPv6 per /64, and eight times that per /56 and per /48', () => {
    assert.equal(
      burst(start(), (n) => `2001:db8::${n.toString(16)}`),
      10,
    )
    assert.equal(
      burst(start(), (n) => `2001:db8:0:${(n & 0xff).toString(16)}::1`),
      80,
    )
    assert.equal(
      burst(start(), (n) => `2001:db8:0:${((n << 8) & 0xffff).toString(16)}::1`),
      80,
    )
    assert.equal(
      burst(start(), (n) => `2001:db8:${n.toString(16)}::1`),
      500,
    )
  })

  test('takes nothing from a prefix when a wider one refuses', () => {
    const gate = start()
    burst(gate, (n) => `2001:db8:0:${(n & 0xff).toString(16)}::1`)
    const quiet = '2001:db8:0:fe::1'
    for (let n = 0; n < 20; n++) assert.equal(codeOf(gate.admit(quiet)), 'KOS_ADMISSION_RATE')
    gate.clock.advance(60_000)
    assert.equal(
      burst(gate, () => quiet),
      10,
    )
  })
})

describe('penalties', () => {
  const fail = (gate: Gate, address: string): void => {
    const ticket = ticketOf(gate.admit(address))
    ticket.failed('handshake', 'KOS_TRANSPORT_HANDSHAKE')
    ticket.closed()
  }

  test('lock a source out after three failed handshakes, and no other', () => {
    const gate = start()
    for (let n = 0; n < 3; n++) fail(gate, '192.0.2.1')
    const refusal = gate.admit('192.0.2.1')
    assert.ok(isRefusal(refusal))
    assert.deepEqual([refusal.code, refusal.retryAfterMs], ['KOS_ADMISSION_PENALTY', 15_000])
    assert.equal(codeOf(gate.admit('192.0.2.2')), 'admitted')
    gate.clock.advance(14_999)
    assert.equal(codeOf(gate.admit('192.0.2.1')), 'KOS_ADMISSION_PENALTY')
    gate.clock.advance(1)
    assert.equal(codeOf(gate.admit('192.0.2.1')), 'admitted')
  })

  test('cover the whole /64 of an IPv6 attacker', () => {
    const gate = start()
    for (let n = 0; n < 3; n++) fail(gate, `2001:db8::${n}`)
    assert.equal(codeOf(gate.admit('2001:db8::99')), 'KOS_ADMISSION_PENALTY')
    assert.equal(codeOf(gate.admit('2001:db8:0:1::99')), 'admitted')
  })

  test('each kind of failure counts once per connection, as configured', () => {
    const { penaltyMs } = DEFAULT_ADMISSION_LIMITS
    for (const kind of ['authentication', 'handshake', 'protocol', 'timeout'] as const) {
      const gate = start({ penaltyThresholdMs: penaltyMs[kind] })
      const ticket = ticketOf(gate.admit('192.0.2.1'))
      ticket.failed(kind, 'KOS_TRANSPORT_HANDSHAKE')
      ticket.failed(kind, 'KOS_TRANSPORT_HANDSHAKE')
      ticket.closed()
      const refusal = gate.admit('192.0.2.1')
      assert.ok(isRefusal(refusal))
      assert.equal(refusal.retryAfterMs, penaltyMs[kind], kind)
    }
  })

  test('a connection that ends unauthenticated costs a little', () => {
    const gate = start({ penaltyThresholdMs: 1000 })
    ticketOf(gate.admit('192.0.2.1')).closed()
    const refusal = gate.admit('192.0.2.1')
    assert.ok(isRefusal(refusal))
    assert.equal(refusal.retryAfterMs, 1000)
    gate.admission.flush()
    assert.deepEqual(
      gate.records.map(({ reason }) => reason),
      ['KOS_ADMISSION_ABANDONED', 'KOS_ADMISSION_PENALTY'],
    )
  })

  test('failures of an authenticated device cost its neighbours nothing', () => {
    const gate = start({ penaltyThresholdMs: 0 })
    const ticket = gate.ready('192.0.2.1')
    ticket.failed('protocol', 'KOS_SESSION_PROTOCOL')
    ticket.closed()
    assert.equal(codeOf(gate.admit('192.0.2.1')), 'admitted')
    gate.admission.flush()
    assert.deepEqual(gate.records, [])
  })

  test('a known-good source under penalty loses its lane, not its access', () => {
    const gate = start(NO_RATE)
    gate.ready('192.0.2.1').closed()
    for (let n = 0; n < 5; n++) fail(gate, '192.0.2.1')
    gate.ready('192.0.2.1').closed()
    for (let n = 0; n < 64; n++) ticketOf(gate.admit(`198.51.100.${n}`))
    assert.equal(codeOf(gate.admit('192.0.2.1')), 'KOS_ADMISSION_BUSY')
  })

  test('being known-good ends', () => {
    const gate = start(NO_RATE)
    gate.ready('192.0.2.1').closed()
    gate.clock.advance(DEFAULT_ADMISSION_LIMITS.knownGoodMs)
    for (let n = 0; n < 64; n++) ticketOf(gate.admit(`198.51.100.${n}`))
    assert.equal(codeOf(gate.admit('192.0.2.1')), 'KOS_ADMISSION_BUSY')
  })
})

describe('the handshake window', () => {
  /** Fails once from each of many addresses. */
  const failFromMany = (gate: Gate, sources: number): void => {
    for (let n = 0; n < sources; n++) {
      const ticket = ticketOf(gate.admit(`10.0.${n >>> 8}.${n & 255}`))
      ticket.failed('timeout', 'KOS_TRANSPORT_TIMEOUT')
      ticket.closed()
    }
  }

  test('closes when handshakes fail from everywhere, and opens with success', () => {
    const gate = start(NO_RATE)
    failFromMany(gate, 100)
    assert.equal(gate.admission.stats.handshakeWindow, 16)
    for (let n = 0; n < 16; n++) ticketOf(gate.admit(`192.0.2.${n}`))
    assert.equal(codeOf(gate.admit('192.0.2.99')), 'KOS_ADMISSION_BUSY')
    const later = start(NO_RATE)
    failFromMany(later, 100)
    for (let n = 0; n < 200; n++) later.ready(`192.0.2.${n}`).closed()
    assert.equal(later.admission.stats.handshakeWindow, 64)
  })

  test('is not closed by a handful of sources that go on failing', () => {
    const gate = start({ ...NO_RATE, penaltyThresholdMs: 600_000 })
    for (let n = 0; n < 100; n++) {
      const ticket = ticketOf(gate.admit(`192.0.2.${n % 2}`))
      ticket.failed('handshake', 'KOS_TRANSPORT_HANDSHAKE')
      ticket.closed()
    }
    assert.equal(gate.admission.stats.handshakeWindow, 64)
  })
})

describe('memory', () => {
  test('is bounded however many sources come, and overflow is permissive', () => {
    const gate = start({ trackedSources: 100, knownGoodSources: 10, refusalRecords: 10 })
    for (let n = 0; n < 3; n++) ticketOf(gate.admit('192.0.2.1')).closed()
    for (let n = 0; n < 10_000; n++) {
      gate.ready(`10.0.${n >>> 8}.${n & 255}`).closed()
    }
    assert.equal(gate.admission.stats.trackedSources, 100)
    assert.deepEqual(openCounts(gate), NOTHING_OPEN)
    assert.equal(codeOf(gate.admit('192.0.2.1')), 'admitted')
  })

  test('refused sources leave no trace but their record', () => {
    const clock = createTestClock()
    const records: RefusalRecord[] = []
    const admission = createAdmission(
      { clock, onRefusals: (some) => records.push(...some) },
      { lists: { block: ['10.0.0.0/8'], allow: [], allowOnly: false } },
    )
    for (let n = 0; n < 50; n++) {
      admission.admit({ address: '10.1.2.3', port: 1, listener: PROFILES['SEC-2'] })
    }
    admission.flush()
    assert.equal(admission.stats.trackedSources, 0)
    assert.deepEqual(
      records.map(({ prefix, reason, count }) => [prefix, reason, count]),
      [['10.1.2.3/32', 'KOS_ADMISSION_BLOCKED', 50]],
    )
  })
})

describe('a ticket', () => {
  test('of an anonymous connection frees the half-open place and earns nothing', () => {
    const gate = start(NO_RATE)
    const ticket = ticketOf(gate.admit('192.0.2.1'))
    const order = { code: 'KOS_ADMISSION_ORDER' }
    assert.throws(() => ticket.anonymous(), order)
    ticket.secured()
    ticket.anonymous()
    assert.throws(() => ticket.anonymous(), order)
    assert.throws(() => ticket.ready('device'), order)
    assert.deepEqual(openCounts(gate), { halfOpen: 0, connections: 1, devices: 0 })
    ticket.closed()
    ticket.anonymous()
    assert.deepEqual(openCounts(gate), NOTHING_OPEN)
    for (let n = 0; n < 64; n++) ticketOf(gate.admit(`198.51.100.${n}`))
    assert.equal(codeOf(gate.admit('192.0.2.1')), 'KOS_ADMISSION_BUSY')
    gate.admission.flush()
    assert.deepEqual(
      gate.records.map(({ reason }) => reason),
      ['KOS_ADMISSION_BUSY'],
    )
  })

  test('is to be used in order', () => {
    const gate = start()
    const ticket = ticketOf(gate.admit('192.0.2.1'))
    const order = { code: 'KOS_ADMISSION_ORDER' }
    assert.throws(() => ticket.ready('device'), order)
    ticket.secured()
    assert.throws(() => ticket.secured(), order)
    assert.equal(ticket.ready('device'), undefined)
    assert.throws(() => ticket.ready('device'), order)
    assert.throws(() => ticket.secured(), order)
  })

  test('refuses a device whose connection ended or failed meanwhile', () => {
    const gate = start()
    const gone = ticketOf(gate.admit('192.0.2.1'))
    gone.closed()
    gone.secured()
    assert.equal(gone.ready('device')?.code, 'KOS_ADMISSION_CLOSED')
    const failed = ticketOf(gate.admit('192.0.2.1'))
    failed.failed('timeout', 'KOS_TRANSPORT_TIMEOUT')
    failed.secured()
    assert.equal(failed.ready('device')?.code, 'KOS_ADMISSION_CLOSED')
    failed.closed()
    failed.closed()
    assert.deepEqual(openCounts(gate), NOTHING_OPEN)
  })
})

test('a peer without an address is refused', () => {
  const gate = start()
  assert.equal(codeOf(gate.admit(undefined)), 'KOS_ADMISSION_ADDRESS')
  gate.admission.flush()
  assert.deepEqual(
    gate.records.map(({ prefix, reason }) => [prefix, reason]),
    [['-', 'KOS_ADMISSION_ADDRESS']],
  )
})
