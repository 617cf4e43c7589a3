import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type ExecutionErrorCode =
  | 'KOS_EXECUTION_OPTIONS'
  | 'KOS_EXECUTION_CALL'
  | 'KOS_EXECUTION_PROFILE'
  | 'KOS_EXECUTION_CLOSED'
  | 'KOS_EXECUTION_RATE'
  | 'KOS_EXECUTION_BUSY'
  | 'KOS_EXECUTION_DUPLICATE'
  | 'KOS_EXECUTION_RESULT_GONE'
  | 'KOS_EXECUTION_TIMEOUT'
  | 'KOS_EXECUTION_CANCELLED'
  | 'KOS_EXECUTION_INTERRUPTED'
  | 'KOS_EXECUTION_FAILED'
  | 'KOS_EXECUTION_RESULT_INVALID'
  | 'KOS_EXECUTION_RESULT_TOO_LARGE'
  | 'KOS_EXECUTION_AUDIT_UNAVAILABLE'
  | 'KOS_EXECUTION_STREAM'

/**
 * The errors of this room: the first is thrown at start, the last to a command that streams, the others
 * are refusals and failures of a call.
 */
export const executionErrors: ErrorTable<ExecutionErrorCode> = defineErrors({
  KOS_EXECUTION_OPTIONS: {
    message: 'A limit of execution is not a positive number.',
    hint: 'Correct the option that the details name.',
    retry: 'never',
  },
  KOS_EXECUTION_CALL: {
    message: 'The call is not in the accepted form.',
    hint: 'Send a call id of 16 bytes in lower-case hexadecimal and a positive deadline.',
    retry: 'never',
  },
  KOS_EXECUTION_PROFILE: {
    message: 'The security profile of this device executes nothing.',
    hint: 'Raise the profile of the device to SEC-1 or higher.',
    retry: 'never',
  },
  KOS_EXECUTION_CLOSED: {
    message: 'The daemon is shutting down.',
    hint: 'Try again when it is back.',
    retry: 'later',
  },
  KOS_EXECUTION_RATE: {
    message: 'The caller makes calls faster than it may.',
    hint: 'Wait as long as the answer says; a manifest can grant a higher rate.',
    retry: 'later',
  },
  KOS_EXECUTION_BUSY: {
    message: 'Too many calls of this kind run or wait already.',
    hint: 'Wait as long as the answer says, then try again with the same call id.',
    retry: 'later',
  },
  KOS_EXECUTION_DUPLICATE: {
    message: 'The call id was used for another command or other arguments.',
    hint: 'Make a new call id for every new call.',
    retry: 'never',
  },
  KOS_EXECUTION_RESULT_GONE: {
    message: 'The call was executed once, but its result is no longer kept.',
    hint: 'Look at the state that the command was to change before calling again with a new id.',
    retry: 'never',
  },
  KOS_EXECUTION_TIMEOUT: {
    message: 'The command did not end in time.',
    hint: 'Give it a longer deadline; a command that changes something may still take effect.',
    retry: 'later',
  },
  KOS_EXECUTION_CANCELLED: {
    message: 'The call was cancelled.',
    hint: 'Call again; a command that changes something may still take effect.',
    retry: 'later',
  },
  KOS_EXECUTION_INTERRUPTED: {
    message: 'The daemon ended while the command ran; whether it took effect is not known.',
    hint: 'Look at the state that the command was to change before calling again with a new id.',
    retry: 'never',
  },
  KOS_EXECUTION_FAILED: {
    message: 'The command failed inside the daemon.',
    hint: 'Find the call id in the log of the device.',
    retry: 'never',
  },
  KOS_EXECUTION_RESULT_INVALID: {
    message: 'The result of the command does not fit its schema and was withheld.',
    hint: 'This is a bug in kOS: report it with the log of the daemon.',
    retry: 'never',
  },
  KOS_EXECUTION_RESULT_TOO_LARGE: {
    message: 'The result is larger than the command may return.',
    hint: 'Ask for a smaller part.',
    retry: 'never',
  },
  KOS_EXECUTION_AUDIT_UNAVAILABLE: {
    message: 'The audit log takes no records, so nothing that needs one is executed or returned.',
    hint: 'Free disk space on the device or repair its audit log: kosctl doctor',
    retry: 'later',
  },
  KOS_EXECUTION_STREAM: {
    message: 'The command can send no more bytes: the call has ended, or a limit is reached.',
    hint: 'Await every emit, send at most 1 MiB at once, and let this error end the command.',
    retry: 'never',
  },
})
