import { setTimeout as sleep } from 'node:timers/promises'
import {
  createCheckpointVerifier,
  logOrigin,
  verifyAuditFile,
  verifyConsistency,
} from '../../../trust/audit/index.ts'
import { isRefusal, refuse, type Refusal } from '../../../foundation/base/index.ts'
import {
  type AuditEntryView,
  type AuditMemberView,
  auditOrigin,
  auditPage,
  type AuditPage,
  type AuditReport,
  auditReport,
} from '../../authority/index.ts'
import {
  type AuthorityClient,
  type Member,
  readCheckpoint,
  writeCheckpoint,
} from '../../node/index.ts'
import { printTrouble, readMembers } from './audit-members.ts'
import type { CommandInput } from '../command-line.ts'
import { readAnswer } from '../answers.ts'
import type { CliContext } from '../context.ts'
import { openCredential, withAuthority } from '../credential.ts'
import { cliErrors } from '../errors.ts'
import {
  EXIT,
  paint,
  printable,
  printFields,
  printJson,
  printJsonLine,
  printRefusal,
  relativeTime,
} from '../output.ts'

const FOLLOW_INTERVAL_MS = 500

/** `kosctl audit tail` */
export async function tail(context: CliContext, input: CommandInput): Promise<number> {
  const count = Number(input.text('count') ?? '20')
  if (!(Number.isSafeInteger(count) && count > 0 && count <= 1000)) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--count is 1 to 1000' })
  }
  return withAuthority(context, async (client) => {
    const page = await readPage(client, -count, count)
    if (isRefusal(page)) return refusedExit(context, page)
    printEntries(context, page, input)
    const members = await readMembers(client)
    if (!isRefusal(members)) printTrouble(context, members)
    return input.flag('follow') ? follow(context, client, { input, from: page.size }) : EXIT.ok
  })
}

async function follow(
  context: CliContext,
  client: AuthorityClient,
  start: { readonly input: CommandInput; readonly from: number },
): Promise<number> {
  const { signal } = context
  for (let from = start.from; ;) {
    // Not the context's clock: its timers do not keep a process alive.
    await sleep(FOLLOW_INTERVAL_MS, undefined, signal && { signal }).catch(() => undefined)
    if (signal?.aborted) return EXIT.ok
    const page = await readPage(client, from, 1000)
    if (isRefusal(page)) return refusedExit(context, page)
    printEntries(context, page, start.input)
    from += page.entries.length
  }
}

async function readPage(
  client: AuthorityClient,
  from: number,
  limit: number,
): Promise<AuditPage | Refusal> {
  const answer = await client.request('GET', `/v1/audit?from=${from}&limit=${limit}`)
  return readAnswer(answer, auditPage)
}

function printEntries(context: CliContext, page: AuditPage, input: CommandInput): void {
  for (const entry of page.entries) {
    if (entry.action.startsWith('fabric.') && !input.flag('all')) continue
    if (input.flag('json')) printJsonLine(context.terminal, entry)
    else context.terminal.out(entryLine(context, entry))
  }
}

function entryLine(context: CliContext, entry: AuditEntryView): string {
  const colour =
    entry.outcome === 'refused' ? 'red' : entry.outcome === 'failed' ? 'yellow' : 'green'
  const { terminal } = context
  // Made harmless first, painted then: a forwarded entry says what its node wants it to say.
  const parts = [
    String(entry.index).padStart(5),
    paint(terminal, 'dim', timeOfDay(entry.timeMs)),
    paint(terminal, colour, printable(entry.outcome).padEnd(7)),
    printable(entry.type).padEnd(9),
    printable(`${shortName(entry.actor)} → ${shortName(entry.target)}`),
    printable(entry.action),
  ]
  if (entry.rule !== undefined) {
    parts.push(paint(terminal, 'dim', `rule ${printable(entry.rule)}`))
  }
  return parts.join('  ')
}

/** A node may claim any time, also one that no calendar has. */
function timeOfDay(timeMs: number): string {
  const date = new Date(timeMs)
  return Number.isNaN(date.getTime()) ? '-'.padEnd(12) : date.toISOString().slice(-13, -1)
}

/** The last two segments of a principal URI: kind and id. */
function shortName(uri: string): string {
  return uri.startsWith('spiffe://') ? uri.split('/').slice(3).join('/') : uri
}

/** `kosctl audit verify` */
export function verify(context: CliContext, input: CommandInput): Promise<number> {
  const file = input.text('file')
  return file === undefined ? verifyOnline(context, input) : verifyFile(context, input, file)
}

async function verifyOnline(context: CliContext, input: CommandInput): Promise<number> {
  return withAuthority(context, async (client, member) => {
    const seen = readCheckpoint(member.folder)
    const path = `/v1/audit/verify?from=${seen?.size ?? 0}`
    const report = readAnswer(await client.request('GET', path), auditReport)
    if (isRefusal(report)) return refusedExit(context, report)
    const doubt = checkReport(member, report)
    if (!doubt && report.ok) writeCheckpoint(member.folder, report.checkpoint)
    const members = await readMembers(client)
    if (isRefusal(members)) return refusedExit(context, members)
    return printReport(context, { input, report, doubt, members })
  })
}

/** What the authority says of itself is believed as far as its signed checkpoint proves it. */
function checkReport(member: Member, report: AuditReport): Refusal | undefined {
  const { bundle, directory } = member.fabric
  const { checkpoint: ed25519, checkpointMlDsa44: mlDsa44 } = bundle.signingKeys
  const authority = directory.current?.value.entries.find(({ kind }) => kind === 'authority')
  const [first] = ed25519
  const [second] = mlDsa44
  if (!authority || !first || !second) return refuse('KOS_AUDIT_NOTE', 'log-keys')
  const origin = logOrigin(auditOrigin(bundle.trustDomain, 'authority', authority.id), bundle.era)
  const verifyNote = createCheckpointVerifier(origin, {
    ed25519: spkiOf(first.key),
    mlDsa44: spkiOf(second.key),
  })
  const newest = verifyNote(report.checkpoint)
  if (isRefusal(newest)) return newest
  if (newest.origin !== origin) return refuse('KOS_AUDIT_NOTE', 'origin')
  const kept = readCheckpoint(member.folder)
  if (!kept || kept.size === 0) return undefined
  const before = verifyNote(kept.note)
  if (isRefusal(before)) return before
  // Both root keys opened another era after a restore: what came after the backup is not in it.
  if (before.origin !== newest.origin) return undefined
  const continues = verifyConsistency({
    from: before.size,
    to: newest.size,
    fromRoot: before.root,
    toRoot: newest.root,
    path: report.consistency.map((hash) => Buffer.from(hash, 'base64')),
  })
  return continues ? undefined : refuse('KOS_AUDIT_TAMPERED', 'consistency')
}

function spkiOf(key: { export(options: { format: 'der'; type: 'spki' }): Buffer }): Uint8Array {
  return key.export({ format: 'der', type: 'spki' })
}

async function verifyFile(context: CliContext, input: CommandInput, file: string): Promise<number> {
  const member = openCredential(context)
  try {
    const { checkpoint, checkpointMlDsa44 } = member.fabric.bundle.signingKeys
    const [first] = checkpoint
    const [second] = checkpointMlDsa44
    if (!first || !second) throw cliErrors.error('KOS_CLI_CREDENTIAL')
    const keys = { ed25519: spkiOf(first.key), mlDsa44: spkiOf(second.key) }
    const result = await verifyAuditFile(file, { keys })
    if (input.flag('json')) {
      printJson(context.terminal, result)
      return result.ok ? EXIT.ok : EXIT.unverified
    }
    return printReport(context, { input, report: result, doubt: undefined, members: [] })
  } finally {
    member.close()
  }
}

function printReport(
  context: CliContext,
  found: {
    readonly input: CommandInput
    readonly report: Pick<AuditReport, 'ok' | 'entries' | 'checkpoints' | 'unsealed'> & {
      readonly firstBad?: { readonly index: number; readonly reason: string } | undefined
    }
    readonly doubt: Refusal | undefined
    readonly members: readonly AuditMemberView[]
  },
): number {
  const { report, doubt, members } = found
  const isSound = report.ok && !doubt
  const hasAlarm = members.some(({ alarms }) => alarms.length > 0)
  const code = isSound && !hasAlarm ? EXIT.ok : EXIT.unverified
  if (found.input.flag('json')) {
    printJson(context.terminal, { ...report, ok: isSound, doubt, members })
    return code
  }
  const verdict = isSound ? paint(context.terminal, 'green', 'verified') : 'NOT VERIFIED'
  printFields(context.terminal, [
    ['entries', String(report.entries)],
    ['checkpoints', `${report.checkpoints} (Ed25519 and ML-DSA-44)`],
    ['unsealed', String(report.unsealed)],
  ])
  if (report.firstBad) {
    const { index, reason } = report.firstBad
    context.terminal.err(`first bad entry  ${index} (${printable(reason)})`)
  }
  if (doubt)
    context.terminal.err(`doubt  ${doubt.rule}: the log does not continue what was seen before`)
  for (const { name, takenIn, heardAt } of members) {
    const heard = relativeTime(heardAt, context.clock.wallMs())
    context.terminal.out(
      printable(`member  ${name}: taken in up to ${takenIn}, last heard ${heard}`),
    )
  }
  context.terminal.out(verdict)
  // The log of the authority may be sound and yet lack what a member never forwarded.
  printTrouble(context, members)
  return code
}

function refusedExit(context: CliContext, refusal: Refusal): number {
  printRefusal(context.terminal, 'audit', refusal)
  return EXIT.refused
}
