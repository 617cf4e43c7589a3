import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type SessionErrorCode =
  | 'KOS_SESSION_AUTH'
  | 'KOS_SESSION_ARGUMENTS'
  | 'KOS_SESSION_BUSY'
  | 'KOS_SESSION_CANCELLED'
  | 'KOS_SESSION_CLOCK'
  | 'KOS_SESSION_CLOSED'
  | 'KOS_SESSION_DEAD_PEER'
  | 'KOS_SESSION_DEADLINE'
  | 'KOS_SESSION_EVIDENCE'
  | 'KOS_SESSION_EXPIRED'
  | 'KOS_SESSION_FLOOD'
  | 'KOS_SESSION_GOAWAY'
  | 'KOS_SESSION_IDENTITY'
  | 'KOS_SESSION_INTERNAL'
  | 'KOS_SESSION_LISTENER'
  | 'KOS_SESSION_LOST'
  | 'KOS_SESSION_MISUSE'
  | 'KOS_SESSION_NOT_READY'
  | 'KOS_SESSION_PROFILE'
  | 'KOS_SESSION_PROTOCOL'
  | 'KOS_SESSION_RATE'
  | 'KOS_SESSION_RESULT'
  | 'KOS_SESSION_ROLE'
  | 'KOS_SESSION_SEAL'
  | 'KOS_SESSION_SIGNATURE'
  | 'KOS_SESSION_STREAMS'
  | 'KOS_SESSION_TIMEOUT'
  | 'KOS_SESSION_TOKEN'
  | 'KOS_SESSION_TOO_LARGE'
  | 'KOS_SESSION_UNANSWERED'
  | 'KOS_SESSION_UNSUPPORTED'
  | 'KOS_SESSION_VERSION'

/** The errors and refusals of this room; `rule` names the check that decided. */
export const sessionErrors: ErrorTable<SessionErrorCode> = defineErrors({
  KOS_SESSION_AUTH: {
    message: 'The peer did not prove its identity.',
    hint: 'See the log of the daemon for the check that failed; renew the credential of the peer.',
    retry: 'never',
  },
  KOS_SESSION_ARGUMENTS: {
    message: 'The arguments of the call cannot be taken as plain data.',
    hint: 'Send maps with text keys only.',
    retry: 'never',
  },
  KOS_SESSION_BUSY: {
    message: 'The peer is busy.',
    hint: 'Try again after the time it named.',
    retry: 'later',
  },
  KOS_SESSION_CANCELLED: {
    message: 'The call was cancelled by the caller.',
    hint: 'Nothing to do.',
    retry: 'never',
  },
  KOS_SESSION_CLOCK: {
    message: 'The clocks of the two peers differ too much.',
    hint: 'Set the clock of the device, for example by NTP.',
    retry: 'later',
  },
  KOS_SESSION_CLOSED: {
    message: 'The session is closed.',
    hint: 'Connect again.',
    retry: 'later',
  },
  KOS_SESSION_DEAD_PEER: {
    message: 'The peer stopped answering.',
    hint: 'Check the network between the peers, then connect again.',
    retry: 'later',
  },
  KOS_SESSION_DEADLINE: {
    message: 'The call did not end within its deadline.',
    hint: 'Allow more time, at most 5 minutes, or use a streaming command.',
    retry: 'later',
  },
  KOS_SESSION_EVIDENCE: {
    message: 'The profile demands evidence that the peer did not show.',
    hint: 'Present attestation, a second factor or the cluster membership the profile asks for.',
    retry: 'never',
  },
  KOS_SESSION_EXPIRED: {
    message: 'The session reached the end of its life.',
    hint: 'Connect again; this is normal.',
    retry: 'later',
  },
  KOS_SESSION_FLOOD: {
    message: 'The peer sent more than its limits allow.',
    hint: 'See the rule for the limit; slow the sender down.',
    retry: 'later',
  },
  KOS_SESSION_GOAWAY: {
    message: 'The peer takes no new calls on this session.',
    hint: 'Connect again after the time it named.',
    retry: 'later',
  },
  KOS_SESSION_IDENTITY: {
    message: 'The peer names itself differently from its certificate.',
    hint: 'Renew the certificate of the peer.',
    retry: 'never',
  },
  KOS_SESSION_INTERNAL: {
    message: 'The call failed inside the peer.',
    hint: 'See the log of the peer with the id of the call.',
    retry: 'later',
  },
  KOS_SESSION_LISTENER: {
    message: 'The connection runs on the listener of another profile than the two peers need.',
    hint: 'Connect to the listener of the stricter profile of the two; the directory names it.',
    retry: 'never',
  },
  KOS_SESSION_LOST: {
    message: 'The connection was lost while the call ran, and the call could not go on.',
    hint: 'It may have been executed: look at the state it was to change before calling again.',
    retry: 'never',
  },
  KOS_SESSION_MISUSE: {
    message: 'The session was used in a way it does not allow.',
    hint: 'This is a bug in the calling program; the rule names it.',
    retry: 'never',
  },
  KOS_SESSION_NOT_READY: {
    message: 'The session is not ready yet.',
    hint: 'Wait for the session to become ready.',
    retry: 'later',
  },
  KOS_SESSION_PROFILE: {
    message: 'The security profiles of the two peers do not allow this session.',
    hint: 'See the table of who may meet whom in docs/profiles.md.',
    retry: 'never',
  },
  KOS_SESSION_PROTOCOL: {
    message: 'The peer broke the session protocol.',
    hint: 'Bring both peers to the same release; if they are, report it with the rule.',
    retry: 'never',
  },
  KOS_SESSION_RATE: {
    message: 'The session opens calls faster than its limit.',
    hint: 'Try again after the time named, or ask for a manifest that grants more.',
    retry: 'later',
  },
  KOS_SESSION_RESULT: {
    message: 'The result of the call cannot be taken.',
    hint: 'Bring both peers to the same release, or take the result as a stream.',
    retry: 'never',
  },
  KOS_SESSION_ROLE: {
    message: 'Both ends of the connection claim the same role.',
    hint: 'Check that no proxy loops the connection back.',
    retry: 'never',
  },
  KOS_SESSION_SEAL: {
    message: 'The integrity check of the session failed.',
    hint: 'Connect again; if it repeats, someone alters the connection.',
    retry: 'later',
  },
  KOS_SESSION_SIGNATURE: {
    message: 'The request to the authority is not signed as it has to be.',
    hint: 'Send it again with a new token; the audit log of the authority names the check.',
    retry: 'never',
  },
  KOS_SESSION_STREAMS: {
    message: 'Too many calls are open on this session.',
    hint: 'Wait for some to end.',
    retry: 'later',
  },
  KOS_SESSION_TIMEOUT: {
    message: 'The handshake did not end in time.',
    hint: 'Check the network, then connect again.',
    retry: 'later',
  },
  KOS_SESSION_TOKEN: {
    message: 'The proof for a session token does not hold.',
    hint: 'Ask on a connection of its own with the credential whose identity key signs.',
    retry: 'never',
  },
  KOS_SESSION_TOO_LARGE: {
    message: 'The arguments or the result are larger than the limit.',
    hint: 'Send less at once, or use a streaming command.',
    retry: 'never',
  },
  KOS_SESSION_UNANSWERED: {
    message: 'The peer left a call without a result.',
    hint: 'Connect again; bring the peer to a current release.',
    retry: 'later',
  },
  KOS_SESSION_UNSUPPORTED: {
    message: 'The peer asks for a part of the protocol that this release does not have.',
    hint: 'Bring both peers to the same release.',
    retry: 'never',
  },
  KOS_SESSION_VERSION: {
    message: 'The peers share no version of the session protocol.',
    hint: 'Bring both peers to the same release.',
    retry: 'never',
  },
})
