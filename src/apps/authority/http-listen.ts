import {
  formatHostPort,
  type HostPort,
  keepPort,
  type KeptListener,
  listenCandidates,
} from '../node/index.ts'
import { authorityErrors } from './errors.ts'
import {
  type HttpServer,
  type HttpServerDeps,
  type ServerIdentity,
  startHttpServer,
} from './http-server.ts'

/** Where an authority is reached by HTTPS. */
export interface HttpPlace {
  /** State folder: it remembers the port. */
  readonly folder: string
  readonly listen: HostPort
  readonly fixedPorts: { readonly api: boolean }
}

/**
 * Serves HTTPS where members know the authority: at the port that was asked for, else the one of last time,
 * the default one, any free one.
 *
 * @throws {@link KosError} KOS_AUTHORITY_LISTEN
 */
export async function listenForHttp(
  deps: HttpServerDeps,
  { folder, listen, fixedPorts }: HttpPlace,
  identity: ServerIdentity,
): Promise<HttpServer> {
  const kept: KeptListener = { folder, name: 'api', listen, isPortFixed: fixedPorts.api }
  let reason = 'no-address'
  for (const at of listenCandidates(kept)) {
    try {
      const http = await startHttpServer(deps, { ...at, identity })
      keepPort(kept, http.port)
      return http
    } catch (cause) {
      reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
      if (reason !== 'EADDRINUSE') break
    }
  }
  throw authorityErrors.error('KOS_AUTHORITY_LISTEN', { address: formatHostPort(listen), reason })
}
