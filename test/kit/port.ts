import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemRandom } from '../../src/foundation/base/index.ts'
import { authorityErrors } from '../../src/apps/authority/index.ts'

/** How often, and after how long, a port that another test has is tried again. */
const TURNS = 100
const WAIT_MS = 100

/**
 * Starts an authority; where it was before, it waits for its port: a connection of another test may have
 * it for a moment.
 */
export async function withPort(isAgain: boolean, start: () => Promise<void>): Promise<void> {
  for (let turn = 0; ; turn++) {
    try {
      return await start()
    } catch (error) {
      const isTaken = authorityErrors.has(error) && error.code === 'KOS_AUTHORITY_LISTEN'
      if (!isTaken || !isAgain || turn === TURNS) throw error
      await sleep(WAIT_MS)
    }
  }
}

/** Below what Linux gives to outgoing connections: none of them is on it when it is wanted again. */
const FIRST_PORT = 10_000
const PORTS = 20_000

/** A free port that no outgoing connection of another test takes while a server is restarted. */
export async function quietPort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(systemRandom.fraction() * PORTS)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    server.close()
    if (isFree) return port
  }
}
