/**
 * Attack: the authority is killed while it enrols a device by EST, between signing and storing, so that
 * a secret would be lost, or spent for a certificate that nobody knows of.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemRandom } from '../../src/foundation/base/index.ts'
import { createTestClock } from '../kit/clock.ts'
import {
  accepted,
  createUser,
  openAuthorityKeys,
  openEnrolment,
  type TestEnrolment,
  tokenOf,
} from '../kit/enrolment.ts'
import { BINDING, estEnrolRequest } from '../kit/est.ts'
import { temporaryFolder } from '../kit/temporary.ts'
import { testKey } from '../kit/x509.ts'

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

for (const moment of ['signed', 'written', 'committed']) {
  test(`killed when ${moment}: the same request gets one certificate`, async (context) => {
    const folder = temporaryFolder(context)
    const request = await (async () => {
      using authority = open(folder)
      const { record } = await createUser(authority, 'alice')
      const specification = tokenOf({ owner: record }, { origin: 'est' })
      return estEnrolRequest(accepted(await authority.tokens.create(specification)), testKey())
    })()
    const message = join(folder, 'request')
    const csr = Buffer.from(request.csr).toString('base64')
    writeFileSync(message, `${request.user} ${request.password} ${csr}`)
    const killed = spawnSync(process.execPath, [PROGRAM, folder, message, moment, 'est'], {
      env: ENVIRONMENT,
      encoding: 'utf8',
    })
    assert.deepEqual([killed.stdout, killed.signal], [moment, 'SIGKILL'], killed.stderr)
    using authority = open(folder)
    const wasStored = moment === 'committed'
    assert.equal(authority.registry.tokens()[0]?.state, wasStored ? 'spent' : 'open')
    const { repeated, grant } = accepted(await authority.estEnrolments.enrol(request, BINDING))
    assert.equal(repeated, wasStored)
    const count = `SELECT COUNT(*) AS n FROM certificate WHERE principal_id = '${grant.principalId}'`
    assert.equal(authority.store.raw.prepare(count).get()?.['n'], 1)
  })
}
