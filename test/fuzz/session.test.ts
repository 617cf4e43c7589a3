/** The machines: no input throws, and nothing happens before AUTH and SEAL verified. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRefusal, sha256 } from '../../src/foundation/base/index.ts'
import { encodeCbor } from '../../src/foundation/codec/index.ts'
import { FLAG_END, FLAG_VALUE, FRAME } from '../../src/network/session/frames.ts'
import type { Role } from '../../src/network/session/index.ts'
import { fuzz } from '../kit/fuzz.ts'
import {
  type Adversary,
  adversary,
  handshakePair,
  openPayload,
  parseFrames,
  rawFrame,
} from '../kit/session-pair.ts'

const TYPES = Object.values(FRAME)
const smallValue = fc.oneof(
  fc.constantFrom(null, 1, 'a', [0, 1, null], [1, 'KOS_X', null, null, null], {}),
  fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as null),
)
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  smallValue.map((value) => encodeCbor(value)),
  fc.constantFrom(
    openPayload({ deadlineMs: 10_000, timeMs: 1_767_225_600_000, arguments: null }),
    Buffer.of(0, 0, 0, 1),
    Buffer.of(0, 1),
    new Uint8Array(8),
    Buffer.from([0, 0, 0, 9, 0, 1, 0, 0, 0, 0]),
    Buffer.from([1, 0, 0, 0, 9]),
  ),
)
const anyFrame = fc.record({
  type: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...TYPES) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
  ),
  flags: fc.constantFrom(0, 0, 1, 2, 3, 8),
  stream: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  payload,
})
const SESSION_TYPES = TYPES.filter((type) => type >= FRAME.OPEN)
/** Frames of the right form for their type, so that they get past the parser. */
const goodFrame = fc
  .record({
    type: fc.oneof(
      { weight: 30, arbitrary: fc.constantFrom(...SESSION_TYPES) },
      { weight: 1, arbitrary: fc.constantFrom(...TYPES) },
    ),
    flags: fc.constantFrom(0, 1, 1, 2, 3, 5),
    // Mostly numbers that rise, so that OPENs are taken.
    stream: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 40 })),
    payload,
  })
  .map((frame) => {
    const onConnection = frame.type < 0x10 || frame.type >= 0x20 || frame.type === FRAME.SEAL
    const flags =
      frame.type === FRAME.OPEN ? frame.flags & 5 : frame.type === FRAME.DATA ? frame.flags & 3 : 0
    const size = new Map<number, number>([
      [FRAME.CREDIT, 4],
      [FRAME.RESET, 2],
      [FRAME.PING, 8],
      [FRAME.PONG, 8],
      [FRAME.GOAWAY, 10],
      [FRAME.BUSY, 5],
      [FRAME.REKEY, 4],
      [FRAME.RESUME, 28],
    ]).get(frame.type)
    const fitted = new Uint8Array(size ?? Math.max(1, frame.payload.length))
    fitted.set(frame.payload.subarray(0, fitted.length))
    return { ...frame, flags, stream: onConnection ? 0 : frame.stream, payload: fitted }
  })

/** What the victim was told, called or given: nothing of it may follow from unsealed input. */
const seen = ({ victim }: Adversary): unknown => [
  victim.calls,
  victim.told,
  victim.machine.stats.framesReceived,
]

test('no bytes make a listener or dialler that waits for HELLO throw or answer with READY', () => {
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    anyFrame.map((frame) => rawFrame(frame.type | (frame.flags << 8), frame.stream, frame.payload)),
  )
  fuzz(
    fc.property(fc.array(chunk, { maxLength: 6 }), fc.boolean(), (chunks, afterHello) => {
      for (const role of ['dialler', 'listener'] as const) {
        const pair = handshakePair()
        const hello = pair[role === 'dialler' ? 'listener' : 'dialler'].start()
        pair[role].start()
        const answers = [...(afterHello ? [hello] : []), ...chunks].map((bytes) => {
          const { send, end } = pair[role].receive(bytes)
          assert.ok(!end || isRefusal(end))
          return Buffer.from(send)
        })
        const types = parseFrames(Buffer.concat(answers)).map(({ type }) => type)
        assert.ok(types.every((type) => type === FRAME.AUTH))
      }
    }),
  )
})

test('no bytes without a valid SEAL have an effect on a session', () => {
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    goodFrame.map((frame) =>
      rawFrame(frame.type | (frame.flags << 8), frame.stream, frame.payload),
    ),
    fc.uint8Array({ minLength: 40, maxLength: 40 }).map((seal) => rawFrame(FRAME.SEAL, 0, seal)),
  )
  fuzz(
    fc.property(fc.array(chunk, { maxLength: 8 }), (chunks) => {
      const enemy = adversary('dialler')
      const call = enemy.victim.call('echo')
      enemy.victim.machine.take()
      const before = JSON.stringify(seen(enemy))
      for (const bytes of chunks) enemy.victim.machine.receive(bytes)
      assert.equal(JSON.stringify(seen(enemy)), before)
      const types = enemy.answers().map(({ type }) => type)
      // At most the goodbye of a session that closed itself.
      assert.deepEqual(types, enemy.victim.closed ? [FRAME.GOAWAY, FRAME.SEAL] : [])
      assert.equal(call.result === undefined, enemy.victim.closed === undefined)
    }),
  )
})

const ALIVE = { turns: 0, open: 0 }
const VALUE = FRAME.DATA | (FLAG_VALUE << 8)
const RESULT_NO = [2, 'KOS_SESSION_DEADLINE', null, null, 5]
const REQUEST = {
  command: 'echo',
  arguments: null,
  deadlineMs: 1000,
  callId: undefined,
  traceId: undefined,
  sink: () => undefined,
}

const KINDS = [
  'open',
  'open',
  'openBad',
  'openLarge',
  'arguments',
  'argumentsEnd',
  'reset',
  'resetEarly',
  'streamCredit',
  'ping',
  'busy',
  'rekey',
  'result',
  'data',
  'tick',
] as const

/** What an authenticated peer does next: mostly what the protocol allows, sometimes anything. */
interface Action {
  readonly kind: (typeof KINDS)[number]
  readonly pick: number
  readonly wild: { type: number; flags: number; stream: number; payload: Uint8Array } | null
}
const action: fc.Arbitrary<Action> = fc.record({
  kind: fc.constantFrom(...KINDS),
  pick: fc.nat({ max: 20 }),
  wild: fc.oneof({ weight: 40, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: goodFrame }),
})

/** Plays actions of a peer against a victim, and what its own state says of them. */
class Player {
  readonly #enemy: Adversary
  /** Next own stream; streams with arguments on their way; calls of the victim without result. */
  #next: number
  readonly #large: number[] = []
  readonly #asked: number[]
  #waiting = 0

  constructor(enemy: Adversary, role: Role) {
    this.#enemy = enemy
    this.#next = role === 'listener' ? 1 : 2
    this.#asked = role === 'listener' ? [2, 4] : [1, 3]
  }

  play({ kind, pick, wild }: Action): void {
    if (wild) this.#frame(wild.type | (wild.flags << 8), wild.stream, wild.payload)
    const encoded = encodeCbor('arguments')
    const large = this.#large.at(pick % Math.max(1, this.#large.length))
    const asked = this.#asked.at(pick % Math.max(1, this.#asked.length))
    switch (kind) {
      case 'open':
        return this.#open({ arguments: pick })
      case 'openBad':
        return this.#open({ deadlineMs: pick === 0 ? 0 : 400_000 })
      case 'openLarge':
        this.#large.push(this.#next)
        return this.#open({ arguments: sha256(encoded) }, 0)
      case 'arguments':
        if (large) this.#frame(VALUE, large, encoded.subarray(0, 4))
        return undefined
      case 'argumentsEnd':
        if (large) this.#frame(VALUE | (FLAG_END << 8), large, encoded.subarray(pick < 10 ? 0 : 4))
        if (large) this.#large.splice(this.#large.indexOf(large), 1)
        return undefined
      case 'reset':
        return this.#next > 2
          ? this.#frame(FRAME.RESET, this.#next - 2, Buffer.of(0, 1))
          : undefined
      case 'resetEarly':
        if (large) this.#frame(FRAME.RESET, large, Buffer.of(0, 1))
        if (large) this.#large.splice(this.#large.indexOf(large), 1)
        return undefined
      case 'streamCredit':
        return this.#next > 2
          ? this.#frame(FRAME.CREDIT, this.#next - 2, Buffer.of(0, 0, 0, pick + 1))
          : undefined
      case 'ping':
        return this.#frame(FRAME.PING, 0, new Uint8Array(8))
      case 'busy':
        return this.#frame(FRAME.BUSY, 0, Buffer.of(pick % 2, 0, 0, 0, 9))
      case 'rekey':
        return this.#rekey()
      case 'result':
        if (asked) this.#frame(FRAME.RESULT, asked, encodeCbor(pick < 9 ? [0, 1, null] : RESULT_NO))
        if (asked) this.#asked.splice(this.#asked.indexOf(asked), 1)
        return undefined
      case 'data':
        if (asked) this.#frame(FRAME.DATA, asked, new Uint8Array(pick + 1))
        return undefined
      case 'tick':
        this.#enemy.clock.advance(pick * 20)
        return this.#enemy.victim.machine.tick()
    }
  }

  flush(): void {
    if (this.#waiting > 0) this.#enemy.send()
    this.#waiting = 0
    this.#enemy.victim.machine.take()
  }

  #frame(kind: number, stream: number, bytes: Uint8Array): void {
    this.#waiting += 1
    this.#enemy.frame(kind, stream, bytes)
  }

  #open(fields: Partial<Parameters<typeof openPayload>[0]>, flags: number = FLAG_END): void {
    const timeMs = this.#enemy.clock.wallMs()
    const payloadOfOpen = openPayload({ deadlineMs: 1000, timeMs, arguments: null, ...fields })
    this.#frame(FRAME.OPEN | (flags << 8), this.#next, payloadOfOpen)
    this.#next += 2
  }

  #rekey(): void {
    this.flush()
    const { sealWriter } = this.#enemy.established
    this.#frame(FRAME.REKEY, 0, Buffer.of(0, 0, 0, sealWriter.epoch + 1))
    this.flush()
    sealWriter.rekey()
  }
}

test('an authenticated peer can send what it likes: bounded, nothing throws, results once', () => {
  const limits = { maxStreams: 3 }
  const turns = fc.array(fc.array(action, { minLength: 1, maxLength: 3 }), { maxLength: 12 })
  const run = (turnsOfPeer: readonly (readonly Action[])[], role: Role): void => {
    const enemy = adversary(role, { limits })
    const { victim } = enemy
    victim.onCall = (call) => {
      if (call.stream % 3 === 0) void call.respondBytes(new Uint8Array(1000))
      else if (call.stream % 5 !== 0) victim.machine.respond(call, { status: 'ok', value: 'x' })
    }
    const results = [0, 0]
    results.forEach((_, at) =>
      victim.machine.open(REQUEST, () => void (results[at] = (results[at] ?? 0) + 1)),
    )
    const player = new Player(enemy, role)
    for (const actions of turnsOfPeer) {
      for (const each of actions) player.play(each)
      player.flush()
      assert.ok(victim.machine.stats.callsOpen <= 2 + 2 * limits.maxStreams)
      ALIVE.turns += 1
      if (!victim.closed) ALIVE.open += 1
    }
    enemy.clock.advance(20_000)
    victim.machine.tick()
    victim.machine.close({ allow: false, code: 'KOS_SESSION_CLOSED', rule: 'end' })
    assert.deepEqual(results, [1, 1])
    assert.equal(victim.machine.stats.callsOpen, 0)
  }
  fuzz(fc.property(turns, fc.constantFrom<Role>('dialler', 'listener'), run))
  // Else the generator only ever meets the door.
  assert.ok(ALIVE.open > ALIVE.turns / 10, JSON.stringify(ALIVE))
})
