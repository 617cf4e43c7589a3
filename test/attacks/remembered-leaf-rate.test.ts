/**
 * A good device comes again and again: its leaf is remembered, so its connections have become cheap. They
 * are counted like everybody's, at the gate, before anything is remembered.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../src/foundation/base/index.ts'
import { DEFAULT_ADMISSION_LIMITS } from '../../src/network/admission/index.ts'
import { principal } from '../kit/pki.ts'
import { createTlsAuthority, memberVerdict } from '../kit/tls-authority.ts'
import { must, startTestListener, until } from '../kit/transport.ts'

const DEVICE = '127.0.0.66'
const { burst, perSecond } = DEFAULT_ADMISSION_LIMITS.connectionRate

test('a remembered leaf does not get past the connection rate', async (context) => {
  const authority = createTlsAuthority(context)
  const { verifyPeer, verifier, asked } = memberVerdict(authority.ca)
  const own = authority.identity({
    principal: principal('device', 'kdev-bbbbbbbbbbbbbbbbbbbbbbbbbb'),
  })
  const server = await startTestListener(context, {
    identity: () => own,
    // The dialling end has no memory here: what is counted is the listener's.
    verifyPeer: (leafDer, purpose) =>
      purpose === 'client' ? verifyPeer(leafDer, purpose) : undefined,
  })
  const dialler = server.dialler(authority.identity())
  const connect = async (times: number): Promise<number> => {
    let served = 0
    for (let n = 0; n < times; n++) {
      const channel = await server.dialFrom(DEVICE, dialler)
      if (isRefusal(channel)) continue
      served += 1
      await until(() => server.admission.stats.halfOpen === 0)
      channel.destroy('again')
      await until(() => server.admission.stats.connections === 0)
    }
    return served
  }
  assert.equal(await connect(4 * burst), burst)
  assert.equal(server.refusalsOf(`${DEVICE}/32`)['KOS_ADMISSION_RATE'], 3 * burst)
  // What the gate drops never reaches the verdict, remembered or not.
  assert.deepEqual([asked(), verifier.size], [burst, 1])
  server.clock.advance(1000)
  assert.equal(await connect(2 * burst), perSecond)
  assert.deepEqual([asked(), verifier.size], [burst + perSecond, 1])
  // Others notice nothing, and it has its own rate back when it waits.
  const other = server.dialler(authority.identity())
  must(await server.dialFrom('127.0.0.77', other)).destroy('test')
  server.clock.advance(60_000)
  assert.equal(await connect(1), 1)
})
