import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type EnrolmentErrorCode =
  | 'KOS_ENROLMENT_JOIN_LINE'
  | 'KOS_ENROLMENT_REQUEST'
  | 'KOS_ENROLMENT_TOKEN'
  | 'KOS_ENROLMENT_TOKEN_ROOT'
  | 'KOS_ENROLMENT_NAME_TAKEN'
  | 'KOS_ENROLMENT_PROFILE'
  | 'KOS_ENROLMENT_PROOF'
  | 'KOS_ENROLMENT_UNKNOWN'
  | 'KOS_ENROLMENT_LOCKED'
  | 'KOS_ENROLMENT_EXPIRED'
  | 'KOS_ENROLMENT_FLOOR'
  | 'KOS_ENROLMENT_COPY'
  | 'KOS_ENROLMENT_CSR'
  | 'KOS_ENROLMENT_RATE'
  | 'KOS_ENROLMENT_BATCH'
  | 'KOS_ENROLMENT_FULL'

/** The errors of this room. */
export const enrolmentErrors: ErrorTable<EnrolmentErrorCode> = defineErrors({
  KOS_ENROLMENT_JOIN_LINE: {
    message: 'The join line is not complete.',
    hint: 'Copy the whole line that "kosctl token create" printed: kos://host:port#pin.token.secret.',
    retry: 'never',
  },
  KOS_ENROLMENT_REQUEST: {
    message: 'The enrolment request is malformed.',
    hint: 'Use a kosd of a version that fits the authority.',
    retry: 'never',
  },
  KOS_ENROLMENT_TOKEN: {
    message: 'The join token cannot be used: it is unknown, used, revoked or expired.',
    hint: 'Ask the operator for a new one: kosctl token create --name NAME.',
    retry: 'never',
  },
  KOS_ENROLMENT_TOKEN_ROOT: {
    message: 'The secret that join tokens are derived from has a wrong length.',
    hint: 'Restore the key store of the authority from a backup.',
    retry: 'never',
  },
  KOS_ENROLMENT_NAME_TAKEN: {
    message: 'Another principal or open token has this name.',
    hint: 'Choose another name, or remove the device that has it: kosctl devices remove NAME.',
    retry: 'never',
  },
  KOS_ENROLMENT_PROFILE: {
    message: 'This profile cannot be granted by a token alone.',
    hint: 'Use SEC-2, or join with hardware evidence where the device has it.',
    retry: 'never',
  },
  KOS_ENROLMENT_PROOF: {
    message: 'The request does not prove possession of its keys.',
    hint: 'Start the join again; if it repeats, look for a proxy that ends TLS between the two.',
    retry: 'never',
  },
  KOS_ENROLMENT_UNKNOWN: {
    message: 'The authority knows no such principal.',
    hint: 'Join the device again with a new token.',
    retry: 'never',
  },
  KOS_ENROLMENT_LOCKED: {
    message: 'The principal is locked or removed.',
    hint: 'Ask the operator why: kosctl devices show NAME.',
    retry: 'never',
  },
  KOS_ENROLMENT_EXPIRED: {
    message: 'The certificate ended too long ago to be renewed.',
    hint: 'Join the device again with a new token.',
    retry: 'never',
  },
  KOS_ENROLMENT_FLOOR: {
    message: 'The device has a stricter profile: it never comes in with less.',
    hint: 'Ask for a token of the profile that the device has: kosctl devices show NAME.',
    retry: 'never',
  },
  KOS_ENROLMENT_COPY: {
    message: 'Keys or token of the request belong to somebody else too: they may have been copied.',
    hint: 'Inspect the device; remove a locked one; join from an empty state folder, with a new token.',
    retry: 'never',
  },
  KOS_ENROLMENT_CSR: {
    message: 'The certificate request (PKCS#10) cannot be accepted.',
    hint: 'Make it with a P-256 key and SHA-256, as docs/est.md shows, and send it as base64 of its DER.',
    retry: 'never',
  },
  KOS_ENROLMENT_RATE: {
    message: 'The certificate was renewed too often.',
    hint: 'Renew at half of its life, and try again later.',
    retry: 'later',
  },
  KOS_ENROLMENT_BATCH: {
    message: 'The devices of the list cannot all be brought in, so no join token was created.',
    hint: 'Correct the rows that are named, and send the whole list again.',
    retry: 'never',
  },
  KOS_ENROLMENT_FULL: {
    message: 'The authority has as many principals as a directory can name.',
    hint: 'Remove devices that are gone: kosctl devices remove NAME.',
    retry: 'never',
  },
})
