/** Checked calls over a session whose connection stays. */
import type { ClientEnd, EndSetup, ServerEnd } from '../harness/contender.ts'
import { startRuntimeClient, startRuntimeServer } from './kos-runtime.ts'

export function startServer(setup: EndSetup): Promise<ServerEnd> {
  return startRuntimeServer(setup)
}

export function startClient(setup: EndSetup, port: number): Promise<ClientEnd> {
  return startRuntimeClient(setup, port, {})
}
