import type { Clock, Log } from '../../foundation/base/index.ts'
import {
  formatHostPort,
  type HostPort,
  keepPort,
  type KeptListener,
  listenCandidates,
} from '../node/index.ts'
import type { AuthorityState } from './authority-state.ts'
import { createCrlPublisher, type CrlPublisher } from './crl-publisher.ts'
import { type CrlServer, startCrlServer } from './crl-server.ts'
import { authorityErrors } from './errors.ts'
import type { Hub } from './hub.ts'
import type { AuthorityPublisher } from './publisher.ts'

/** Where revocation lists are served over plain HTTP. */
export interface CrlOptions {
  readonly listen: HostPort
  /** Whether the port was asked for; another one that is taken is replaced by a free one. */
  readonly isPortFixed: boolean
}

/** Revocation lists and who serves them. */
export interface CrlService {
  readonly lists: CrlPublisher
  readonly server: CrlServer
  readonly at: HostPort
}

interface CrlParts {
  readonly state: AuthorityState
  readonly hub: Hub
  readonly publisher: AuthorityPublisher
}

/**
 * Signs the revocation lists and serves them.
 *
 * @param options - absent: no list is made
 * @throws {@link KosError} KOS_AUTHORITY_LISTEN when there is no port
 */
export async function serveCrls(
  deps: { readonly clock: Clock; readonly log: Log },
  { state, hub, publisher }: CrlParts,
  options: CrlOptions | undefined,
): Promise<CrlService | undefined> {
  if (!options) return undefined
  const kept: KeptListener = { folder: state.folder, name: 'crl', ...options }
  const lists = createCrlPublisher({
    ...deps,
    ...state,
    locks: () => publisher.lockList(),
  })
  let reason = 'no-address'
  for (const at of listenCandidates(kept)) {
    try {
      const server = await startCrlServer({ admission: hub.admission, crls: lists }, at)
      keepPort(kept, server.port)
      return { lists, server, at: { host: at.host, port: server.port } }
    } catch (cause) {
      reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
      if (reason !== 'EADDRINUSE') break
    }
  }
  const address = formatHostPort(options.listen)
  throw authorityErrors.error('KOS_AUTHORITY_LISTEN', { address, reason })
}
