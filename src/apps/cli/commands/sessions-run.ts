import { z } from '../../../foundation/base/index.ts'
import { sessionList, type SessionView } from '../../authority/index.ts'
import { askAuthority } from '../ask.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { printJson, printTable, relativeTime } from '../output.ts'

/** `kosctl sessions` */
export function list(context: CliContext): Promise<number> {
  const path = '/v1/sessions'
  const question = { what: 'sessions', method: 'GET', path, schema: sessionList } as const
  return askAuthority(context, question, ({ sessions }) => {
    if (context.terminal.isJson) printJson(context.terminal, sessions)
    else printSessions(context, sessions)
  })
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
export function revoke(context: CliContext, input: CommandInput): Promise<number> {
  const [handle = ''] = input.positionals
  const path = `/v1/sessions/${encodeURIComponent(handle)}`
  const schema = z.object({ revoked: z.boolean() })
  return askAuthority(context, { what: 'sessions revoke', method: 'DELETE', path, schema }, () => {
    if (context.terminal.isJson) printJson(context.terminal, { revoked: handle })
    else context.terminal.out('revoked')
  })
}
