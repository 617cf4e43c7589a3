/** The client of the HTTP API against authorities that behave badly. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isRefusal, principalOf, systemRandom, z } from '../../../../src/foundation/base/index.ts'
import { encodeCbor } from '../../../../src/foundation/codec/index.ts'
import {
  type AuthorityAnswer,
  connectAuthority,
  parseAnswer,
  refusalOf,
} from '../../../../src/apps/node/authority-client.ts'
import { createFloorClock } from '../../../../src/apps/node/floor-clock.ts'
import { type KeyStore, openKeyStore } from '../../../../src/trust/keys/index.ts'
import { joinFolder } from '../../../kit/fabric.ts'
import {
  type Answers,
  bundleAnswers,
  forgedLine,
  leafIdentity,
  startImpostor,
} from '../../../kit/impostor.ts'
import { createTestAuthority, domain, leafRequest, type TestAuthority } from '../../../kit/pki.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'
import { testKey } from '../../../kit/x509.ts'

/** A server with a genuine certificate that answers as a test wants. */
async function genuine(
  context: TestContext,
  { ca, clock }: TestAuthority,
  answers: Answers,
): Promise<{ readonly port: number; readonly pin: string }> {
  const key = testKey()
  const principal = principalOf(domain('kos.internal'), 'authority', 'kauth-1')
  assert.ok(principal)
  const { der } = ca.issueLeaf(leafRequest({ principal, tlsSpki: key.spki, usage: 'authority' }))
  const good = bundleAnswers(ca.bundle, () => clock.wallMs())
  const identity = leafIdentity(der, key.privateKey)
  const { port } = await startImpostor(
    context,
    identity,
    (path, body) => answers(path, body) ?? good(path, body),
  )
  return { port, pin: ca.pin }
}

function answer(status: number, text: string): AuthorityAnswer {
  return { status, body: Buffer.from(text) }
}

test('answers are read strictly', () => {
  const schema = z.object({ a: z.number() })
  assert.deepEqual(parseAnswer(answer(200, '{"a":1}'), schema), { a: 1 })
  for (const text of ['', '{', '{"a":"1"}', 'null']) {
    assert.ok(isRefusal(parseAnswer(answer(200, text), schema)), text)
  }
})

test('a refusal is taken over as far as it looks like one', () => {
  const full = { code: 'KOS_X_Y', rule: 'a/b', remedy: 'Do.', retryAfterMs: 5, more: 1 }
  assert.deepEqual(refusalOf(answer(403, JSON.stringify(full))), {
    allow: false,
    code: 'KOS_X_Y',
    rule: 'a/b',
    remedy: 'Do.',
    retryAfterMs: 5,
  })
  for (const text of ['', '{"code":"rm -rf","rule":"x"}', '{"code":"KOS_X"}']) {
    assert.deepEqual(refusalOf(answer(502, text)), {
      allow: false,
      code: 'KOS_NODE_REFUSED',
      rule: 'http/502',
    })
  }
})

test('nobody there, somebody who hangs up, somebody who says nothing', async (context) => {
  using authority = createTestAuthority()
  const clock = createFloorClock(authority.clock)
  const server = createServer((socket) => void socket.resume().destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address)
  const target = {
    host: '127.0.0.1',
    port: address.port,
    pin: authority.ca.pin,
    identity: undefined,
    timeoutMs: 5000,
  }
  await assert.rejects(connectAuthority({ clock }, target), {
    code: 'KOS_NODE_AUTHORITY_UNREACHABLE',
  })
  server.close()
  await new Promise((resolve) => server.once('close', resolve))
  await assert.rejects(connectAuthority({ clock }, target), {
    code: 'KOS_NODE_AUTHORITY_UNREACHABLE',
    details: { host: '127.0.0.1', port: address.port },
  })
  const silent = createServer((socket) => void socket.resume())
  await new Promise<void>((resolve) => silent.listen(address.port, '127.0.0.1', resolve))
  context.after(() => void silent.close())
  const impatient = { ...target, timeoutMs: 50 }
  await assert.rejects(connectAuthority({ clock }, impatient), {
    code: 'KOS_NODE_AUTHORITY_UNREACHABLE',
  })
})

test('an authority that stops answering in the middle is given up', async (context) => {
  using authority = createTestAuthority()
  const { port, pin } = await genuine(context, authority, (path) => {
    if (path === '/v1/silence') throw new Error('a server that breaks off')
    return path === '/v1/endless' ? { type: 'x', body: Buffer.alloc(17 * 1024 * 1024) } : undefined
  })
  const clock = createFloorClock(authority.clock)
  const target = { host: '127.0.0.1', port, pin, identity: undefined, timeoutMs: 5000 }
  const client = await connectAuthority({ clock }, target)
  assert.equal(client.exporter().length, 32)
  assert.equal((await client.request('GET', '/v1/none')).status, 404)
  await assert.rejects(client.request('GET', '/v1/endless'), {
    code: 'KOS_NODE_RESPONSE',
    details: { rule: 'too-long' },
  })
  client.close()
  await assert.rejects(client.request('GET', '/v1/health'), {
    code: 'KOS_NODE_AUTHORITY_UNREACHABLE',
  })
})

test('a time that is none is no time', async (context) => {
  using authority = createTestAuthority()
  const { port, pin } = await genuine(context, authority, (path) =>
    path === '/v1/health' ? { type: 'x', body: '{"timeMs":"noon"}' } : undefined,
  )
  const clock = createFloorClock(authority.clock)
  const target = { host: '127.0.0.1', port, pin, identity: undefined, timeoutMs: 5000 }
  const client = await connectAuthority({ clock }, target)
  await assert.rejects(client.agreeOnTime(), { code: 'KOS_NODE_RESPONSE' })
  client.close()
})

test('an authority that has too much to do is busy, and no stranger', async (context) => {
  using authority = createTestAuthority()
  for (const busy of ['/v1/bundle', '/v1/health']) {
    const { port, pin } = await genuine(context, authority, (path) =>
      path === busy
        ? { type: 'application/json', body: '{"rule":"rate"}', status: 429 }
        : undefined,
    )
    const clock = createFloorClock(authority.clock)
    const target = { host: '127.0.0.1', port, pin, identity: undefined, timeoutMs: 5000 }
    const asked = connectAuthority({ clock }, target).then((client) =>
      client.agreeOnTime().finally(() => client.close()),
    )
    await assert.rejects(asked, { code: 'KOS_NODE_AUTHORITY_UNREACHABLE' })
  }
})

test('join answers that are not what was asked for are not kept', async (context) => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const other = ca.issueLeaf(leafRequest()).der
  const grant = {
    principalId: 'kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa',
    uri: 'spiffe://kos.internal/device/kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa',
    name: 'camera-1',
    profile: 'SEC-2',
    generation: 1,
    leaf: other,
  }
  const empty = new Uint8Array(1)
  const whole = {
    grant,
    bundle: empty,
    directory: empty,
    locks: empty,
    manifest: empty,
    session: empty,
    timeMs: clock.wallMs(),
  }
  const cases: readonly (readonly [body: Uint8Array, rule: RegExp])[] = [
    [Buffer.from('nonsense'), /encoding/],
    [encodeCbor({}), /grant|unknown|required|invalid/],
    [encodeCbor({ ...whole, more: 1 }), /more|unrecognized/],
    [encodeCbor({ ...whole, grant: { ...grant, leaf: empty } }), /leaf\/encoding/],
    [encodeCbor(whole), /leaf\/key/],
    [encodeCbor({ ...whole, grant: { ...grant, generation: 7 } }), /leaf\/key/],
  ]
  for (const [body, rule] of cases) {
    const at = await genuine(context, authority, (path) =>
      path === '/v1/join' ? { type: 'application/cbor', body } : undefined,
    )
    const folder = join(temporaryFolder(context), 'node')
    await assert.rejects(joinFolder({ folder, clock, line: forgedLine(at) }), (error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error && 'details' in error)
      assert.equal(error.code, 'KOS_NODE_RESPONSE')
      assert.match(String((error.details as Record<string, unknown>)['rule']), rule)
      return true
    })
  }
})

test('a leaf for our key but another identity, or another name, is refused', async (context) => {
  using authority = createTestAuthority()
  const { ca, clock } = authority
  const folder = join(temporaryFolder(context), 'node')
  const answers = (leafOf: (csrSpki: Uint8Array) => Uint8Array): Answers => {
    return (path) => {
      if (path !== '/v1/join') return undefined
      const leaf = leafOf(tlsSpki(folder))
      const grant = {
        principalId: 'kdev-aaaaaaaaaaaaaaaaaaaaaaaaaa',
        uri: 'spiffe://kos.internal/device/kdev-bbbbbbbbbbbbbbbbbbbbbbbbbb',
        name: 'camera-1',
        profile: 'SEC-2',
        generation: 1,
        leaf,
      }
      const rest = { bundle: leaf, directory: leaf, locks: leaf, manifest: leaf, session: leaf }
      const body = encodeCbor({ grant, ...rest, timeMs: clock.wallMs() })
      return { type: 'application/cbor', body }
    }
  }
  const refusedBecause = async (made: Answers): Promise<string> => {
    const at = await genuine(context, authority, made)
    return joinFolder({ folder, clock, line: forgedLine(at) }).then(
      () => 'kept',
      (error: unknown) =>
        error instanceof Error && 'details' in error
          ? String((error.details as Record<string, unknown>)['rule'])
          : String(error),
    )
  }
  const identity = await refusedBecause(
    answers((spki) => ca.issueLeaf(leafRequest({ tlsSpki: spki })).der),
  )
  assert.equal(identity, 'leaf/identity')
  const name = await refusedBecause(
    answers((spki) => {
      const identityKeyHash = identityHash(folder)
      const request = leafRequest({
        tlsSpki: spki,
        identity: { floor: 'SEC-2', generation: 1, identityKeyHash },
      })
      return ca.issueLeaf(request).der
    }),
  )
  assert.equal(name, 'grant')
})

function tlsSpki(folder: string): Uint8Array {
  return withKeys(folder, (keys) => keys.require('tls-g1').spki)
}

function identityHash(folder: string): Uint8Array {
  return withKeys(folder, (keys) => keys.require('identity').keyId)
}

function withKeys<T>(folder: string, read: (keys: KeyStore) => T): T {
  const options = { directory: join(folder, 'keys'), unlock: { kind: 'file' } } as const
  const keys = openKeyStore({ random: systemRandom }, options)
  try {
    return read(keys)
  } finally {
    keys.close()
  }
}
