import type { Clock } from '../../foundation/base/index.ts'
import { probeFips } from '../../trust/keys/index.ts'
import { describeEnforcement } from '../node/index.ts'
import type { CheckView } from './api-schema.ts'
import type { AuthorityState } from './authority-state.ts'
import { isRequestDue, REQUEST_COMMAND } from './ca-rotation.ts'
import { chainWarning } from './company-chain.ts'
import { readLastBackup } from './last-backup.ts'
import type { Hub } from './hub.ts'
import type { Standbys } from './standbys.ts'

/** What `kosctl doctor` asks an authority. */
export function authorityChecks(
  clock: Clock,
  state: AuthorityState,
  { hub, standbys }: { readonly hub: Hub; readonly standbys: Standbys },
): CheckView[] {
  const { ca, audit } = state
  const members = state.registry.principals().filter(({ kind }) => kind !== 'user')
  // Devices without kosd have certificates and no sessions.
  const running = members.filter(({ origin }) => origin === undefined)
  const connected = running.filter(({ uri }) => hub.isConnected(uri)).length
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
      detail: intermediateWords(ca),
    },
    ...chainCheck(ca, clock),
    standbyCheck(standbys),
    backupCheck(clock, state.folder),
    {
      name: 'members',
      state: connected === running.length ? 'ok' : 'warning',
      detail: `${connected} of ${running.length} connected`,
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

/** A backup that is older than this is one that nobody would like to need. */
const BACKUP_MS = 7 * 24 * 60 * 60 * 1000

function backupCheck(clock: Clock, folder: string): CheckView {
  const last = readLastBackup(folder)
  const create = 'kosctl backup create FILE'
  if (!last) return { name: 'backup', state: 'warning', detail: `none was made: ${create}` }
  const ageMs = clock.wallMs() - last.at
  const hours = Math.floor(ageMs / 3_600_000)
  const age = hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} d ago`
  const isOld = ageMs > BACKUP_MS
  const detail = isOld ? `the newest was made ${age}: ${create}` : `made ${age}`
  return { name: 'backup', state: isOld ? 'warning' : 'ok', detail }
}

function chainCheck(ca: AuthorityState['ca'], clock: Clock): CheckView[] {
  if (!ca.outerChain()) return []
  const warning = chainWarning(ca, clock)
  const detail = warning ?? 'in force'
  return [{ name: 'company chain', state: warning === undefined ? 'ok' : 'warning', detail }]
}

function intermediateWords(ca: AuthorityState['ca']): string {
  if (!ca.intermediateDue) return 'in the first half of its life'
  const words = 'past half of its life'
  return isRequestDue(ca) ? `${words}, and the root keys are offline: ${REQUEST_COMMAND}` : words
}

/** What keeps SEC-3 and SEC-4 alive while this authority is away; none is a choice, not a fault. */
function standbyCheck(standbys: Standbys): CheckView {
  const named = standbys.list().filter(({ state }) => state !== 'offered')
  const isReady = named.every(({ state, connected }) => state === 'permitted' && connected)
  const words = named.map(
    ({ name, state, connected }) =>
      `${name} (${state === 'permitted' && !connected ? 'not connected' : state})`,
  )
  return {
    name: 'standby signers',
    state: isReady ? 'ok' : 'warning',
    detail: words.length > 0 ? words.join(', ') : 'none',
  }
}
