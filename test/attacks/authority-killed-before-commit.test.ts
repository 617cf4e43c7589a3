/**
 * Attack: the authority is killed while it admits a device, between signing and storing, so that a
 * token would be lost, or spent for a certificate that nobody knows of.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemRandom } from '../../src/foundation/base/index.ts'
import { encodeMessage, type JoinRequest } from '../../src/lifecycle/enrolment/index.ts'
import { createTestClock } from '../kit/clock.ts'
import {
  accepted,
  assertSame,
  createDevice,
  createUser,
  EXPORTER,
  joinRequest,
  openAuthorityKeys,
  openEnrolment,
  type TestEnrolment,
  tokenOf,
} from '../kit/enrolment.ts'
import { temporaryFolder } from '../kit/temporary.ts'

const PROGRAM = fileURLToPath(import.meta.resolve('../kit/enrolment-killed.ts'))
/** A killed process would leave half a coverage report, which spoils all of them. */
const ENVIRONMENT = { ...process.env, NODE_V8_COVERAGE: '' }

function open(folder: string): TestEnrolment & Disposable {
  const keys = openAuthorityKeys(folder, systemRandom)
  const place = { folder, keys, clock: createTestClock(), random: systemRandom }
  const enrolment = openEnrolment(place)
  const close = (): void => {
    enrolment.store.close()
    keys.close()
  }
  return { ...enrolment, [Symbol.dispose]: close }
}

/** An authority with an open token whose device has sent its request. */
async function prepare(folder: string): Promise<JoinRequest> {
  using authority = open(folder)
  const { record } = await createUser(authority, 'alice')
  const token = accepted(await authority.tokens.create(tokenOf({ owner: record })))
  return joinRequest(createDevice(), token)
}

async function killAt(context: TestContext, moment: string): Promise<[string, JoinRequest]> {
  const folder = temporaryFolder(context)
  const request = await prepare(folder)
  const message = join(folder, 'request.cbor')
  writeFileSync(message, encodeMessage(request))
  const killed = spawnSync(process.execPath, [PROGRAM, folder, message, moment], {
    env: ENVIRONMENT,
    encoding: 'utf8',
  })
  assert.deepEqual([killed.stdout, killed.signal], [moment, 'SIGKILL'], killed.stderr)
  return [folder, request]
}

for (const moment of ['signed', 'written']) {
  test(`killed when ${moment}: the token is open, nothing is stored, a retry succeeds`, async (context) => {
    const [folder, request] = await killAt(context, moment)
    using authority = open(folder)
    const { registry, store, joins } = authority
    assert.equal(registry.tokens()[0]?.state, 'open')
    assert.deepEqual(
      registry.principals().map(({ name }) => name),
      ['alice'],
    )
    // Of the user alone.
    assert.equal(store.raw.prepare('SELECT COUNT(*) AS n FROM certificate').get()?.['n'], 1)
    const result = accepted(await joins.join(request, EXPORTER))
    assert.equal(result.repeated, false)
    assert.equal(registry.principal(result.grant.principalId)?.name, 'camera-1')
  })
}

test('killed when committed: the device gets the certificate that was stored', async (context) => {
  const [folder, request] = await killAt(context, 'committed')
  using authority = open(folder)
  const { registry, joins } = authority
  const [token] = registry.tokens()
  assert.equal(token?.state, 'spent')
  const first = accepted(await joins.join(request, EXPORTER))
  assert.equal(first.repeated, true)
  assert.equal(first.grant.principalId, token.principalId)
  assertSame(accepted(await joins.join(request, EXPORTER)).grant, first.grant)
})
