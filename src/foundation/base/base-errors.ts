import { defineErrors, type ErrorTable } from './errors.ts'

type BaseErrorCode = 'KOS_BASE_INVALID'

/** The errors of this room. */
export const baseErrors: ErrorTable<BaseErrorCode> = defineErrors({
  KOS_BASE_INVALID: {
    message: 'A value does not have the required shape.',
    hint: 'Correct the field that the rule names.',
    retry: 'never',
  },
})
