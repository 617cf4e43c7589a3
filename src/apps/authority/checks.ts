import type { Clock } from '../../foundation/base/index.ts'
import { probeFips } from '../../trust/keys/index.ts'
import { describeEnforcement } from '../node/index.ts'
import type { CheckView } from './api-schema.ts'
import type { AuthorityState } from './authority-state.ts'
import type { Hub } from './hub.ts'

/** What `kosctl doctor` asks an authority. */
export function authorityChecks(clock: Clock, state: AuthorityState, hub: Hub): CheckView[] {
  const { ca, audit } = state
  const members = state.registry.principals().filter(({ kind }) => kind !== 'user')
  const connected = members.filter(({ uri }) => hub.isConnected(uri)).length
  const ended = members.filter(({ certificateNotAfter }) => certificateNotAfter < clock.wallMs())
  return [
    {
      name: 'audit log',
      state: audit.healthy ? 'ok' : 'failed',
      detail: audit.healthy
        ? `${audit.size} entries, takes records`
        : 'takes no records: free disk space',
    },
    {
      name: 'enforcement',
      state: 'ok',
      detail: describeEnforcement(hub.enforcement),
    },
    {
      name: 'cryptographic module',
      state: 'ok',
      detail: probeFips().state,
    },
    {
      name: 'root keys',
      state: ca.hasRootKeys ? 'warning' : 'ok',
      detail: ca.hasRootKeys ? 'in the state folder, beside their unlock key' : 'kept offline',
    },
    {
      name: 'intermediate CA',
      state: ca.intermediateDue ? 'warning' : 'ok',
      detail: ca.intermediateDue ? 'past half of its life' : 'in the first half of its life',
    },
    {
      name: 'members',
      state: connected === members.length ? 'ok' : 'warning',
      detail: `${connected} of ${members.length} connected`,
    },
    {
      name: 'certificates',
      state: ended.length === 0 ? 'ok' : 'warning',
      detail:
        ended.length === 0
          ? 'none has ended'
          : `ended: ${ended.map(({ name }) => name).join(', ')}`,
    },
  ]
}
