/** Devices join until the signed directory can name nobody more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePrincipal } from '../../src/foundation/base/index.ts'
import { MAX_DIRECTORY_ENTRIES } from '../../src/trust/pki/index.ts'
import {
  accepted,
  assertRefused,
  createDevice,
  createFleet,
  createToken,
  EXPORTER,
  joinRequest,
  tokenOf,
} from '../kit/enrolment.ts'

test('who comes last is refused, whoever is in stays in, and a removal makes room', async (context) => {
  const fleet = await createFleet(context)
  const device = createDevice()
  const first = joinRequest(device, await createToken(fleet))
  const { grant } = accepted(await fleet.joins.join(first, EXPORTER))
  // One entry is the authority's own, one is free.
  const others = MAX_DIRECTORY_ENTRIES - 4
  fleet.store.transaction((raw) =>
    raw.exec(`
      WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < ${others})
      INSERT INTO principal (id, uri, kind, name, profile, state, owner, mac, uuid, identity_spki,
        log_spkis, generation, generation_used, roles, groups, labels, addresses, created_at,
        certificate_not_before, certificate_not_after)
      SELECT 'x' || n, 'kos://x/device/x' || n, 'device', 'x' || n, 'SEC-2', 'active', owner, '',
        '', CAST(n AS BLOB), '[]', 1, 1, '[]', '[]', '{}', '[]', 0, 0, 0
      FROM count, principal WHERE principal.name = 'camera-1'`),
  )
  const last = await createToken(fleet, { name: 'camera-2' })
  const late = await createToken(fleet, { name: 'camera-3' })
  const several = await createToken(fleet, { name: 'lamp-', uses: 9 })
  const again = fleet.restart()
  accepted(await again.joins.join(joinRequest(createDevice(), last), EXPORTER))
  const request = joinRequest(createDevice(), late)
  const full = 'KOS_ENROLMENT_FULL'
  assertRefused(await again.joins.join(request, EXPORTER), full, 'directory/full')
  // Names are free: it is not those that are said to be missing.
  const lamp = joinRequest(createDevice(), several)
  assertRefused(await again.joins.join(lamp, EXPORTER), full, 'directory/full')
  assertRefused(
    await again.tokens.create(tokenOf(fleet, { name: 'camera-4' })),
    full,
    'directory/full',
  )
  assert.equal(accepted(await again.joins.join(first, EXPORTER)).repeated, true)
  const id = parsePrincipal(grant.uri)?.id ?? ''
  await again.registry.change(id, { state: 'removed' })
  // The token stayed open.
  accepted(await again.joins.join(request, EXPORTER))
})
