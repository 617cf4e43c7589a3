import { defineErrors, type ErrorTable } from './errors.ts'

type BaseErrorCode = 'KOS_BASE_INVALID' | 'KOS_BASE_WIPED'

/** The errors of this room. */
export const baseErrors: ErrorTable<BaseErrorCode> = defineErrors({
  KOS_BASE_INVALID: {
    message: 'A value does not have the required shape.',
    hint: 'Correct the field that the rule names.',
    retry: 'never',
  },
  KOS_BASE_WIPED: {
    message: 'A secret was used after it was wiped.',
    hint: 'Use a secret only while its owner keeps it.',
    retry: 'never',
  },
})
