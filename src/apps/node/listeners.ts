import { isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import { type Profile, profileOf, type ProfileName } from '../../foundation/profiles/index.ts'
import type { ListenerAddresses } from '../../trust/pki/index.ts'
import type { HostPort } from './addresses.ts'
import { keepPort, type KeptListener, listenCandidates } from './kept-port.ts'

/** Where each profile of a principal listens, the own floor's first. */
export type OpenListeners = ReadonlyMap<ProfileName, HostPort>

/** Which listeners a principal opens, and where. */
export interface ListenersPlan {
  readonly folder: string
  readonly floor: Profile
  /** Where the listener of the own floor goes. */
  readonly listen: HostPort
  /** Whether its port was asked for; the others always take a free one where theirs is taken. */
  readonly isPortFixed: boolean
  /** All that the floor may have. */
  readonly possible: readonly ProfileName[]
  /** Narrows them to these and the own floor's; absent: all. */
  readonly wanted?: readonly ProfileName[] | undefined
}

/**
 * Opens the listeners of a principal, one per profile. Their ports are apart like the default ports:
 * with SEC-2 on 9402, SEC-3 is on 9403.
 *
 * @param listen - of the runtime
 * @param plan - see {@link ListenersPlan}
 * @returns where they listen, or the refusal of the first that does not; KOS_TRANSPORT_PROFILE for one
 * that the floor cannot have
 */
export async function openListeners(
  listen: (profile: Profile, candidates: readonly HostPort[]) => Promise<HostPort | Refusal>,
  plan: ListenersPlan,
): Promise<OpenListeners | Refusal> {
  const { floor, possible, wanted = possible } = plan
  const foreign = wanted.find((name) => !possible.includes(name))
  if (foreign !== undefined) return refuse('KOS_TRANSPORT_PROFILE', `listeners: ${foreign}`)
  const open = new Map<ProfileName, HostPort>()
  for (const name of [floor.name, ...wanted.filter((other) => other !== floor.name)]) {
    const kept = keptListener(plan, name)
    const address = await listen(profileOf(name), listenCandidates(kept))
    if (isRefusal(address)) return address
    keepPort(kept, address.port)
    open.set(name, address)
  }
  return open
}

function keptListener(plan: ListenersPlan, name: ProfileName): KeptListener {
  const { folder, floor, listen, isPortFixed } = plan
  if (name === floor.name) return { folder, name: 'session', listen, isPortFixed }
  const apart = defaultPort(profileOf(name)) - defaultPort(floor)
  // A free port stays one, and there is none beyond the last.
  const port = listen.port === 0 || listen.port + apart > 65_535 ? 0 : listen.port + apart
  const file = `session-${name.toLowerCase()}`
  return { folder, name: file, listen: { ...listen, port }, isPortFixed: false }
}

function defaultPort({ transport }: Profile): number {
  return transport?.defaultPort ?? 0
}

/**
 * What the directory is to say of the listeners beside that of the own floor.
 *
 * @param open - of this principal
 * @param reached - addresses under which one of them is reached
 */
export function listenerAddresses(
  open: OpenListeners,
  reached: (at: HostPort) => readonly string[],
): ListenerAddresses {
  const [, ...others] = open
  return Object.fromEntries(others.map(([name, at]) => [name, reached(at)]))
}
