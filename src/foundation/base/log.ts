import { type DestinationStream, pino } from 'pino'
import type { Log, LogFields, LogLevel } from './log-port.ts'

/**
 * A log of JSON lines.
 *
 * @param options - lowest level written, destination stream, constant fields of every line
 */
export function createLog(options: {
  readonly level: LogLevel
  readonly destination: DestinationStream
  readonly base: Readonly<Record<string, string>>
}): Log {
  const logger = pino(
    { level: options.level, base: options.base, timestamp: pino.stdTimeFunctions.isoTime },
    options.destination,
  )
  return Object.freeze({
    event: (name: string, fields: LogFields = {}, level: LogLevel = 'info') =>
      logger[level](fields, name),
  })
}
