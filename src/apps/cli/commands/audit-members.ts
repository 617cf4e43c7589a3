import { isRefusal, type Refusal } from '../../../foundation/base/index.ts'
import { auditMemberList, type AuditMemberView } from '../../authority/index.ts'
import type { AuthorityClient } from '../../node/index.ts'
import { readAnswer } from '../answers.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { withAuthority } from '../credential.ts'
import {
  EXIT,
  type ExitCode,
  paint,
  printable,
  printJson,
  printRefusal,
  printTable,
  relativeTime,
} from '../output.ts'

const HEAD = ['NAME', 'KIND', 'LOG', 'TAKEN IN', 'MISSING', 'LAST HEARD', 'CONNECTED']

/** `kosctl audit members` */
export async function members(context: CliContext, input: CommandInput): Promise<number> {
  const found = await withAuthority(context, (client) => readMembers(client))
  if (isRefusal(found)) {
    printRefusal(context.terminal, 'audit members', found)
    return EXIT.refused
  }
  if (input.flag('json')) {
    printJson(context.terminal, found)
    return exitOf(found)
  }
  printTable(
    context.terminal,
    HEAD,
    found.map((member) => [
      member.name,
      member.kind,
      member.state,
      String(member.takenIn),
      String(member.missing),
      relativeTime(member.heardAt, context.clock.wallMs()),
      member.connected ? 'yes' : 'no',
    ]),
  )
  return printTrouble(context, found)
}

/** Asks the authority about the logs of its members. */
export async function readMembers(client: AuthorityClient): Promise<AuditMemberView[] | Refusal> {
  const answer = await client.request('GET', '/v1/audit/members')
  const list = readAnswer(answer, auditMemberList)
  return isRefusal(list) ? list : list.members
}

/**
 * Names on standard error every member whose log is not whole here: alarms, and who has not forwarded.
 *
 * @returns the exit code that they deserve
 */
export function printTrouble(context: CliContext, found: readonly AuditMemberView[]): ExitCode {
  const { terminal, clock } = context
  for (const member of found) {
    const about = `${member.name}, taken in up to entry ${member.takenIn}`
    for (const alarm of member.alarms) {
      terminal.err(`${paint(terminal, 'red', 'ALARM')}    ${printable(alarmText(member, alarm))}`)
    }
    const since = relativeTime(member.heardAt, clock.wallMs())
    if (member.state === 'silent') {
      terminal.err(
        `${paint(terminal, 'yellow', 'silent')}   ${printable(about)}: last heard ${since}`,
      )
    }
    if (member.state === 'never') {
      terminal.err(
        `${paint(terminal, 'yellow', 'silent')}   ${printable(member.name)}: never heard`,
      )
    }
    if (member.missing > 0) {
      const missing = `${about}: it has ${member.missing} more`
      terminal.err(`${paint(terminal, 'yellow', 'behind')}   ${printable(missing)}`)
    }
  }
  return exitOf(found)
}

function exitOf(found: readonly AuditMemberView[]): ExitCode {
  return found.some(({ alarms }) => alarms.length > 0) ? EXIT.unverified : EXIT.ok
}

function alarmText(
  { name }: AuditMemberView,
  { kind, first, last }: AuditMemberView['alarms'][number],
): string {
  switch (kind) {
    case 'gap':
      return last === undefined || last === first
        ? `${name}: entry ${first} of its log was never forwarded, later ones were`
        : `${name}: entries ${first} to ${last} of its log were never forwarded, later ones were`
    case 'fork':
      return `${name}: its log contradicts what it forwarded before, from entry ${first} on`
    case 'unfit':
      return `${name}: what it forwards as entry ${first} cannot be taken in`
    case 'short':
      return `${name}: its log ends before entry ${first}, but it had forwarded more`
  }
}
