import { setTimeout as sleep } from 'node:timers/promises'
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
