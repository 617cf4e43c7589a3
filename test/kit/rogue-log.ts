/** A member that keeps a log with its genuine keys, and forwards of it what a test says. */
import type { TestContext } from 'node:test'
import type { CallResult } from '../../src/network/session/index.ts'
import { FABRIC } from '../../src/apps/node/index.ts'
import type { AuditLog, ForwardBatch } from '../../src/trust/audit/index.ts'
import { openTestLog, testEvent } from './audit.ts'
import type { TestFabric } from './fabric.ts'
import { type Rogue, startRogue } from './rogue.ts'

/** A rogue with its log. */
export interface RogueLog {
  readonly rogue: Rogue
  /** Another history under the same keys and name. */
  readonly history: (...actions: readonly string[]) => Promise<AuditLog>
  readonly forward: (batch: ForwardBatch) => Promise<CallResult>
}

/** Joins a member whose log is the test's. */
export async function startRogueLog(
  context: TestContext,
  fabric: TestFabric,
  name: string,
): Promise<RogueLog> {
  const rogue = await startRogue(context, fabric, { name })
  const { keys, membership } = rogue.member
  const { trustDomain, kind, id } = membership.principal
  const logKeys = {
    ed25519: keys.require('log-ed25519'),
    mlDsa44: keys.require('log-ml-dsa-44'),
  }
  return {
    rogue,
    history: async (...actions) => {
      const origin = `${trustDomain}/${kind}/${id}`
      const { audit } = await openTestLog(context, { keys: logKeys, origin })
      for (const action of actions) await audit.append(testEvent({ action }))
      await audit.flush()
      return audit
    },
    forward: ({ first, entries, checkpoint }) =>
      rogue.authority.session.call(FABRIC.audit, { first, entries: [...entries], checkpoint }),
  }
}
