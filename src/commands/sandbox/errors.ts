import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type SandboxErrorCode =
  | 'KOS_SANDBOX_MISSING'
  | 'KOS_SANDBOX_UNTRUSTED'
  | 'KOS_SANDBOX_START'
  | 'KOS_SANDBOX_PROGRAM'
  | 'KOS_SANDBOX_BUSY'
  | 'KOS_SANDBOX_BROKER'

/** The errors of this room: why a program is not run in isolation on this host. */
export const sandboxErrors: ErrorTable<SandboxErrorCode> = defineErrors({
  KOS_SANDBOX_MISSING: {
    message: 'A program that the sandbox is made of is not installed.',
    hint: 'Install the packages "bubblewrap" and "perl" of the distribution.',
    retry: 'never',
  },
  KOS_SANDBOX_UNTRUSTED: {
    message: 'A program that the sandbox is made of could be replaced by other users.',
    hint: 'Make it a regular file of root that group and others cannot write.',
    retry: 'never',
  },
  KOS_SANDBOX_START: {
    message: 'The sandbox does not start under an unprivileged user.',
    hint: 'Follow the remedy; user namespaces are often switched off by a kernel setting.',
    retry: 'never',
  },
  KOS_SANDBOX_PROGRAM: {
    message: 'The program cannot be started inside the sandbox.',
    hint: 'Look at the log of the device: file, its interpreter and its libraries must be visible.',
    retry: 'never',
  },
  KOS_SANDBOX_BUSY: {
    message: 'As many programs run already as the device allows.',
    hint: 'Wait until one has ended.',
    retry: 'later',
  },
  KOS_SANDBOX_BROKER: {
    message: 'The process that starts programs ended; those that ran were killed.',
    hint: 'It is started again by the next run; look at the log of the device for what ended it.',
    retry: 'later',
  },
})
