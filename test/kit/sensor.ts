/** Devices without certificate that join a fabric of a test, and what an attacker who has their key dials. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import {
  isRefusal,
  type Refusal,
  type Secret,
  silentLog,
  systemClock,
  systemRandom,
} from '../../src/foundation/base/index.ts'
import {
  joinAuthorityByPsk,
  loadMembership,
  type Membership,
  openMemberKeys,
  type RunningNode,
  startNode,
} from '../../src/apps/node/index.ts'
import { createAdmission } from '../../src/network/admission/index.ts'
import { createDialler, type SecureChannel } from '../../src/network/transport/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import { derivePskKeys } from '../../src/trust/pki/index.ts'
import type { TestFabric } from './fabric.ts'
import { rememberedHost } from './probe-host.ts'

/** What tells the machine of a test's sensor from others: its name's first letter. */
export function machineOf(name: string): Uint8Array {
  return new Uint8Array(32).fill(name.charCodeAt(0))
}

/** A sensor that joined, and how it is started. */
export interface TestSensor {
  readonly folder: string
  readonly membership: Membership
  start(machine?: Uint8Array): Promise<RunningNode>
}

/** Joins a sensor; it is not started. */
export async function joinSensor(fabric: TestFabric, name: string): Promise<TestSensor> {
  const folder = join(fabric.folder, name)
  const line = await fabric.joinLine(name, '--profile', 'SEC-1')
  const keys = openMemberKeys({ random: systemRandom }, folder)
  const deps = { clock: fabric.clock, random: systemRandom }
  const membership = await joinAuthorityByPsk(deps, {
    folder,
    keys,
    line,
    mac: Uint8Array.of(2, 0, 0, 0, 0, name.length),
  })
  keys.close()
  if (isRefusal(membership)) assert.fail(`refused: ${membership.code} ${membership.rule}`)
  return { folder, membership, start: (machine) => startSensor(fabric, folder, machine) }
}

/** Starts a sensor of a folder, as a machine. */
export function startSensor(
  fabric: TestFabric,
  folder: string,
  machine: Uint8Array = machineOf('a'),
): Promise<RunningNode> {
  return startNode(
    { clock: fabric.clock, random: systemRandom, log: silentLog, probeHost: rememberedHost },
    {
      folder,
      listen: { host: '127.0.0.1', port: 0 },
      isPortFixed: true,
      advertise: undefined,
      shareFolder: join(folder, 'share'),
      machine,
    },
  )
}

/** The handle and root that a folder keeps. */
export function stolenKey(folder: string): { readonly handle: string; readonly root: Secret } {
  const keys = openMemberKeys({ random: systemRandom }, folder)
  const handle = loadMembership(keys)?.psk?.handle ?? ''
  const root = keys.openSecret(`psk-${handle}`)
  keys.close()
  assert.ok(root)
  return { handle, root }
}

/** Dials the SEC-1 listener with a key. */
export async function dialWithKey(
  fabric: TestFabric,
  key: { readonly handle: string; readonly root: Secret },
): Promise<SecureChannel | Refusal> {
  const at = fabric.authority.listeners.get('SEC-1')
  assert.ok(at)
  const { handle, root } = key
  const dialler = createDialler(
    {
      admission: createAdmission({ clock: systemClock, onRefusals: () => undefined }),
      clock: systemClock,
      verifyPeer: () => undefined,
    },
    {
      profile: profileOf('SEC-1'),
      identity: () => ({ kind: 'psk', handle, key: derivePskKeys(root).tls }),
    },
  )
  assert.ok(!isRefusal(dialler))
  return dialler.dial({ host: at.host, port: at.port, timeoutMs: 3000 })
}

/** Waits until something holds; the test's own time-out ends it. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** The alarms that the authority recorded. */
export async function alarms(fabric: TestFabric): Promise<readonly string[]> {
  const { out } = await fabric.kosctl(['audit', 'tail', '--count', '200', '--json'])
  return [...out.matchAll(/psk: (?:dead handle|second machine)/g)].map(([rule]) => rule)
}
