/** Listener, dialler and sessions of one principal: who is there, who may come, and how it ends. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { isRefusal, silentLog, systemRandom } from '../../../../src/foundation/base/index.ts'
import { PROFILES } from '../../../../src/foundation/profiles/index.ts'
import { createPeerRuntime, memberSelf, type OpenSession } from '../../../../src/apps/node/index.ts'
import type { CallOutcome } from '../../../../src/commands/execution/index.ts'
import { createAdmission } from '../../../../src/network/admission/index.ts'
import { SESSION_LIMITS } from '../../../../src/network/session/index.ts'
import { eventually, startFabric } from '../../../kit/fabric.ts'
import { type Rogue, startRogue } from '../../../kit/rogue.ts'
import { startTcpProxy, type TcpProxy } from '../../../kit/tcp-proxy.ts'

const uriOf = ({ member }: Rogue): string => member.membership.principal.uri

test('a running call ends before the goodbye, a call that does not end is cut off', async (context) => {
  const fabric = await startFabric(context)
  const waiting: ((outcome: CallOutcome) => void)[] = []
  const server = await startRogue(context, fabric, {
    name: 'server',
    onCall: ({ command }) =>
      command.startsWith('fabric.')
        ? { status: 'ok', value: {} }
        : new Promise<CallOutcome>((resolve) => waiting.push(resolve)),
  })
  const client = await startRogue(context, fabric, { name: 'client' })
  const open = await client.runtime.dial(server.address, uriOf(server))
  assert.ok(!isRefusal(open))
  const first = open.session.call('slow', {}, { deadlineMs: 60_000 })
  const second = open.session.call('never', {}, { deadlineMs: 60_000 })
  await eventually(() => waiting.length === 2)
  const closing = server.runtime.close()
  waiting[0]?.({ status: 'ok', value: { done: 'x'.repeat(1000) } })
  const { status } = await first
  assert.equal(status, 'ok')
  // Nobody new comes in meanwhile.
  assert.ok(isRefusal(await client.runtime.dial(server.address, uriOf(server))))
  fabric.clock.advance(2000)
  assert.equal((await second).status, 'failed')
  await closing
})

test('an answer that was given leaves before the socket goes', async (context) => {
  const fabric = await startFabric(context)
  const server = await startRogue(context, fabric, {
    name: 'server',
    onCall: () => ({ status: 'ok', value: { bytes: Buffer.alloc(200_000, 1) } }),
  })
  const client = await startRogue(context, fabric, { name: 'client' })
  const open = await client.runtime.dial(server.address, uriOf(server))
  assert.ok(!isRefusal(open))
  const calls = Array.from({ length: 5 }, () => open.session.call('big', {}))
  await eventually(() => (open.session.stats?.callsOpened ?? 0) === 5)
  const before = await Promise.all(calls)
  assert.ok(before.every(({ status }) => status === 'ok'))
  await server.runtime.close()
  assert.equal((await open.session.closed).code, 'KOS_SESSION_GOAWAY')
})

test('a genuine member that is not the one who was meant is left at once', async (context) => {
  const fabric = await startFabric(context)
  const other = await startRogue(context, fabric, { name: 'other' })
  const client = await startRogue(context, fabric, { name: 'client' })
  const refused = await client.runtime.dial(other.address, uriOf(client))
  assert.ok(isRefusal(refused))
  assert.equal(refused.rule, 'peer/other-principal')
})

test('one that only calls has no commands', async (context) => {
  const fabric = await startFabric(context)
  const silent = await startRogue(context, fabric, { name: 'silent' })
  const client = await startRogue(context, fabric, { name: 'client' })
  const open = await client.runtime.dial(silent.address, uriOf(silent))
  assert.ok(!isRefusal(open))
  const result = await open.session.call('calc', { expression: '1' })
  assert.equal(result.status === 'refused' && result.code, 'KOS_CATALOG_UNKNOWN')
})

test('a principal is disconnected by name, and after a recheck', async (context) => {
  const fabric = await startFabric(context)
  const server = await startRogue(context, fabric, { name: 'server' })
  const client = await startRogue(context, fabric, { name: 'client' })
  const dial = async (count: number): Promise<{ readonly closed: Promise<unknown> }> => {
    const open = await client.runtime.dial(server.address, uriOf(server))
    assert.ok(!isRefusal(open))
    await eventually(() => server.runtime.sessions.size === count)
    return open.session
  }
  const first = await dial(2)
  server.runtime.disconnect(uriOf(client), 'locked')
  await first.closed
  await eventually(() => server.runtime.sessions.size === 1)
  await dial(2)
  assert.equal(server.runtime.recheckSessions(), 0)
  server.runtime.updateIdentity()
  await dial(3)
})

test('what ends in the middle of a dial is not kept', async (context) => {
  const fabric = await startFabric(context)
  const server = await startRogue(context, fabric, { name: 'server' })
  const client = await startRogue(context, fabric, { name: 'client' })
  const dialling = client.runtime.dial(server.address, uriOf(server))
  await client.runtime.close()
  const late = await dialling
  if (!isRefusal(late)) await late.session.closed
  await eventually(() => client.runtime.sessions.size === 0)
})

test('a listener without a place says which', async (context) => {
  const fabric = await startFabric(context)
  const { member } = await startRogue(context, fabric, { name: 'server' })
  const runtime = createPeerRuntime(
    {
      clock: fabric.clock,
      random: systemRandom,
      log: silentLog,
      admission: createAdmission({ clock: fabric.clock, onRefusals: () => undefined }),
      self: memberSelf(member),
    },
    SESSION_LIMITS,
  )
  context.after(() => runtime.close())
  const profile = PROFILES['SEC-2']
  const none = await runtime.listen(profile, [])
  assert.ok(isRefusal(none))
  const elsewhere = await runtime.listen(profile, [{ host: '203.0.113.1', port: 0 }])
  assert.ok(isRefusal(elsewhere))
  assert.equal(elsewhere.rule, 'EADDRNOTAVAIL')
})

/** A client with a call that waits, behind a relay that cuts. */
async function startWaiting(context: TestContext): Promise<{
  readonly proxy: TcpProxy
  readonly answer: () => void
  readonly result: Promise<{ readonly status: string }>
  readonly dial: () => ReturnType<Rogue['runtime']['dial']>
  readonly sessions: () => readonly OpenSession[]
  readonly advance: (ms: number) => void
}> {
  const fabric = await startFabric(context)
  const { promise, resolve } = Promise.withResolvers<CallOutcome>()
  const server = await startRogue(context, fabric, {
    name: 'server',
    resumes: true,
    onCall: ({ command }) => (command === 'slow' ? promise : { status: 'ok', value: {} }),
  })
  const client = await startRogue(context, fabric, { name: 'client', resumes: true })
  const to = server.address
  const proxy = await startTcpProxy(context, { host: to.host, to, holdAfterBytes: Infinity })
  const at = { host: to.host, port: proxy.port }
  const sessions = (): readonly OpenSession[] =>
    [...client.runtime.sessions].filter(
      ({ authenticated }) => authenticated.peer.principal.uri === uriOf(server),
    )
  const dial = (): ReturnType<Rogue['runtime']['dial']> => client.runtime.dial(at, uriOf(server))
  const open = await dial()
  assert.ok(!isRefusal(open))
  const result = open.session.call('slow', {}, { deadlineMs: 60_000 })
  assert.equal((await open.session.call('quick', {})).status, 'ok')
  proxy.release()
  await open.session.closed
  return {
    proxy,
    answer: () => resolve({ status: 'ok', value: {} }),
    result,
    dial,
    sessions,
    advance: (ms) => fabric.clock.advance(ms),
  }
}

test('who dials after a lost call was brought back gets that connection, once', async (context) => {
  const { answer, result, dial, sessions } = await startWaiting(context)
  await eventually(() => sessions().length === 1)
  assert.equal(await dial(), sessions()[0])
  answer()
  assert.equal((await result).status, 'ok')
  assert.equal(sessions().length, 1)
  assert.ok(!isRefusal(await dial()))
  assert.equal(sessions().length, 2)
})

test('while somebody dials, nobody else does for the calls that wait', async (context) => {
  const { answer, result, dial, sessions, advance } = await startWaiting(context)
  const dialling = dial()
  // Every pause of the runtime is over before the connection is there.
  for (let pause = 0; pause < 4; pause += 1) {
    advance(500)
    await Promise.resolve()
  }
  assert.ok(!isRefusal(await dialling))
  answer()
  assert.equal((await result).status, 'ok')
  advance(4000)
  await eventually(() => sessions().length === 1)
})

test('a spare connection that is gone is not handed out', async (context) => {
  const { answer, result, dial, sessions, proxy } = await startWaiting(context)
  await eventually(() => sessions().length === 1)
  answer()
  assert.equal((await result).status, 'ok')
  const [spare] = sessions()
  proxy.release()
  await spare?.session.closed
  const open = await dial()
  assert.ok(!isRefusal(open) && open !== spare)
})
