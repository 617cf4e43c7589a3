import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type KeysErrorCode =
  | 'KOS_KEYS_CHANGED'
  | 'KOS_KEYS_CLOSED'
  | 'KOS_KEYS_CORRUPT'
  | 'KOS_KEYS_EXISTS'
  | 'KOS_KEYS_MODE'
  | 'KOS_KEYS_NAME'
  | 'KOS_KEYS_NOT_FOUND'
  | 'KOS_KEYS_PURPOSE'
  | 'KOS_KEYS_SEALED'
  | 'KOS_KEYS_UNLOCK'
  | 'KOS_KEYS_WRITE'

/** The errors of this room; `details.rule` names the check, `details.name` the key. */
export const keysErrors: ErrorTable<KeysErrorCode> = defineErrors({
  KOS_KEYS_CHANGED: {
    message: 'Another process changed the key store.',
    hint: 'Stop the other process that uses this folder, then start again.',
    retry: 'later',
  },
  KOS_KEYS_CLOSED: {
    message: 'The key store is closed.',
    hint: 'Open it again before using its keys.',
    retry: 'never',
  },
  KOS_KEYS_CORRUPT: {
    message: 'The key store is damaged or was tampered with.',
    hint: 'Restore its folder from a backup, or remove it and enrol again.',
    retry: 'never',
  },
  KOS_KEYS_EXISTS: {
    message: 'A key of this name exists already.',
    hint: 'Choose another name, or remove the key first.',
    retry: 'never',
  },
  KOS_KEYS_MODE: {
    message: 'A file of the key store can be reached by others, or is no plain file of this user.',
    hint: 'Make this user its owner, set files to mode 0600 and close the folder to writing by others.',
    retry: 'never',
  },
  KOS_KEYS_NAME: {
    message: 'The name is not allowed for a key or secret.',
    hint: 'Use 1 to 64 lower-case letters, digits, dots, underscores and dashes.',
    retry: 'never',
  },
  KOS_KEYS_NOT_FOUND: {
    message: 'There is no such key.',
    hint: 'List the keys, and create it first.',
    retry: 'never',
  },
  KOS_KEYS_PURPOSE: {
    message: 'The key may not be used for this purpose.',
    hint: 'Use the key that was made for it.',
    retry: 'never',
  },
  KOS_KEYS_SEALED: {
    message: 'A sealed value does not open.',
    hint: 'Seal it anew in the folder and at the place where it is used.',
    retry: 'never',
  },
  KOS_KEYS_UNLOCK: {
    message: 'The key store could not be unlocked.',
    hint: 'Give the right passphrase, or put its key file back.',
    retry: 'never',
  },
  KOS_KEYS_WRITE: {
    message: 'The key store could not be written; nothing was changed.',
    hint: 'Free some disk space and check that the folder can be written.',
    retry: 'later',
  },
})
