/** The closed list of field names an event may carry; a test holds it equal to `docs/logging.md`. */
export const LOG_FIELDS = [
  'address',
  'bytes',
  'callId',
  'code',
  'command',
  'count',
  'detail',
  'device',
  'durationMs',
  'era',
  'error',
  'exitCode',
  'expiresAt',
  'file',
  'kind',
  'name',
  'number',
  'peer',
  'port',
  'profile',
  'reason',
  'requestId',
  'retryAfterMs',
  'route',
  'rule',
  'serial',
  'session',
  'size',
  'source',
  'state',
  'status',
  'stream',
  'version',
] as const
/** A field name of the closed list. */
export type LogField = (typeof LOG_FIELDS)[number]
/** The fields of one event; never a secret, never raw input. */
export type LogFields = Readonly<Partial<Record<LogField, string | number | boolean | undefined>>>
/** How much an event matters; a log writes its own level and those above. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** The only way a room writes to the log: a named event with fields of a closed list. */
export interface Log {
  event(name: string, fields?: LogFields, level?: LogLevel): void
}

/** A log that drops everything; for pure uses and tests. */
export const silentLog: Log = Object.freeze({ event: () => undefined })
