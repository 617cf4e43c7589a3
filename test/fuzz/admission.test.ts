/** The gate's counts follow a simple model, whatever happens in whatever order. */
import assert from 'node:assert/strict'
import { isIPv4 } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { PROFILES } from '../../src/foundation/profiles/index.ts'
import { parseSource } from '../../src/network/admission/address.ts'
import { type AdmissionTicket, createAdmission } from '../../src/network/admission/index.ts'
import { createTestClock } from '../kit/clock.ts'
import { fuzz } from '../kit/fuzz.ts'

const LIMITS = { halfOpenPerSource: 2, connectionsPerSource: 4, connectionsPerDevice: 2 }

type Step =
  | { readonly do: 'admit'; readonly host: number }
  | { readonly do: 'secure' | 'ready' | 'fail' | 'close'; readonly which: number }
  | { readonly do: 'wait'; readonly ms: number }

const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('admit' as const), host: fc.nat(3) }),
    fc.record({
      do: fc.constantFrom('secure' as const, 'ready' as const, 'fail' as const, 'close' as const),
      which: fc.nat(20),
    }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(5000) }),
  ),
  { maxLength: 200, size: 'max' },
)

interface Modelled {
  readonly ticket: AdmissionTicket
  readonly host: number
  state: 'tls' | 'session' | 'ready' | 'failed'
}

test('no sequence of events breaks a limit or leaks a count', () => {
  fuzz(
    fc.property(steps, (sequence: readonly Step[]) => {
      const clock = createTestClock()
      const admission = createAdmission({ clock, onRefusals: () => undefined }, { limits: LIMITS })
      const open: Modelled[] = []
      const admit = (host: number): void => {
        // Half of the hosts are IPv4, half are one host of a /64.
        const address = host < 2 ? `192.0.2.${host}` : `2001:db8:0:${host}::1`
        const ticket = admission.admit({ address, port: 1, listener: PROFILES['SEC-2'] })
        if (!isRefusal(ticket)) open.push({ ticket, host, state: 'tls' })
      }
      const act = (what: string, entry: Modelled): void => {
        if (what === 'secure' && entry.state === 'tls') {
          entry.ticket.secured()
          entry.state = 'session'
        } else if (what === 'ready' && entry.state === 'session') {
          entry.state = entry.ticket.ready(`device-${entry.host}`) ? 'failed' : 'ready'
        } else if (what === 'fail') {
          entry.ticket.failed('handshake', 'KOS_TRANSPORT_HANDSHAKE')
          if (entry.state !== 'ready') entry.state = 'failed'
        } else if (what === 'close') {
          entry.ticket.closed()
          open.splice(open.indexOf(entry), 1)
        }
      }
      const check = (): void => {
        const unready = open.filter(({ state }) => state !== 'ready')
        assert.equal(admission.stats.halfOpen, unready.length)
        assert.equal(admission.stats.connections, open.length)
        for (let host = 0; host < 4; host++) {
          const own = open.filter((entry) => entry.host === host)
          const ready = own.filter(({ state }) => state === 'ready')
          assert.ok(own.length <= LIMITS.connectionsPerSource)
          assert.ok(own.length - ready.length <= LIMITS.halfOpenPerSource)
          assert.ok(ready.length <= LIMITS.connectionsPerDevice)
        }
      }
      for (const step of sequence) {
        if (step.do === 'admit') admit(step.host)
        else if (step.do === 'wait') clock.advance(step.ms)
        else {
          const entry = open[step.which % Math.max(1, open.length)]
          if (entry) act(step.do, entry)
        }
        check()
      }
      for (const { ticket } of open) ticket.closed()
      const { halfOpen, connections, devices } = admission.stats
      assert.deepEqual([halfOpen, connections, devices], [0, 0, 0])
    }),
  )
})

test('every address has one source, and every form of it the same', () => {
  fuzz(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const source = parseSource(text)
      assert.ok(source)
      assert.deepEqual(parseSource(source.address), source)
      assert.deepEqual(parseSource(text.toUpperCase()), source)
      if (isIPv4(text)) assert.deepEqual(parseSource(`::ffff:${text}`), source)
      // Node's own normal form agrees on what is the same address.
      else {
        const normal = new URL(`http://[${text}]/`).hostname.slice(1, -1)
        assert.deepEqual(parseSource(normal), source)
      }
    }),
  )
})

test('no text makes the reader of addresses throw', () => {
  fuzz(
    fc.property(fc.string(), (text) => {
      const source = parseSource(text)
      assert.ok(source === undefined || source.prefixes.length > 0)
    }),
  )
})
