/** The same calls while the connection is replaced again and again. */
import type { ClientEnd, EndSetup, ServerEnd } from '../harness/contender.ts'
import { startRuntimeClient, startRuntimeServer } from './kos-runtime.ts'

/** Age at which the connection is replaced, ± 10 %; an hour in the product. */
const RECYCLE_MS = 250

export function startServer(setup: EndSetup): Promise<ServerEnd> {
  return startRuntimeServer(setup)
}

export async function startClient(setup: EndSetup, port: number): Promise<ClientEnd> {
  const client = await startRuntimeClient(setup, port, { recycleMs: RECYCLE_MS })
  const first = client.open.authenticated.sessionId
  return {
    operate: (sequence) => client.operate(sequence),
    close: async () => {
      const isReplaced = client.open.authenticated.sessionId !== first
      await client.close()
      if (!isReplaced) throw new Error('the connection was never replaced')
    },
  }
}
