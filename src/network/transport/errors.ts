import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type TransportErrorCode =
  | 'KOS_TRANSPORT_ALPN'
  | 'KOS_TRANSPORT_ATTACHED'
  | 'KOS_TRANSPORT_BIND'
  | 'KOS_TRANSPORT_CANCELLED'
  | 'KOS_TRANSPORT_CLOSED'
  | 'KOS_TRANSPORT_CREDENTIALS'
  | 'KOS_TRANSPORT_HANDSHAKE'
  | 'KOS_TRANSPORT_IDENTITY'
  | 'KOS_TRANSPORT_NO_CERTIFICATE'
  | 'KOS_TRANSPORT_PARAMETERS'
  | 'KOS_TRANSPORT_PIN'
  | 'KOS_TRANSPORT_PROFILE'
  | 'KOS_TRANSPORT_SELF_TEST'
  | 'KOS_TRANSPORT_TIMEOUT'
  | 'KOS_TRANSPORT_UNREACHABLE'
  | 'KOS_TRANSPORT_UNTRUSTED'
  | 'KOS_TRANSPORT_VERDICT'

/** The errors of this room. */
export const transportErrors: ErrorTable<TransportErrorCode> = defineErrors({
  KOS_TRANSPORT_ALPN: {
    message: 'The peer did not agree to speak the kOS protocol.',
    hint: 'Check that the other end is kOS and that the port is that of a kOS listener.',
    retry: 'never',
  },
  KOS_TRANSPORT_ATTACHED: {
    message: 'A channel has a receiver already.',
    hint: 'This is a bug in kOS: report it with the log of the daemon.',
    retry: 'never',
  },
  KOS_TRANSPORT_BIND: {
    message: 'The listener could not be bound to its address.',
    hint: 'Choose a free port and an address of this machine; ports below 1024 need a privilege.',
    retry: 'later',
  },
  KOS_TRANSPORT_CANCELLED: {
    message: 'The connection attempt was cancelled.',
    hint: 'Nothing is to be done: the caller gave up.',
    retry: 'later',
  },
  KOS_TRANSPORT_CLOSED: {
    message: 'The channel or listener is closed.',
    hint: 'This is a bug in kOS: report it with the log of the daemon.',
    retry: 'never',
  },
  KOS_TRANSPORT_CREDENTIALS: {
    message: 'The credentials are not of the kind that the profile uses.',
    hint: 'Use a pre-shared key where the profile asks for one, a certificate elsewhere.',
    retry: 'never',
  },
  KOS_TRANSPORT_HANDSHAKE: {
    message: 'The TLS handshake failed.',
    hint: 'The log of the other end says why; often the two ends do not have the same profile.',
    retry: 'later',
  },
  KOS_TRANSPORT_IDENTITY: {
    message: 'The TLS certificate and key cannot be used.',
    hint: 'Check that certificate chain and key belong together; renew the certificate if not.',
    retry: 'never',
  },
  KOS_TRANSPORT_NO_CERTIFICATE: {
    message: 'The peer sent no certificate.',
    hint: 'Let the peer join the fleet first.',
    retry: 'never',
  },
  KOS_TRANSPORT_PARAMETERS: {
    message: 'The TLS connection has parameters that the profile does not allow.',
    hint: 'Report this with the log: the two ends agreed on something neither should offer.',
    retry: 'never',
  },
  KOS_TRANSPORT_PIN: {
    message: 'The directory does not list the peer with this identity key and profile.',
    hint: 'Wait until both ends have the newest directory; if it stays, find out who issued the certificate.',
    retry: 'later',
  },
  KOS_TRANSPORT_PROFILE: {
    message: 'The profile has no session transport.',
    hint: 'Let the device join the fleet under a profile from SEC-1 up.',
    retry: 'never',
  },
  KOS_TRANSPORT_SELF_TEST: {
    message: 'The listener does not enforce its profile.',
    hint: 'Do not serve with it: check the OpenSSL configuration of this machine.',
    retry: 'never',
  },
  KOS_TRANSPORT_TIMEOUT: {
    message: 'The connection was not secured in time.',
    hint: 'Check the network path and the load of the other end.',
    retry: 'later',
  },
  KOS_TRANSPORT_UNREACHABLE: {
    message: 'The address cannot be reached.',
    hint: 'Check that the other end runs, its address and port, and firewalls between.',
    retry: 'later',
  },
  KOS_TRANSPORT_UNTRUSTED: {
    message: 'The certificate of the peer does not lead to a trusted root.',
    hint: 'Check that both ends belong to one fleet, and the clock of both.',
    retry: 'later',
  },
  KOS_TRANSPORT_VERDICT: {
    message: 'OpenSSL and kOS disagree about the certificate of the peer.',
    hint: 'Find out who issued it: one of the two checks was deceived. The audit log names the address.',
    retry: 'never',
  },
})
