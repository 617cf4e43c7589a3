/**
 * The pinned roots vouch for an authority of another trust domain, for example one that was split off.
 * It is not the authority of the fabric that the line is for.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { principalOf } from '../../src/foundation/base/index.ts'
import { nodeErrors } from '../../src/apps/node/index.ts'
import { joinFolder } from '../kit/fabric.ts'
import { bundleAnswers, forgedLine, leafIdentity, startImpostor } from '../kit/impostor.ts'
import { createTestAuthority, domain, leafRequest } from '../kit/pki.ts'
import { temporaryFolder } from '../kit/temporary.ts'
import { testKey } from '../kit/x509.ts'

test('an authority of another trust domain under the same roots is refused', async (context) => {
  using genuine = createTestAuthority()
  const { ca, clock } = genuine
  const joinTo = async (trustDomain: string): Promise<string> => {
    const key = testKey()
    const principal = principalOf(domain(trustDomain), 'authority', 'kauth-1')
    assert.ok(principal)
    const { der } = ca.issueLeaf(leafRequest({ principal, tlsSpki: key.spki, usage: 'authority' }))
    const answers = bundleAnswers(ca.bundle, () => clock.wallMs())
    const server = await startImpostor(context, leafIdentity(der, key.privateKey), answers)
    const folder = join(temporaryFolder(context), 'node')
    const line = forgedLine({ port: server.port, pin: ca.pin })
    const outcome = await joinFolder({ folder, clock, line }).then(
      () => 'answered',
      (error: unknown) => (nodeErrors.has(error) ? String(error.details['check']) : String(error)),
    )
    return `${outcome}: ${server.requests.join(', ')}`
  }
  assert.equal(await joinTo('other.example'), 'trust-domain: GET /v1/bundle')
  // The same authority in the right trust domain gets the request.
  assert.equal(
    await joinTo('kos.internal'),
    'answered: GET /v1/bundle, GET /v1/health, POST /v1/join',
  )
})
