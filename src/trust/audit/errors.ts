import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

/** The codes of {@link auditErrors}. */
export type AuditErrorCode =
  | 'KOS_AUDIT_CLOSED'
  | 'KOS_AUDIT_ENTRY'
  | 'KOS_AUDIT_EVENT'
  | 'KOS_AUDIT_FILE'
  | 'KOS_AUDIT_FORK'
  | 'KOS_AUDIT_GAP'
  | 'KOS_AUDIT_INGEST'
  | 'KOS_AUDIT_KEY'
  | 'KOS_AUDIT_NOTE'
  | 'KOS_AUDIT_RANGE'
  | 'KOS_AUDIT_TAMPERED'
  | 'KOS_AUDIT_UNAVAILABLE'

/** The errors and refusals of this room. */
export const auditErrors: ErrorTable<AuditErrorCode> = defineErrors({
  KOS_AUDIT_CLOSED: {
    message: 'The audit log is closed.',
    hint: 'Start the daemon again; if it happens while the daemon runs, this is a bug in kOS.',
    retry: 'never',
  },
  KOS_AUDIT_ENTRY: {
    message: 'A stored audit entry is not in the format of the log.',
    hint: 'Run kosctl audit verify and keep the file as evidence.',
    retry: 'never',
  },
  KOS_AUDIT_EVENT: {
    message: 'An audit event is not complete or exceeds a limit.',
    hint: 'This is a bug in kOS: report the field that the rule names.',
    retry: 'never',
  },
  KOS_AUDIT_FILE: {
    message: 'The file is not an audit log.',
    hint: 'Name the database file of a node or authority, for example audit.db.',
    retry: 'never',
  },
  KOS_AUDIT_FORK: {
    message: 'A node forwarded audit entries that contradict what it forwarded before.',
    hint: 'Treat the node as compromised: quarantine it and verify its own log with --node.',
    retry: 'never',
  },
  KOS_AUDIT_GAP: {
    message: 'A node skipped audit entries that were never forwarded.',
    hint: 'The node resends from the index that is missing; if it cannot, verify its own log.',
    retry: 'later',
  },
  KOS_AUDIT_INGEST: {
    message: 'A batch of forwarded audit entries is malformed.',
    hint: 'Update the node; the rule names the entry or the limit.',
    retry: 'never',
  },
  KOS_AUDIT_KEY: {
    message: 'A key is not of the kind that signs checkpoints.',
    hint: 'Use the log keys of the key store: one Ed25519 and one ML-DSA-44.',
    retry: 'never',
  },
  KOS_AUDIT_NOTE: {
    message: 'A checkpoint is malformed or its signatures do not verify.',
    hint: 'Compare it with a checkpoint that was kept elsewhere; the rule names the check.',
    retry: 'never',
  },
  KOS_AUDIT_RANGE: {
    message: 'An index or size lies outside the audit log.',
    hint: 'Ask for entries below the size of the log.',
    retry: 'never',
  },
  KOS_AUDIT_TAMPERED: {
    message: 'The audit log does not agree with its newest signed checkpoint.',
    hint: 'Keep the file as evidence, run kosctl audit verify on it, and start with a new log.',
    retry: 'never',
  },
  KOS_AUDIT_UNAVAILABLE: {
    message: 'The audit log cannot be written; what must be recorded is refused.',
    hint: 'Free disk space; the log continues by itself and records the outage.',
    retry: 'later',
  },
})
