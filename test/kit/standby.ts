/** Standby signers of a test fabric, permitted as an operator does. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StandbyView } from '../../src/apps/authority/index.ts'
import { type NodeOptions, type RunningNode, startNode } from '../../src/apps/node/index.ts'
import { silentLog, systemRandom } from '../../src/foundation/base/index.ts'
import { CROWD, eventually, type TestFabric, type TestNode } from './fabric.ts'
import { raiseNode } from './raised.ts'
import { rememberedHost } from './probe-host.ts'

/** What `kosctl standby list` says. */
export async function standbys(fabric: TestFabric): Promise<readonly StandbyView[]> {
  const { code, out, err } = await fabric.kosctl(['standby', 'list', '--json'])
  assert.equal(code, 0, err)
  return JSON.parse(out) as readonly StandbyView[]
}

/** Joins a node that offers itself as a standby signer. */
export async function offerStandby(fabric: TestFabric, name: string): Promise<TestNode> {
  const node = await (await fabric.addNode(name)).restart({ standby: true })
  await eventually(async () => (await standbys(fabric)).some((one) => one.name === name))
  return node
}

/** Permits a standby signer; every node with a session then holds the bundle that says so. */
export async function permit(
  fabric: TestFabric,
  name: string,
  ...options: readonly string[]
): Promise<void> {
  await changeStandbys(fabric, 'add', name, ...options)
}

/** Takes one back, likewise. */
export async function takeBack(fabric: TestFabric, name: string): Promise<void> {
  await changeStandbys(fabric, 'remove', name)
}

async function changeStandbys(fabric: TestFabric, ...args: readonly string[]): Promise<void> {
  const { code, out, err } = await fabric.kosctl(['standby', ...args, '--json'])
  assert.equal(code, 0, err)
  const { bundle } = JSON.parse(out) as { bundle: number }
  const isSpread = (): boolean =>
    fabric.nodes.every(
      ({ running: { link, member } }) => !link.isConnected || member.fabric.bundle.number >= bundle,
    )
  await eventually(isSpread, `bundle ${bundle} everywhere`)
}

/** Milliseconds since a node knew that its lock list is the newest. */
export function lockAgeMs({ member }: RunningNode): number {
  const { clock, fabric } = member
  return fabric.locks.ageMs(clock.monotonicMs())
}

/** Puts the clock forward in steps, and waits after each until something holds. */
export async function passTime(
  fabric: TestFabric,
  { ms, stepMs }: { readonly ms: number; readonly stepMs: number },
  holds: () => boolean,
): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
    fabric.clock.advance(stepMs)
    // What fell due runs first: it may be what ends the condition.
    await new Promise((resolve) => setImmediate(resolve))
    await eventually(holds, `it holds ${passedMs + stepMs} ms later`)
  }
}

/** Starts a node of the fabric from its folder, where it listened before, without waiting for an authority. */
export async function startAlone(
  context: { after(end: () => Promise<void>): void },
  { fabric, node }: { readonly fabric: TestFabric; readonly node: TestNode },
  changes: Partial<NodeOptions> = {},
): Promise<RunningNode> {
  const running = await startNode(
    { clock: fabric.clock, random: systemRandom, log: silentLog, probeHost: rememberedHost },
    {
      folder: node.folder,
      listen: node.running.address,
      isPortFixed: true,
      advertise: undefined,
      shareFolder: join(node.folder, 'share'),
      admission: CROWD,
      ...changes,
    },
  )
  context.after(() => running.stop())
  return running
}

/** Raises a node to SEC-3 and starts it again. */
export async function restartRaised(
  context: { after(end: () => Promise<void> | void): void },
  { fabric, node }: { readonly fabric: TestFabric; readonly node: TestNode },
): Promise<RunningNode> {
  const { member, refusal } = await raiseNode(context, fabric, node)
  assert.equal(refusal, undefined)
  member.close()
  const running = await startAlone(context, { fabric, node })
  await eventually(() => running.link.isConnected, `${node.name} is connected`)
  return running
}

/** Lets devices calculate on one another. */
export async function allowCalc(fabric: TestFabric): Promise<void> {
  const shown = await fabric.kosctl(['policy', 'show'])
  const manifest = JSON.parse(shown.out) as { rules: object[] }
  const rule = { effect: 'allow', domain: 'rpc', from: ['kind:device'], to: ['kind:device'] }
  manifest.rules.push({ id: 'peers', ...rule, actions: ['calc'] })
  const file = join(fabric.folder, 'fleet.json')
  writeFileSync(file, JSON.stringify(manifest))
  const applied = await fabric.kosctl(['policy', 'apply', file])
  assert.equal(applied.code, 0, applied.err)
}
