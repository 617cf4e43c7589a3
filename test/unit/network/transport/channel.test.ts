import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { SecureChannel } from '../../../../src/network/transport/index.ts'
import { closeOf, must, startTestListener, until } from '../../../kit/transport.ts'

/** Two ends of one channel; nobody listens at either yet. */
async function pair(context: TestContext): Promise<readonly [SecureChannel, SecureChannel]> {
  const server = await startTestListener(context, { onChannel: () => undefined })
  const near = must(await server.dialFrom('127.0.0.77'))
  await until(() => server.accepted.length === 1)
  const far = server.accepted[0]?.channel
  assert.ok(far)
  return [near, far]
}

test('nothing is lost that comes before the receiver', async (context) => {
  const [near, far] = await pair(context)
  near.write(Buffer.from('early '))
  near.write(Buffer.from('bird'))
  assert.equal(near.bytesWritten, 10)
  let seen = ''
  far.attach({
    onData: (bytes) => {
      seen += Buffer.from(bytes).toString()
    },
    onDrain: () => undefined,
    onClose: () => undefined,
  })
  await until(() => seen === 'early bird')
})

test('a channel has one receiver', async (context) => {
  const [near] = await pair(context)
  const handlers = {
    onData: () => undefined,
    onDrain: () => undefined,
    onClose: () => undefined,
  }
  near.attach(handlers)
  assert.throws(() => near.attach(handlers), { code: 'KOS_TRANSPORT_ATTACHED' })
})

test('an orderly end delivers what was written first', async (context) => {
  const [near, far] = await pair(context)
  const bytes = Buffer.alloc(300_000, 7)
  near.write(bytes)
  const nearClose = closeOf(near)
  near.end()
  let received = 0
  const farClose = Promise.withResolvers<unknown>()
  far.attach({
    onData: (chunk) => (received += chunk.length),
    onDrain: () => undefined,
    onClose: farClose.resolve,
  })
  assert.deepEqual(await farClose.promise, { by: 'peer', reason: 'ended' })
  assert.equal(received, bytes.length)
  assert.deepEqual(await nearClose, { by: 'local', reason: 'ended' })
  assert.deepEqual([near.closed, far.closed], [true, true])
})

test('destroying says why at this end and drops what was buffered', async (context) => {
  const [near, far] = await pair(context)
  near.write(Buffer.alloc(16 * 1024 * 1024))
  assert.ok(near.bufferedBytes > 0)
  const [nearClose, farClose] = [closeOf(near), closeOf(far)]
  near.destroy('quarantine')
  near.destroy('second reason')
  assert.equal(near.bufferedBytes, 0)
  assert.deepEqual(await nearClose, { by: 'local', reason: 'quarantine' })
  assert.notEqual((await farClose).by, 'local')
  const { bytesWritten } = near
  assert.equal(near.write(Buffer.from('late')), true)
  assert.equal(near.bytesWritten, bytesWritten)
})

test('a channel that broke early reports it to a late receiver', async (context) => {
  const [near, far] = await pair(context)
  far.destroy('test')
  // The near end reads nothing before it has a receiver, so the break is noticed by writing.
  await until(() => {
    near.write(Buffer.alloc(1000))
    return near.closed
  })
  const { by, reason } = await closeOf(near)
  assert.equal(by, 'network')
  assert.match(reason, /^E[A-Z_]+$/)
  assert.throws(() => near.exporter('EXPORTER-x', new Uint8Array(0), 32), {
    code: 'KOS_TRANSPORT_CLOSED',
  })
})

test('a receiver that pauses slows the sender, which learns when to go on', async (context) => {
  const [near, far] = await pair(context)
  let received = 0
  let drained = 0
  const chunk = Buffer.alloc(65_536, 1)
  near.attach({
    onData: () => undefined,
    onDrain: () => drained++,
    onClose: () => undefined,
  })
  far.attach({
    onData: (bytes) => (received += bytes.length),
    onDrain: () => undefined,
    onClose: () => undefined,
  })
  far.pause()
  let sent = 0
  // More than all socket buffers of loopback can take.
  while (sent < 24 * 1024 * 1024) {
    near.write(chunk)
    sent += chunk.length
  }
  assert.ok(near.bufferedBytes > 0)
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([received < sent, drained], [true, 0])
  far.resume()
  await until(() => received === sent)
  assert.ok(drained > 0)
  assert.equal(near.bufferedBytes, 0)
  assert.equal(near.bytesWritten, sent)
})
