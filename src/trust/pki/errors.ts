import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type PkiErrorCode =
  | 'KOS_PKI_BUNDLE'
  | 'KOS_PKI_CERTIFICATE'
  | 'KOS_PKI_CHAIN'
  | 'KOS_PKI_DEVICE_ID'
  | 'KOS_PKI_FLOOR'
  | 'KOS_PKI_ISSUE'
  | 'KOS_PKI_LOCKED'
  | 'KOS_PKI_OBJECT'
  | 'KOS_PKI_OLDER'
  | 'KOS_PKI_PATH'
  | 'KOS_PKI_ROOT_ANSWER'
  | 'KOS_PKI_ROOT_REQUEST'
  | 'KOS_PKI_STALE'
  | 'KOS_PKI_STATE'
  | 'KOS_PKI_TOKEN'

/** The errors and refusals of this room; the rule names the check, for the log only. */
export const pkiErrors: ErrorTable<PkiErrorCode> = defineErrors({
  KOS_PKI_BUNDLE: {
    message: 'The trust bundle is not the one of the pinned authority.',
    hint: 'Compare the pin in the join line with the one that the authority prints at start.',
    retry: 'never',
  },
  KOS_PKI_CERTIFICATE: {
    message: 'The certificate does not prove a principal of this trust domain.',
    hint: 'Renew or join again; the log names the check that failed.',
    retry: 'never',
  },
  KOS_PKI_CHAIN: {
    message: 'The certificates do not lead from this CA to a root of the company.',
    hint: 'Sign the request of "kosctl ca csr" with all its extensions, and add the company’s certificates up to its root.',
    retry: 'never',
  },
  KOS_PKI_DEVICE_ID: {
    message: 'A device id cannot be computed from these facts.',
    hint: 'Give a MAC address of six bytes, a UUID of version 7 and the identity public key.',
    retry: 'never',
  },
  KOS_PKI_FLOOR: {
    message: 'The principal was seen with a stricter profile: a floor never falls.',
    hint: 'Look for an authority that came back from an old backup, and for copied keys.',
    retry: 'never',
  },
  KOS_PKI_ISSUE: {
    message: 'The certificate cannot be issued as asked.',
    hint: 'Correct the field that the rule names.',
    retry: 'never',
  },
  KOS_PKI_LOCKED: {
    message: 'The principal, its key or its certificate is locked.',
    hint: 'Ask an operator of the authority; a locked device joins again after it was checked.',
    retry: 'never',
  },
  KOS_PKI_OBJECT: {
    message: 'The signed object is not acceptable.',
    hint: 'Check that it comes from the authority of this trust domain; the log names the check.',
    retry: 'never',
  },
  KOS_PKI_OLDER: {
    message: 'The signed object is older than one that is already held.',
    hint: 'If the authority was restored, it must open a new era with its root keys.',
    retry: 'never',
  },
  KOS_PKI_PATH: {
    message: 'No valid path leads from the certificate to a trust anchor.',
    hint: 'The rule, its clause and the depth of the refused certificate say what to correct.',
    retry: 'never',
  },
  KOS_PKI_ROOT_ANSWER: {
    message: 'The root keys did not sign what was asked for.',
    hint: 'Look at the request that waits with "kosctl ca status", and import the answer to that one.',
    retry: 'never',
  },
  KOS_PKI_ROOT_REQUEST: {
    message: 'These root keys do not sign this request.',
    hint: 'Check which authority it comes from; the rule names what does not fit.',
    retry: 'never',
  },
  KOS_PKI_STALE: {
    message: 'The lock list is older than the profile of an end allows.',
    hint: 'Reconnect to the authority, or reach a standby signer: they confirm the list every 10 s.',
    retry: 'later',
  },
  KOS_PKI_STATE: {
    message: 'The certificate authority lacks a key or has inconsistent state.',
    hint: 'Bring the root keys back, or restore the key store from a backup.',
    retry: 'never',
  },
  KOS_PKI_TOKEN: {
    message: 'The token does not prove the peer to this node.',
    hint: 'Ask the authority for a new token for this node; the log names the check.',
    retry: 'never',
  },
})
