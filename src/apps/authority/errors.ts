import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type AuthorityErrorCode =
  | 'KOS_AUTHORITY_STORE'
  | 'KOS_AUTHORITY_IN_USE'
  | 'KOS_AUTHORITY_GUARD'
  | 'KOS_AUTHORITY_NOT_FOUND'
  | 'KOS_AUTHORITY_REQUEST'
  | 'KOS_AUTHORITY_SELF_TEST'

/** The errors of this room. */
export const authorityErrors: ErrorTable<AuthorityErrorCode> = defineErrors({
  KOS_AUTHORITY_STORE: {
    message: 'A stored record of the authority cannot be read.',
    hint: 'Restore the state folder from a backup.',
    retry: 'never',
  },
  KOS_AUTHORITY_IN_USE: {
    message: 'Another authority already uses this state folder.',
    hint: 'Stop it, or choose another folder with --state.',
    retry: 'later',
  },
  KOS_AUTHORITY_GUARD: {
    message: 'The caller may not use this route of the authority.',
    hint: 'Use a credential with the role that the refusal names.',
    retry: 'never',
  },
  KOS_AUTHORITY_NOT_FOUND: {
    message: 'There is no such principal, token or object.',
    hint: 'List what there is: kosctl devices, kosctl token list.',
    retry: 'never',
  },
  KOS_AUTHORITY_REQUEST: {
    message: 'The request to the authority is malformed.',
    hint: 'Use a kosctl of a version that fits the authority.',
    retry: 'never',
  },
  KOS_AUTHORITY_SELF_TEST: {
    message: 'The authority failed its start-up self-test and does not serve.',
    hint: 'Read the named check; restore the state folder or correct the clock.',
    retry: 'never',
  },
})
