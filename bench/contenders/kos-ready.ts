/** A connection up to READY of both sides, then closed: gate, TLS, leaf, lock list, AUTH, records. */
import type { ClientEnd, EndSetup, ServerEnd } from '../harness/contender.ts'
import { createKosClient, startKosServer } from './kos-parts.ts'
import { createSources } from './sources.ts'

export function startServer(setup: EndSetup): Promise<ServerEnd> {
  return startKosServer(setup)
}

export async function startClient(setup: EndSetup, port: number): Promise<ClientEnd> {
  const connect = createKosClient(setup, port)
  const nextSource = createSources()
  return {
    operate: async () => {
      const session = await connect(nextSource())
      session.close('shutdown')
    },
    close: () => undefined,
  }
}
