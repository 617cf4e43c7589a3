import { chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { formatHostPort, writeFirstBoot } from '../../node/index.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { firstBootOf, readJoinLine } from '../daemon-join.ts'
import { cliErrors } from '../errors.ts'
import { EXIT, paint, printFields } from '../output.ts'

/** What may lie in a folder that is sealed: what an administrator puts there, and an earlier seal. */
const ALLOWED: readonly string[] = ['commands', 'first-boot.json', 'share']

/** `kosctl image seal` */
export function seal(context: CliContext, input: CommandInput): number {
  const folder = input.text('state')
  if (folder === undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--state is missing' })
  }
  const firstBoot = firstBootOf(context, input)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  // Keys, databases, objects: whatever a start left is the identity of one machine.
  const [found] = readdirSync(folder)
    .filter((name) => !ALLOWED.includes(name))
    .toSorted((a) => (a === 'keys' ? -1 : 1))
  if (found !== undefined) throw cliErrors.error('KOS_CLI_IMAGE', { folder, found })
  writeFirstBoot(folder, firstBoot)
  const { host, port, tokenId, secret } = readJoinLine(context, firstBoot.joinLine)
  secret[Symbol.dispose]()
  const { terminal } = context
  if (!terminal.isJson) terminal.out(paint(terminal, 'green', 'sealed'))
  printFields(terminal, [
    ['folder', folder],
    ['authority', formatHostPort({ host, port })],
    ['token', tokenId],
    ['names', firstBoot.name ?? 'as the token says'],
  ])
  return EXIT.ok
}
