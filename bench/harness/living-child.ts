/**
 * Many members in one process, each with the link and the renewal of `kosd node`, keys and signed objects
 * of its own: `node bench/harness/living-child.ts <fleet file> <first> <count> <taint spread in ms>`,
 * driven over IPC. What a node does besides, its log and its commands, is left out.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Log, systemRandom } from '../../src/foundation/base/index.ts'
import { type AuthorityLink, createAuthorityLink } from '../../src/apps/node/authority-link.ts'
import {
  createPeerRuntime,
  FABRIC,
  type Member,
  memberSelf,
  type ObjectKind,
  openMember,
  type PeerRuntime,
} from '../../src/apps/node/index.ts'
import { createRenewalSchedule, type RenewalSchedule } from '../../src/apps/node/renewal.ts'
import { createAdmission } from '../../src/network/admission/index.ts'
import { SESSION_LIMITS } from '../../src/network/session/index.ts'
import { createJumpClock } from '../../test/kit/jump-clock.ts'
import { answerParent } from './child-process.ts'
import type { LivingFleet } from './living-fleet.ts'
import type { LivingRequest, LivingState } from './messages.ts'

const [file = '', first = '0', count = '1', spread = '600000'] = process.argv.slice(2)
const fleet = JSON.parse(readFileSync(file, 'utf8')) as LivingFleet
const clock = createJumpClock()
const renewedAtMs: number[] = []
let lost = 0
let failed = 0

const log: Log = {
  event: (name) => {
    if (name === 'authority.lost') lost += 1
    if (name === 'certificate.renewed') renewedAtMs.push(Date.now())
    if (name === 'certificate.renewal-failed' || name === 'certificate.renewal-refused') failed += 1
  },
}

/** Two processes start some thirty a second. */
const START_EACH_MS = 60

interface Living {
  readonly member: Member
  readonly runtime: PeerRuntime
  readonly link: AuthorityLink
  readonly renewal: RenewalSchedule
}

function createLiving(folder: string): Living {
  const opened = openMember({ clock, random: systemRandom }, { folder })
  if (!opened) throw new Error(`${folder} has not joined`)
  const member = opened
  const deps = { clock: member.clock, random: systemRandom, log }
  const runtime = createPeerRuntime(
    {
      ...deps,
      admission: createAdmission({ clock, onRefusals: () => undefined }),
      self: memberSelf(member),
      onCall: (_authenticated, { command, arguments: given }) => {
        if (command === FABRIC.notice) noticed(given as Notice)
        return { status: 'ok', value: {} }
      },
    },
    SESSION_LIMITS,
  )
  const applied = (kinds: readonly ObjectKind[]): void => {
    if (kinds.includes('bundle')) {
      runtime.updateIdentity()
      renewal.arm()
    }
    runtime.recheckSessions()
  }
  const noticed = ({ kinds, locks }: Notice): void => {
    const rest = kinds.filter((kind) => kind !== 'locks' || !locks)
    if (locks) link.takeLocks(locks)
    if (rest.length > 0) void link.fetch(rest)
  }
  const link = createAuthorityLink({
    ...deps,
    runtime,
    fabric: member.fabric,
    audit: NO_LOG,
    addresses: () => [],
    listeners: () => ({}),
    floor: () => 'SEC-2',
    authorityAddress: () => member.membership.session,
    onApplied: applied,
    onRefused: () => undefined,
    onUnreachable: () => Promise.resolve(undefined),
  })
  const renewal = createRenewalSchedule({
    ...deps,
    member,
    addresses: () => [],
    taintSpreadMs: Number(spread),
    onRenewed: () => runtime.updateIdentity(),
  })
  return { member, runtime, link, renewal }
}

interface Notice {
  readonly kinds: readonly ObjectKind[]
  readonly locks?: Uint8Array
}

/** Nothing to forward: what is measured are links and renewals. */
const NO_LOG = {
  unforwarded: () => new Promise<never>(() => undefined),
  markForwarded: () => Promise.resolve(),
  flush: () => Promise.resolve(),
} as unknown as Parameters<typeof createAuthorityLink>[0]['audit']

const living = fleet.members
  .slice(Number(first), Number(first) + Number(count))
  .map((folder) => createLiving(folder))

/** One after the other: how they come back together is what is measured, not how they came. */
async function start(): Promise<void> {
  for (const { link, renewal } of living) {
    link.start()
    renewal.arm()
    await sleep(START_EACH_MS)
  }
}

function counted(of: (one: Living) => number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const one of living) {
    const key = String(of(one))
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}

function state(): LivingState {
  return {
    connected: living.filter(({ link }) => link.isConnected).length,
    lost,
    renewed: renewedAtMs.length,
    generations: counted(({ member }) => member.membership.generation),
    bundles: counted(({ member }) => member.fabric.bundle.number),
    renewedAtMs,
    failed,
    rssBytes: process.memoryUsage.rss(),
  }
}

async function stop(): Promise<void> {
  for (const { renewal } of living) renewal.stop()
  await Promise.all(living.map(({ runtime }) => runtime.close()))
}

async function perform(request: LivingRequest): Promise<unknown> {
  switch (request.kind) {
    case 'start':
      return start()
    case 'state':
      return state()
    case 'advance':
      return clock.advance(request.ms)
    case 'stop':
      return stop()
  }
}

answerParent<LivingRequest>(perform)
// Timers of members keep no process alive.
setInterval(() => undefined, 1 << 30)
