import { z } from '../../../foundation/base/index.ts'
import { userChanged, userInvited, userList, type UserView } from '../../authority/index.ts'
import { jsonBody } from '../answers.ts'
import { askAuthority } from '../ask.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { cliErrors } from '../errors.ts'
import { paint, parseDuration, printable, printJson, printTable, relativeTime } from '../output.ts'

/** `kosctl operator add` */
export function add(context: CliContext, input: CommandInput): Promise<number> {
  const lifeMs = parseDuration(input.text('ttl') ?? '10m')
  if (lifeMs === undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--ttl is a duration such as 90s or 10m' })
  }
  const body = jsonBody({ name: nameOf(input), roles: rolesOf(input), lifeMs })
  const schema = userInvited
  const question = { what: 'operator add', method: 'POST', path: '/v1/users', schema } as const
  return askAuthority(context, { ...question, body }, (answer) => {
    if (context.terminal.isJson) printJson(context.terminal, answer)
    else context.terminal.out(printable(answer.joinLine))
  })
}

/** `kosctl operator list` */
export function list(context: CliContext): Promise<number> {
  const path = '/v1/users'
  const question = { what: 'operator list', method: 'GET', path, schema: userList } as const
  return askAuthority(context, question, ({ users }) => {
    if (context.terminal.isJson) printJson(context.terminal, users)
    else printUsers(context, users)
  })
}

function printUsers({ terminal, clock }: CliContext, users: readonly UserView[]): void {
  const now = clock.wallMs()
  printTable(
    terminal,
    ['NAME', 'ROLES', 'STATE', 'ENDS', 'LAST USE'],
    users.map(({ name, roles, state, endsAt, lastSeenAt }) => [
      name,
      roles.join(', ') || '-',
      state,
      relativeTime(endsAt, now),
      relativeTime(lastSeenAt, now),
    ]),
  )
}

/** `kosctl operator role` */
export function role(context: CliContext, input: CommandInput): Promise<number> {
  const body = jsonBody({ roles: rolesOf(input) })
  const question = { ...pathOf(input), what: 'operator role', method: 'PATCH' } as const
  return askAuthority(context, { ...question, body, schema: userChanged }, (answer) => {
    const { terminal } = context
    if (terminal.isJson) printJson(terminal, answer)
    else terminal.out(`${printable(answer.name)}  ${answer.roles.map(printable).join(', ')}`)
  })
}

/** `kosctl operator remove` */
export function remove(context: CliContext, input: CommandInput): Promise<number> {
  const schema = z.object({ removed: z.boolean() })
  const question = { ...pathOf(input), what: 'operator remove', method: 'DELETE', schema } as const
  return askAuthority(context, question, () => {
    const { terminal } = context
    const name = nameOf(input)
    if (terminal.isJson) printJson(terminal, { removed: name })
    else terminal.out(`${paint(terminal, 'green', 'removed')}  ${printable(name)}`)
  })
}

function nameOf({ positionals: [name = ''] }: CommandInput): string {
  return name
}

function pathOf(input: CommandInput): { readonly path: string } {
  return { path: `/v1/users/${encodeURIComponent(nameOf(input))}` }
}

/** The authority knows which there are; that there is one is seen here. */
function rolesOf(input: CommandInput): readonly string[] {
  const roles = input.texts('role')
  if (roles.length === 0) throw cliErrors.error('KOS_CLI_USAGE', { reason: '--role is missing' })
  return [...new Set(roles)]
}
