/** The checked `echo` command over a session: identity, replay, MAC, rates, policy, schema, audit. */
import {
  type ClientEnd,
  type EndSetup,
  payloadOf,
  requireEcho,
  type ServerEnd,
} from '../harness/contender.ts'
import { createKosClient, startKosServer } from './kos-parts.ts'

export function startServer(setup: EndSetup): Promise<ServerEnd> {
  return startKosServer(setup)
}

export async function startClient(setup: EndSetup, port: number): Promise<ClientEnd> {
  const session = await createKosClient(setup, port)()
  return {
    operate: async (sequence) => {
      const payload = payloadOf(sequence)
      const result = await session.call('echo', { value: payload })
      if (result.status !== 'ok') throw new Error(`${result.code} ${result.rule}`)
      requireEcho(payload, (result.value as { value: unknown }).value)
    },
    close: () => session.close('shutdown'),
  }
}
