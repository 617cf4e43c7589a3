/** A node in this process whose parts a test can reach: it dials whom the test names, and is called. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type NodeParts, openParts } from '../../src/apps/node/node-parts.ts'
import type { HostPort, OpenSession } from '../../src/apps/node/index.ts'
import {
  type Clock,
  isRefusal,
  silentLog,
  systemClock,
  systemRandom,
} from '../../src/foundation/base/index.ts'
import { profileOf } from '../../src/foundation/profiles/index.ts'

/** A node that listens and has a session with its authority. */
export interface OpenNode {
  readonly parts: NodeParts
  readonly uri: string
  readonly folder: string
  readonly address: HostPort
  /** Connects to a peer, perhaps not at its own address. */
  dial(at: HostPort, uri: string): Promise<OpenSession>
  /** The newest open session with a peer. */
  sessionWith(uri: string): OpenSession | undefined
}

/**
 * Opens a folder that has joined; all ends with the test.
 *
 * @param folder - state folder of a member that no daemon runs for
 * @param clock - the machine's by default
 */
export async function openNode(
  context: TestContext,
  folder: string,
  clock: Clock = systemClock,
): Promise<OpenNode> {
  const shareFolder = join(folder, 'share')
  for (const name of ['share', 'commands']) mkdirSync(join(folder, name), { recursive: true })
  const listen = { host: '127.0.0.1', port: 0 }
  const parts = await openParts(
    { clock, random: systemRandom, log: silentLog },
    { folder, listen, isPortFixed: true, advertise: undefined, shareFolder },
  )
  context.after(() => closeNode(parts))
  const { runtime } = parts
  const address = must(await runtime.listen(profileOf(parts.member.membership.profile), [listen]))
  parts.address = address
  parts.link.start()
  return {
    parts,
    folder,
    address,
    uri: parts.member.membership.principal.uri,
    dial: async (at, uri) => must(await runtime.dial(at, uri)),
    sessionWith: (uri) =>
      [...runtime.sessions].findLast((open) => open.authenticated.peer.principal.uri === uri),
  }
}

async function closeNode(parts: NodeParts): Promise<void> {
  await parts.link.stop()
  await parts.runtime.close()
  await parts.executor.close()
  await parts.programs.close()
  await parts.audit.close()
  parts.store.close()
  parts.member.close()
}

function must<T>(value: T): Exclude<T, { readonly allow: false }> {
  if (isRefusal(value)) throw new Error(`refused: ${value.code} ${value.rule}`)
  return value as Exclude<T, { readonly allow: false }>
}
