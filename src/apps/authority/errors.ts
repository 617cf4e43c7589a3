import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type AuthorityErrorCode =
  | 'KOS_AUTHORITY_STORE'
  | 'KOS_AUTHORITY_IN_USE'
  | 'KOS_AUTHORITY_DISK'
  | 'KOS_AUTHORITY_GUARD'
  | 'KOS_AUTHORITY_INTERNAL'
  | 'KOS_AUTHORITY_LISTEN'
  | 'KOS_AUTHORITY_LOCK'
  | 'KOS_AUTHORITY_NOT_FOUND'
  | 'KOS_AUTHORITY_OPERATOR'
  | 'KOS_AUTHORITY_REQUEST'
  | 'KOS_AUTHORITY_SELF_TEST'
  | 'KOS_AUTHORITY_STANDBY'
  | 'KOS_AUTHORITY_CA'
  | 'KOS_AUTHORITY_RECOVER'
  | 'KOS_AUTHORITY_BACKUP'
  | 'KOS_AUTHORITY_RESTORED'

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
  KOS_AUTHORITY_DISK: {
    message: 'The authority cannot write to its disk and refuses changes until it can.',
    hint: 'Free disk space on its machine; it recovers by itself.',
    retry: 'later',
  },
  KOS_AUTHORITY_GUARD: {
    message: 'The caller may not use this route of the authority.',
    hint: 'Use a credential with the role that the refusal names.',
    retry: 'never',
  },
  KOS_AUTHORITY_INTERNAL: {
    message: 'The authority failed on a request.',
    hint: 'Read its log; this is a bug in kOS.',
    retry: 'never',
  },
  KOS_AUTHORITY_LISTEN: {
    message: 'The authority cannot listen on its address.',
    hint: 'Choose a free port and an address of this machine with --listen and --session.',
    retry: 'never',
  },
  KOS_AUTHORITY_LOCK: {
    message: 'The principal cannot be unlocked.',
    hint: 'Only what an operator locked is unlocked; what is quarantined is removed and joins again.',
    retry: 'never',
  },
  KOS_AUTHORITY_NOT_FOUND: {
    message: 'There is no such principal, token or object.',
    hint: 'List what there is: kosctl devices, kosctl token list.',
    retry: 'never',
  },
  KOS_AUTHORITY_OPERATOR: {
    message: 'This would leave the fleet without anybody who can change it.',
    hint: 'Make another admin first: kosctl operator role NAME --role admin.',
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
  KOS_AUTHORITY_RECOVER: {
    message: 'No operator can be recovered like this; nothing was changed.',
    hint: 'Bring both root keys back (kosctl ca import-root), name an operator that never was, and set KOS_CONFIG to an empty folder.',
    retry: 'never',
  },
  KOS_AUTHORITY_CA: {
    message: 'This step of the rotation of the intermediate CA cannot be taken now.',
    hint: 'See "kosctl ca status"; the root keys sign what is permitted.',
    retry: 'never',
  },
  KOS_AUTHORITY_STANDBY: {
    message: 'The standby signers cannot be changed like this.',
    hint: 'See "kosctl standby list"; the root keys sign every change.',
    retry: 'never',
  },
  KOS_AUTHORITY_BACKUP: {
    message: 'The backup could not be made or read; nothing was changed.',
    hint: 'A backup goes into a new file, a restore into a folder that does not exist; take another backup when this one is damaged.',
    retry: 'never',
  },
  KOS_AUTHORITY_RESTORED: {
    message: 'The authority was restored from a backup and does not serve yet.',
    hint: 'It waits for its members to bring what is newer than the backup, a few minutes at most; see its output.',
    retry: 'later',
  },
})
