import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type CliErrorCode =
  | 'KOS_CLI_USAGE'
  | 'KOS_CLI_CREDENTIAL'
  | 'KOS_CLI_FILE'
  | 'KOS_CLI_UNREACHABLE'
  | 'KOS_CLI_UNKNOWN_PEER'

/** The errors of this room. */
export const cliErrors: ErrorTable<CliErrorCode> = defineErrors({
  KOS_CLI_USAGE: {
    message: 'The command line is not understood.',
    hint: 'Add --help to the command, or to the program alone.',
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
})
