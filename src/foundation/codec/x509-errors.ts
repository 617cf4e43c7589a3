import { codecErrors } from './errors.ts'

/** Makes the KOS_CODEC_X509 error of a violated rule. */
export function x509Error(rule: string, cause?: unknown): Error {
  return codecErrors.error('KOS_CODEC_X509', { rule }, cause)
}

/** Runs a parser; what is not strict DER inside becomes KOS_CODEC_X509 with the same rule. */
export function asX509<T>(parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    if (codecErrors.has(cause) && cause.code === 'KOS_CODEC_DER') {
      throw x509Error(`der-${String(cause.details['rule'])}`, cause)
    }
    throw cause
  }
}
