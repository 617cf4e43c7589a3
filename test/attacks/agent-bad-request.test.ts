/**
 * A process of the same user talks to the agent as no client of ours does: garbage, a length that lies,
 * unknown or missing fields, two requests at once, silence. Each is refused or cut off, nothing of it
 * is executed, and the agent goes on.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { type CborInput, encodeCbor } from '../../src/foundation/codec/index.ts'
import {
  decodeAnswer,
  decodeRequest,
  encodeFrame,
  FrameReader,
  MAX_REQUEST_BYTES,
} from '../../src/apps/cli/agent-protocol.ts'
import { sendRaw, startTestAgent, type TestAgent } from '../kit/agent.ts'
import { startFabric, type TestFabric } from '../kit/fabric.ts'

const CALL = { ask: 'call', peer: 'camera-1', command: 'calc', deadlineMs: 1000 }
const ARGUMENTS = { expression: '1+2' }

function frame(payload: Uint8Array, length: number = payload.length): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(length)
  return Buffer.concat([head, payload])
}

/** The rule of the error that is answered. */
function ruleOf(answered: Uint8Array): unknown {
  const payload = new FrameReader(MAX_REQUEST_BYTES).take(answered)
  assert.ok(payload && !isRefusal(payload))
  const answer = decodeAnswer(payload)
  assert.ok(!isRefusal(answer) && answer.answer === 'error')
  return answer.details['rule']
}

describe('bad requests to the agent', () => {
  const ends: (() => Promise<void>)[] = []
  after(async () => {
    for (const end of ends.toReversed()) await end()
  })
  let fabric: TestFabric
  let agent: TestAgent
  before(async () => {
    const ending = { after: (end: () => Promise<void>) => void ends.push(end) }
    fabric = await startFabric(ending)
    await fabric.addNode('camera-1')
    agent = await startTestAgent(ending, fabric)
  })
  const callsServed = async (): Promise<number> => {
    const { out } = await fabric.kosctl(['agent', 'status', '--json'])
    return (JSON.parse(out) as { calls: number }).calls
  }

  test('a length beyond the bound is refused before anything is read', async () => {
    for (const length of [MAX_REQUEST_BYTES + 1, 0xffff_ffff]) {
      assert.equal(
        ruleOf(await sendRaw(agent.socket, frame(Buffer.alloc(0), length))),
        'frame/length',
      )
    }
    const large = { ...CALL, arguments: { expression: 'x'.repeat(MAX_REQUEST_BYTES) } }
    const sent = frame(encodeCbor(large))
    assert.equal(ruleOf(await sendRaw(agent.socket, sent)), 'frame/length')
  })

  test('bytes that are no message', async () => {
    const cases: readonly (readonly [Uint8Array, string])[] = [
      [Buffer.alloc(0), 'message/encoding'],
      [Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'message/encoding'],
      [Buffer.alloc(512, 0x9f), 'message/encoding'],
      [encodeCbor([CALL]), 'message/kind'],
      [encodeCbor('stop'), 'message/kind'],
      [Buffer.concat([encodeCbor({ ask: 'status' }), Buffer.of(0)]), 'message/encoding'],
    ]
    for (const [payload, rule] of cases) {
      assert.equal(ruleOf(await sendRaw(agent.socket, frame(payload))), rule)
    }
  })

  test('fields that are missing, more, or of another kind', async () => {
    const cases: readonly (readonly [CborInput, string])[] = [
      [{}, 'request/fields'],
      [{ ask: 'sign' }, 'request/fields'],
      [{ ask: 'stop', now: true }, 'request/fields'],
      [CALL, 'request/fields'],
      [{ ...CALL, arguments: ARGUMENTS, identity: '/etc' }, 'request/fields'],
      [{ ...CALL, arguments: ARGUMENTS, peer: '' }, 'request/name'],
      [{ ...CALL, arguments: ARGUMENTS, peer: 1 }, 'request/name'],
      [{ ...CALL, arguments: ARGUMENTS, command: 'c'.repeat(256) }, 'request/name'],
      [{ ...CALL, arguments: ARGUMENTS, deadlineMs: 0 }, 'request/deadline'],
      [{ ...CALL, arguments: ARGUMENTS, deadlineMs: 300_001 }, 'request/deadline'],
      [{ ...CALL, arguments: ARGUMENTS, deadlineMs: 1.5 }, 'request/deadline'],
      [{ ...CALL, arguments: [] }, 'request/arguments'],
      [{ ...CALL, arguments: 'x' }, 'request/arguments'],
    ]
    for (const [message, rule] of cases) {
      const answered = await sendRaw(agent.socket, frame(encodeCbor(message)))
      assert.equal(ruleOf(answered), rule, JSON.stringify(message))
      const decoded = decodeRequest(encodeCbor(message))
      assert.ok(isRefusal(decoded) && decoded.rule === rule)
    }
  })

  test('two requests in one connection: neither is done', async () => {
    const one = encodeFrame({ ask: 'stop' })
    const answered = await sendRaw(agent.socket, Buffer.concat([one, one]))
    assert.equal(ruleOf(answered), 'frame/more')
  })

  test('a client that goes away in the middle of a request', async () => {
    const socket = connect(agent.socket)
    await once(socket, 'connect')
    socket.write(Buffer.of(0, 0, 1))
    socket.destroy()
    assert.equal(await callsServed(), 0)
  })

  test('after all of it calls go on', async () => {
    const { out } = await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])
    assert.equal(out, '3\n')
    assert.equal(await callsServed(), 1)
  })
})
