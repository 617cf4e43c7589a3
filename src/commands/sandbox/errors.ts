import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type SandboxErrorCode = 'KOS_SANDBOX_MISSING' | 'KOS_SANDBOX_UNTRUSTED' | 'KOS_SANDBOX_START'

/** The errors of this room: why no program can be run in isolation on this host. */
export const sandboxErrors: ErrorTable<SandboxErrorCode> = defineErrors({
  KOS_SANDBOX_MISSING: {
    message: 'The sandbox program bubblewrap is not installed.',
    hint: 'Install the package "bubblewrap" of the distribution.',
    retry: 'never',
  },
  KOS_SANDBOX_UNTRUSTED: {
    message: 'The sandbox program could be replaced by other users of this machine.',
    hint: 'Make it a regular file of root that group and others cannot write.',
    retry: 'never',
  },
  KOS_SANDBOX_START: {
    message: 'The sandbox does not start under an unprivileged user.',
    hint: 'Follow the remedy; user namespaces are often switched off by a kernel setting.',
    retry: 'never',
  },
})
