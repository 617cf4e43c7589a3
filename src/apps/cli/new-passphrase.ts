import type { Secret } from '../../foundation/base/index.ts'
import type { CliContext } from './context.ts'
import { cliErrors } from './errors.ts'
import { readPassphraseFile } from './passphrase.ts'

/**
 * A passphrase that is set now: from a file, or typed twice by a person.
 *
 * @param source - the file, and the option that names one
 * @throws {@link KosError} KOS_CLI_USAGE when nobody can be asked or the two differ, KOS_CLI_PASSPHRASE_FILE
 */
export function newPassphrase(
  context: Pick<CliContext, 'prompt'>,
  source: { readonly file: string | undefined; readonly option: string },
): Secret {
  if (source.file !== undefined) return readPassphraseFile(source.file)
  const first = context.prompt?.('new passphrase: ')
  if (!first) {
    const reason = `no terminal to ask on: use ${source.option} FILE`
    throw cliErrors.error('KOS_CLI_USAGE', { reason })
  }
  using again = context.prompt?.('the same again: ')
  if (again && first.equals(again)) return first
  first[Symbol.dispose]()
  throw cliErrors.error('KOS_CLI_USAGE', { reason: 'the two passphrases differ' })
}
