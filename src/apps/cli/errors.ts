import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type CliErrorCode =
  | 'KOS_CLI_USAGE'
  | 'KOS_CLI_BUSY'
  | 'KOS_CLI_CREDENTIAL'
  | 'KOS_CLI_EXPORT'
  | 'KOS_CLI_FILE'
  | 'KOS_CLI_INTERRUPTED'
  | 'KOS_CLI_PASSPHRASE_FILE'
  | 'KOS_CLI_CONFIG'
  | 'KOS_CLI_CONFIG_PLAIN'
  | 'KOS_CLI_CONFIG_TEXT'
  | 'KOS_CLI_EDITOR'
  | 'KOS_CLI_FIPS'
  | 'KOS_CLI_ANSWER'
  | 'KOS_CLI_FOLDER_TAKEN'
  | 'KOS_CLI_NO_SESSION'
  | 'KOS_CLI_LOCKED'
  | 'KOS_CLI_UNREACHABLE'
  | 'KOS_CLI_UNKNOWN_PEER'
  | 'KOS_CLI_AGENT'
  | 'KOS_CLI_AGENT_PLACE'
  | 'KOS_CLI_IMAGE'

/** The errors of this room. */
export const cliErrors: ErrorTable<CliErrorCode> = defineErrors({
  KOS_CLI_USAGE: {
    message: 'The command line is not understood.',
    hint: 'Add --help to the command, or to the program alone.',
    retry: 'never',
  },
  KOS_CLI_BUSY: {
    message: 'Another command renews the credential of this folder.',
    hint: 'Try again in a moment.',
    retry: 'later',
  },
  KOS_CLI_EXPORT: {
    message: 'This does not leave the folder.',
    hint: 'TLS keys of a member can be exported; identity, log, CA and role keys move in backups alone.',
    retry: 'never',
  },
  KOS_CLI_CREDENTIAL: {
    message: 'There is no usable operator credential.',
    hint: 'Run "kosd authority" once on this machine, or set KOS_CONFIG to the folder of your credential.',
    retry: 'never',
  },
  KOS_CLI_FILE: {
    message: 'A file or folder cannot be used.',
    hint: 'Check its path, its owner and permissions, and the free disk space.',
    retry: 'never',
  },
  KOS_CLI_INTERRUPTED: {
    message: 'No passphrase was typed, so nothing was done.',
    hint: 'Run the command again.',
    retry: 'never',
  },
  KOS_CLI_PASSPHRASE_FILE: {
    message: 'The file of the passphrase cannot be used.',
    hint: 'It is a file of one line that nobody else can reach: chmod 600 FILE.',
    retry: 'never',
  },
  KOS_CLI_CONFIG: {
    message: 'The configuration is refused, so nothing was started or changed.',
    hint: 'Correct it at the place that is named; "kosctl config check" shows all that is wrong.',
    retry: 'never',
  },
  KOS_CLI_CONFIG_PLAIN: {
    message: 'A secret stands in the configuration in the clear, so nothing was started.',
    hint: 'Seal it with the command that is named, and change it if others could read the file.',
    retry: 'never',
  },
  KOS_CLI_CONFIG_TEXT: {
    message: 'The configuration is written in a way that this command cannot change; it did not.',
    hint: 'Use "kosctl config edit", or write the value on a line of its own: NAME: VALUE.',
    retry: 'never',
  },
  KOS_CLI_EDITOR: {
    message: 'The editor did not end well, so nothing was changed.',
    hint: 'Name an editor in VISUAL or EDITOR, one that ends when the file is closed.',
    retry: 'never',
  },
  KOS_CLI_FIPS: {
    message: 'There is no OpenSSL FIPS provider to run on, so the daemon does not start.',
    hint: 'Name a configuration that activates the providers base and fips: --fips-config FILE.',
    retry: 'never',
  },
  KOS_CLI_ANSWER: {
    message: 'The peer answered with something that is not understood.',
    hint: 'Use a kosctl of a version that fits the peer.',
    retry: 'never',
  },
  KOS_CLI_FOLDER_TAKEN: {
    message: 'The folder holds a credential already, and nothing in it was changed.',
    hint: 'Set KOS_CONFIG to an empty folder: one folder, one credential.',
    retry: 'never',
  },
  KOS_CLI_NO_SESSION: {
    message: 'The profiles of both ends allow no session between them.',
    hint: 'A sensor (SEC-1) has a key that only its authority holds, and the authority relays no calls.',
    retry: 'never',
  },
  KOS_CLI_LOCKED: {
    message: 'The peer is locked: nobody opens a session with it.',
    hint: 'Read why with "kosctl audit tail"; an operator unlocks it with "kosctl unlock NAME".',
    retry: 'never',
  },
  KOS_CLI_UNREACHABLE: {
    message: 'The other side cannot be reached.',
    hint: 'Check that it runs and that its address is right: kosctl devices, kosctl doctor.',
    retry: 'later',
  },
  KOS_CLI_UNKNOWN_PEER: {
    message: 'No peer of this name stands in the directory.',
    hint: 'List the names with "kosctl devices".',
    retry: 'never',
  },
  KOS_CLI_AGENT: {
    message: 'The agent did not do what it was asked.',
    hint: 'Look at it with "kosctl agent status", or set KOS_AGENT to nothing to call without it.',
    retry: 'later',
  },
  KOS_CLI_AGENT_PLACE: {
    message: 'The place of the agent’s socket is not safe.',
    hint: 'Its folder and those above must be yours, and nobody else may write to them: chmod 700.',
    retry: 'never',
  },
  KOS_CLI_IMAGE: {
    message:
      'The folder holds what a start of kosd left: copies of it would be one and the same device.',
    hint: 'Seal an empty folder; an image is made before kosd runs for the first time.',
    retry: 'never',
  },
})
