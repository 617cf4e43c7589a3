/** A fabric whose authority is backed up, lost and brought back. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Secret, silentLog, systemRandom } from '../../src/foundation/base/index.ts'
import { createBackup, restoreUnpacked, unpackBackup } from '../../src/apps/authority/index.ts'
import { startFabric, type TestFabric } from './fabric.ts'

const passphrase = (): Secret => Secret.take(Buffer.from('correct horse battery'))

/** A fabric, and where its backup lies. */
export interface World {
  readonly fabric: TestFabric
  readonly deps: {
    readonly clock: TestFabric['clock']
    readonly random: typeof systemRandom
    readonly log: typeof silentLog
  }
  readonly file: string
}

/** Starts a fabric with nodes. */
export async function world(context: TestContext, names: readonly string[]): Promise<World> {
  const fabric = await startFabric(context)
  for (const name of names) await fabric.addNode(name)
  const deps = { clock: fabric.clock, random: systemRandom, log: silentLog }
  return { fabric, deps, file: join(fabric.folder, 'kos.backup') }
}

/** Backs its authority up, while it serves. */
export const backUp = ({ deps, fabric, file }: World): Promise<unknown> =>
  createBackup(deps, { folder: fabric.stateFolder, file, passphrase: passphrase() })

/** Loses the authority with everything that it has. */
export async function lose({ fabric }: World): Promise<void> {
  await fabric.stopAuthority()
  rmSync(fabric.stateFolder, { recursive: true })
}

/** Brings it back; it does not run yet. */
export const restore = ({ deps, fabric, file }: World): ReturnType<typeof restoreUnpacked> =>
  restoreUnpacked(
    deps,
    unpackBackup({ folder: fabric.stateFolder, file, passphrase: passphrase() }),
  )
