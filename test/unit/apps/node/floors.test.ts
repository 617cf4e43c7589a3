/** What a node remembers of floors, its own and those of its peers. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import {
  isRefusal,
  type LogFields,
  sha256,
  systemRandom,
  unixMs,
  utf8,
} from '../../../../src/foundation/base/index.ts'
import type { PeerFacts } from '../../../../src/foundation/pipeline/index.ts'
import { profileOf, type ProfileName } from '../../../../src/foundation/profiles/index.ts'
import type { FabricState } from '../../../../src/apps/node/fabric-state.ts'
import { openFloorFile } from '../../../../src/apps/node/floor-file.ts'
import { createFloorGate } from '../../../../src/apps/node/floor-gate.ts'
import { floorRecorder } from '../../../../src/apps/node/floor-records.ts'
import { openMemberKeys } from '../../../../src/apps/node/member.ts'
import { keepOwnFloor } from '../../../../src/apps/node/membership.ts'
import { ensurePrincipalKeys } from '../../../../src/apps/node/principal-keys.ts'
import type { AuditEvent, AuditLog } from '../../../../src/trust/audit/index.ts'
import type { KeyStore } from '../../../../src/trust/keys/index.ts'
import { createTestClock } from '../../../kit/clock.ts'
import { principal } from '../../../kit/pki.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

interface Place {
  readonly folder: string
  readonly keys: KeyStore
}

function place(context: TestContext): Place {
  const folder = temporaryFolder(context)
  const keys = openMemberKeys({ random: systemRandom }, folder)
  context.after(() => keys.close())
  return { folder, keys }
}

const deps = { random: systemRandom }
const uri = principal('agent', 'a').uri

function peer(floor: ProfileName, id: string = 'a'): PeerFacts {
  return {
    principal: principal('agent', id),
    floor: profileOf(floor),
    generation: 1,
    identityKeyHash: sha256(utf8(id)),
    tlsKeyHash: sha256(utf8('tls')),
    serial: '01',
    notAfter: unixMs(0),
  }
}

test('floors outlive the process', (context) => {
  const at = place(context)
  const file = openFloorFile(deps, at)
  file.note([{ uri, floor: profileOf('SEC-3') }])
  const before = readFileSync(join(at.folder, 'floors.bin'))
  file.note([{ uri, floor: profileOf('SEC-2') }])
  assert.deepEqual(readFileSync(join(at.folder, 'floors.bin')), before)
  const again = openFloorFile(deps, at)
  assert.equal(again.floorOf({ uri })?.name, 'SEC-3')
  assert.ok(isRefusal(again.check(peer('SEC-2'))))
})

test('a memory that is missing, cut, changed or of another folder is refused', (context) => {
  const at = place(context)
  const path = join(at.folder, 'floors.bin')
  openFloorFile(deps, at).note([{ uri, floor: profileOf('SEC-3') }])
  const genuine = readFileSync(path)
  const changed = Buffer.from(genuine)
  changed[genuine.length - 1] = 1
  const other = place(context)
  openFloorFile(deps, other)
  const refused = { code: 'KOS_NODE_STATE', details: { rule: 'floors' } }
  for (const bytes of [
    changed,
    genuine.subarray(0, 32),
    genuine.subarray(0, 3),
    readFileSync(join(other.folder, 'floors.bin')),
  ]) {
    writeFileSync(path, bytes)
    assert.throws(() => openFloorFile(deps, at), refused)
  }
  rmSync(path)
  assert.throws(() => openFloorFile(deps, at), refused)
})

test('the own profile never goes down in a folder, whatever the principal', (context) => {
  const at = place(context)
  ensurePrincipalKeys(at.keys)
  const floors = openFloorFile(deps, at)
  const own = principal('agent', 'own')
  keepOwnFloor(at.keys, floors, { principal: own, profile: 'SEC-2' })
  keepOwnFloor(at.keys, floors, { principal: own, profile: 'SEC-3' })
  const details = { profile: 'SEC-2', floor: 'SEC-3' }
  for (const named of [own, principal('agent', 'other')]) {
    assert.throws(() => keepOwnFloor(at.keys, floors, { principal: named, profile: 'SEC-2' }), {
      code: 'KOS_NODE_FLOOR',
      details,
    })
  }
  keepOwnFloor(at.keys, openFloorFile(deps, at), { principal: own, profile: 'SEC-3' })
})

/** A fabric with one entry in its directory and one minimum in its lock list. */
function fabricOf(listed: PeerFacts, minimum: PeerFacts): FabricState {
  const entry = {
    uri: listed.principal.uri,
    identityKeyHash: listed.identityKeyHash,
    profile: listed.floor.name,
  }
  return {
    directory: {
      byUri: (asked: string) => (asked === entry.uri ? entry : undefined),
      current: { value: { entries: [entry] } },
    },
    locks: {
      current: {
        value: {
          minimum: { [minimum.principal.uri]: { generation: 2, floor: minimum.floor.name } },
        },
      },
    },
  } as unknown as FabricState
}

test('directory, lock list and verified leaves say what a peer had', (context) => {
  const memory = openFloorFile(deps, place(context))
  const refused: string[] = []
  const gate = createFloorGate({
    memory,
    fabric: fabricOf(peer('SEC-3', 'listed'), peer('SEC-4', 'minimum')),
    own: () => principal('agent', 'own').uri,
    onRefused: (_peer, { code, rule }) => refused.push(`${code} ${rule}`),
  })
  assert.equal(gate.check(peer('SEC-2', 'minimum')), undefined)
  gate.learn()
  gate.seen(peer('SEC-3', 'met'))
  gate.seen(peer('SEC-2', 'common'))
  gate.check(peer('SEC-2', 'listed'))
  gate.check(peer('SEC-3', 'minimum'))
  gate.check(peer('SEC-2', 'met'))
  gate.check(peer('SEC-1', 'common'))
  gate.check({ ...peer('SEC-2', 'other'), identityKeyHash: sha256(utf8('listed')) })
  assert.deepEqual(refused, [
    'KOS_PKI_FLOOR floor/directory',
    'KOS_PKI_FLOOR floor/remembered',
    'KOS_PKI_FLOOR floor/remembered',
    'KOS_PKI_FLOOR floor/no-certificate',
    'KOS_PKI_FLOOR floor/identity-key',
  ])
  for (const fits of [peer('SEC-3', 'listed'), peer('SEC-4', 'listed'), peer('SEC-2', 'common')]) {
    assert.equal(gate.check(fits), undefined)
  }
})

test('what others say of the own principal does not stop its own start', (context) => {
  const at = place(context)
  const memory = openFloorFile(deps, at)
  const gate = createFloorGate({
    memory,
    fabric: fabricOf(peer('SEC-3', 'own'), peer('SEC-3', 'own')),
    own: () => principal('agent', 'own').uri,
    onRefused: () => undefined,
  })
  gate.learn()
  assert.equal(memory.floorOf({ uri: principal('agent', 'own').uri }), undefined)
})

test('the same refusal is recorded once a minute', () => {
  const clock = createTestClock()
  const events: AuditEvent[] = []
  const logged: LogFields[] = []
  const record = floorRecorder(
    {
      clock,
      log: { event: (_name, fields) => logged.push(fields ?? {}) },
      audit: { appendSoon: (event: AuditEvent) => events.push(event) } as unknown as AuditLog,
    },
    principal('agent', 'own').uri,
  )
  const refusal = { allow: false, code: 'KOS_PKI_FLOOR', rule: 'floor/remembered' } as const
  record(peer('SEC-2'), refusal)
  record(peer('SEC-2'), refusal)
  record(peer('SEC-2', 'b'), refusal)
  clock.advance(60_001)
  record(peer('SEC-2'), refusal)
  assert.deepEqual([events.length, logged.length], [3, 3])
  assert.deepEqual(events[0], {
    type: 'refusal',
    actor: uri,
    target: principal('agent', 'own').uri,
    action: 'floor',
    outcome: 'refused',
    code: 'KOS_PKI_FLOOR',
    rule: 'floor/remembered',
    detail: { alarm: 'downgrade', offered: 'SEC-2' },
  })
})
