/** Attack: ids and secrets of EST tokens are tried out; the answers must not help, and are limited. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { toBase64Url } from '../../src/foundation/base/index.ts'
import { accepted, assertRefused, createFleet, createToken, MINUTE_MS } from '../kit/enrolment.ts'
import { estEnrol, estSecret } from '../kit/est-fabric.ts'
import { BINDING, enrolledByEst, estCsr, estEnrolRequest } from '../kit/est.ts'
import { startFabric } from '../kit/fabric.ts'
import { closed } from '../kit/transport.ts'
import { testKey } from '../kit/x509.ts'

test('a wrong secret and an unknown id look alike, whatever became of the token', async (context) => {
  const fleet = await createFleet(context)
  const open = await createToken(fleet, { name: 'open', origin: 'est' })
  const spent = await enrolledByEst(fleet, 'spent')
  const kosd = await createToken(fleet, { name: 'kosd' })
  const expired = await createToken(fleet, { name: 'old', origin: 'est', lifeMs: MINUTE_MS })
  fleet.clock.advance(MINUTE_MS)
  const right = estEnrolRequest(open, testKey())
  const ids = [open, spent.token, kosd, expired].map(({ record }) => record.id)
  const guesses = [
    ...[...ids, toBase64Url(new Uint8Array(16)), '', 'admin'].map((user) => ({
      ...right,
      user,
      password: toBase64Url(new Uint8Array(32)),
    })),
    ...['', 'x', right.password.slice(1), `${right.password}=`, right.password.toLowerCase()].map(
      (password) => ({ ...right, password }),
    ),
    // The secret of one token is of no use for another.
    { ...right, user: spent.token.record.id },
  ]
  const before = [fleet.registry.principals(), fleet.registry.tokens()]
  const answers = await Promise.all(
    guesses.map((guess) => fleet.estEnrolments.enrol(guess, BINDING)),
  )
  for (const answer of answers) {
    assertRefused(answer, 'KOS_ENROLMENT_TOKEN', 'token/secret')
    assert.deepEqual(answer, answers[0])
  }
  assert.deepEqual([fleet.registry.principals(), fleet.registry.tokens()], before)
  accepted(await fleet.estEnrolments.enrol(right, BINDING))
})

test('an address that guesses on is slowed down', async (context) => {
  const fabric = await startFabric(context)
  const secret = await estSecret(fabric, 'printer-1')
  const csr = estCsr(testKey())
  const body = Buffer.from(csr).toString('base64')
  const guess = [
    'POST /.well-known/est/simpleenroll HTTP/1.1',
    'host: a',
    'content-type: application/pkcs10',
    `authorization: Basic ${Buffer.from(`${secret.user}:guess`).toString('base64')}`,
    `content-length: ${body.length}`,
    '',
    body,
  ].join('\r\n')
  const { port } = fabric.authority.api
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  context.after(() => socket.destroy())
  let heard = ''
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString()
    // The next guess as soon as the one before was answered.
    if (/^HTTP\/1\.1 401/m.test(chunk.toString())) socket.write(guess)
  })
  socket.write(guess)
  await closed(socket)
  const statuses = new Set(heard.match(/^HTTP\/1\.1 \d+/gm))
  assert.deepEqual(statuses, new Set(['HTTP/1.1 401', 'HTTP/1.1 429']))
  // Who has the secret waits, and then gets in.
  fabric.clock.advance(10_000)
  assert.equal((await estEnrol(fabric, secret, csr)).status, 200)
})
