import { defineErrors, type ErrorTable } from '../base/index.ts'

type ProfilesErrorCode = 'KOS_PROFILES_DOWNGRADE'

/** The errors of this room. */
export const profilesErrors: ErrorTable<ProfilesErrorCode> = defineErrors({
  KOS_PROFILES_DOWNGRADE: {
    message: 'A device cannot move to a weaker security profile.',
    hint: 'Keep the profile or ask for a stricter one.',
    retry: 'never',
  },
})
