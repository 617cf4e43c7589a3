import { isRefusal, z } from '../../../foundation/base/index.ts'
import { sessionList, type SessionView } from '../../authority/index.ts'
import { readAnswer } from '../answers.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { withAuthority } from '../credential.ts'
import { EXIT, printJson, printRefusal, printTable, relativeTime } from '../output.ts'

/** `kosctl sessions` */
export async function list(context: CliContext, input: CommandInput): Promise<number> {
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await client.request('GET', '/v1/sessions'), sessionList),
  )
  if (isRefusal(answer)) {
    printRefusal(context.terminal, 'sessions', answer)
    return EXIT.refused
  }
  if (input.flag('json')) printJson(context.terminal, answer.sessions)
  else printSessions(context, answer.sessions)
  return EXIT.ok
}

function printSessions(context: CliContext, sessions: readonly SessionView[]): void {
  const now = context.clock.wallMs()
  printTable(
    context.terminal,
    ['HANDLE', 'KIND', 'PRINCIPAL', 'SOURCE', 'CREATED', 'EXPIRES', 'LAST USE'],
    sessions.map((session) => [
      session.handle,
      session.kind,
      session.principal,
      session.source,
      relativeTime(session.createdAt, now),
      relativeTime(session.expiresAt, now),
      session.kind === 'session' ? 'open' : relativeTime(session.lastUsedAt, now),
    ]),
  )
}

/** `kosctl sessions revoke` */
export async function revoke(context: CliContext, input: CommandInput): Promise<number> {
  const [handle = ''] = input.positionals
  const path = `/v1/sessions/${encodeURIComponent(handle)}`
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await client.request('DELETE', path), z.object({ revoked: z.boolean() })),
  )
  if (isRefusal(answer)) {
    printRefusal(context.terminal, 'sessions revoke', answer)
    return EXIT.refused
  }
  if (input.flag('json')) printJson(context.terminal, { revoked: handle })
  else context.terminal.out('revoked')
  return EXIT.ok
}
