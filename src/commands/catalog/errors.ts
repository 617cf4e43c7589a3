import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type CatalogErrorCode =
  | 'KOS_CATALOG_NAME'
  | 'KOS_CATALOG_DUPLICATE'
  | 'KOS_CATALOG_DEFINITION'
  | 'KOS_CATALOG_ROOT'
  | 'KOS_CATALOG_PROGRAMS'
  | 'KOS_CATALOG_UNKNOWN'
  | 'KOS_CATALOG_ARGUMENTS'
  | 'KOS_CATALOG_EXPRESSION'
  | 'KOS_CATALOG_ARITHMETIC'
  | 'KOS_CATALOG_PROGRAM_REFUSED'
  | 'KOS_CATALOG_FILE_REFUSED'
  | 'KOS_CATALOG_FILE_MISSING'
  | 'KOS_CATALOG_FILE_ENCODING'
  | 'KOS_CATALOG_PROGRAM'

/** The errors of this room: the first five are thrown at start, the others are refusals of a call. */
export const catalogErrors: ErrorTable<CatalogErrorCode> = defineErrors({
  KOS_CATALOG_NAME: {
    message: 'A command or permission name is not in the accepted form.',
    hint: 'Use lower-case segments joined by dots; only the fabric domain starts with "fabric.".',
    retry: 'never',
  },
  KOS_CATALOG_DUPLICATE: {
    message: 'Two commands have the same name.',
    hint: 'Rename one of them.',
    retry: 'never',
  },
  KOS_CATALOG_DEFINITION: {
    message: 'The definition of a command contradicts itself.',
    hint: 'Correct the field that the details name.',
    retry: 'never',
  },
  KOS_CATALOG_ROOT: {
    message: 'A shared folder is not configured in the accepted form.',
    hint: 'Give each folder a unique short name and an absolute path below "/".',
    retry: 'never',
  },
  KOS_CATALOG_PROGRAMS: {
    message: 'The file of allowed programs is refused, so the node does not start.',
    hint: 'Correct what the reason names; docs/sandbox.md describes the file.',
    retry: 'never',
  },
  KOS_CATALOG_UNKNOWN: {
    message: 'There is no such command.',
    hint: 'List the commands of the peer and check the spelling.',
    retry: 'never',
  },
  KOS_CATALOG_ARGUMENTS: {
    message: 'The arguments do not fit the command.',
    hint: 'Compare them with the argument schema of the command; the rule names the field.',
    retry: 'never',
  },
  KOS_CATALOG_EXPRESSION: {
    message: 'The expression is not well formed.',
    hint: 'Correct it at the character that the remedy names.',
    retry: 'never',
  },
  KOS_CATALOG_ARITHMETIC: {
    message: 'The expression has no finite value.',
    hint: 'Avoid division by zero, overflow and arguments outside the domain of a function.',
    retry: 'never',
  },
  KOS_CATALOG_PROGRAM_REFUSED: {
    message: 'The node does not run this program in this way.',
    hint: 'Ask whoever runs the node which programs and arguments it allows.',
    retry: 'never',
  },
  KOS_CATALOG_FILE_REFUSED: {
    message: 'The path cannot be reached through this command.',
    hint: 'Name a regular file or a folder below one of the folders that the device shares.',
    retry: 'never',
  },
  KOS_CATALOG_FILE_MISSING: {
    message: 'There is no such file or folder.',
    hint: 'List the folder and check the spelling.',
    retry: 'never',
  },
  KOS_CATALOG_FILE_ENCODING: {
    message: 'The file is not UTF-8 text at this place.',
    hint: 'Read it with the encoding "base64".',
    retry: 'never',
  },
  KOS_CATALOG_PROGRAM: {
    message: 'The program of the command ended without a usable result.',
    hint: 'The rule says how it ended; try the program or module by hand on the device.',
    retry: 'never',
  },
})
