/** Errors, branded ids and units, bytes, secrets, limits, clock and random, validation, log. */
export { baseErrors } from './base-errors.ts'
export { type Brand, type MonotonicMs, monotonicMs, type UnixMs, unixMs } from './brand.ts'
export {
  concatBytes,
  equalBytes,
  equalConstantTime,
  fromBase64Url,
  fromHex,
  prefixToHex,
  type Sha256,
  sha256,
  toBase32,
  toBase64Url,
  toHex,
  utf8,
} from './bytes.ts'
export { type CancelTimer, type Clock, type Random, systemClock, systemRandom } from './clock.ts'
export {
  defineErrors,
  type ErrorRow,
  type ErrorTable,
  isRefusal,
  KosError,
  type KosErrorCode,
  refuse,
  type Refusal,
  type Retry,
  type SafeDetails,
} from './errors.ts'
export { type Gcra, type RateLimit, takeGcra } from './limits.ts'
export { createLog } from './log.ts'
export {
  type Log,
  LOG_FIELDS,
  type LogField,
  type LogFields,
  type LogLevel,
  silentLog,
} from './log-port.ts'
export {
  type DeviceId,
  parseDeviceId,
  parsePrincipal,
  parseTrustDomain,
  type Principal,
  PRINCIPAL_KINDS,
  type PrincipalKind,
  principalOf,
  type PrincipalUri,
  type TrustDomain,
} from './principal.ts'
export { Secret } from './secret.ts'
export { parseJson, type Schema, type ShapeLimits, validate, type Validation } from './validate.ts'
export { z } from './zod.ts'
export { zm } from './zod-mini.ts'
