import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type AdmissionErrorCode =
  | 'KOS_ADMISSION_ABANDONED'
  | 'KOS_ADMISSION_ADDRESS'
  | 'KOS_ADMISSION_BLOCKED'
  | 'KOS_ADMISSION_BUSY'
  | 'KOS_ADMISSION_CLOSED'
  | 'KOS_ADMISSION_CONNECTIONS'
  | 'KOS_ADMISSION_DEVICE'
  | 'KOS_ADMISSION_ENFORCEMENT'
  | 'KOS_ADMISSION_HALF_OPEN'
  | 'KOS_ADMISSION_LIMITS'
  | 'KOS_ADMISSION_NOT_ALLOWED'
  | 'KOS_ADMISSION_ORDER'
  | 'KOS_ADMISSION_PENALTY'
  | 'KOS_ADMISSION_RATE'

/** The errors of this room. */
export const admissionErrors: ErrorTable<AdmissionErrorCode> = defineErrors({
  KOS_ADMISSION_ABANDONED: {
    message: 'A connection ended before its peer had authenticated.',
    hint: 'A port scan or a health check does this; otherwise look at the log of the peer.',
    retry: 'later',
  },
  KOS_ADMISSION_ADDRESS: {
    message: 'A connection has no usable IP address.',
    hint: 'The peer hung up before it was accepted, or the address is not an IP address.',
    retry: 'later',
  },
  KOS_ADMISSION_BLOCKED: {
    message: 'The address is on the block list.',
    hint: 'Take the address off the block list if it should connect.',
    retry: 'never',
  },
  KOS_ADMISSION_BUSY: {
    message: 'Too many connections are being opened or are open.',
    hint: 'Try again later; raise the limits if this is normal load.',
    retry: 'later',
  },
  KOS_ADMISSION_CLOSED: {
    message: 'The connection ended while its peer was being authenticated.',
    hint: 'Nothing is to be done: the peer connects again.',
    retry: 'later',
  },
  KOS_ADMISSION_CONNECTIONS: {
    message: 'The address has too many connections open.',
    hint: 'Close connections of this source or raise connectionsPerSource.',
    retry: 'later',
  },
  KOS_ADMISSION_DEVICE: {
    message: 'The device has too many connections open.',
    hint: 'The device should close old connections before it opens further ones.',
    retry: 'later',
  },
  KOS_ADMISSION_ENFORCEMENT: {
    message: 'The configuration of enforcement modules is not valid.',
    hint: 'Correct what the rule names; nothing of the file is in force.',
    retry: 'never',
  },
  KOS_ADMISSION_HALF_OPEN: {
    message: 'The address has too many connections that are not authenticated yet.',
    hint: 'Wait until the open handshakes of this source are done.',
    retry: 'later',
  },
  KOS_ADMISSION_LIMITS: {
    message: 'An admission limit or list entry is not valid.',
    hint: 'Correct the setting that the details name.',
    retry: 'never',
  },
  KOS_ADMISSION_NOT_ALLOWED: {
    message: 'The address is not on the allow list, and only listed addresses may connect.',
    hint: 'Add the address to the allow list if it should connect.',
    retry: 'never',
  },
  KOS_ADMISSION_ORDER: {
    message: 'An admission ticket was used out of order.',
    hint: 'This is a bug in kOS: report it with the log of the daemon.',
    retry: 'never',
  },
  KOS_ADMISSION_PENALTY: {
    message: 'The address failed too often and has to wait.',
    hint: 'Mend the cause of the failures; the penalty ends by itself after at most ten minutes.',
    retry: 'later',
  },
  KOS_ADMISSION_RATE: {
    message: 'The address opens connections too fast.',
    hint: 'Keep connections open instead of opening new ones, or raise connectionRate.',
    retry: 'later',
  },
})
