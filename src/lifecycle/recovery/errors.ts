import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type RecoveryErrorCode = 'KOS_RECOVERY_OFFER' | 'KOS_RECOVERY_CLAIM'

/** The errors of this room; the rule names the check. */
export const recoveryErrors: ErrorTable<RecoveryErrorCode> = defineErrors({
  KOS_RECOVERY_OFFER: {
    message: 'What a member brought to its restored authority does not count.',
    hint: 'It is not signed by this authority, or cannot be read; the member goes on without it.',
    retry: 'never',
  },
  KOS_RECOVERY_CLAIM: {
    message: 'A member could not prove its certificate to its restored authority.',
    hint: 'Let the device join again with a new token.',
    retry: 'never',
  },
})
