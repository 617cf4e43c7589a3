import {
  isRefusal,
  refuse,
  type Refusal,
  type Schema,
  validate,
} from '../../foundation/base/index.ts'
import { cborToPlain, codecErrors } from '../../foundation/codec/index.ts'
import type { NumberedLimits, NumberedObject } from './numbered.ts'

const MAX_DEPTH = 16

/**
 * Validates the body of a verified numbered object; whatever codec or schema refuse becomes one
 * refusal KOS_PKI_OBJECT `body: …`.
 */
export function readNumberedBody<T>(
  object: NumberedObject,
  schema: Schema<T>,
  limits: Required<NumberedLimits>,
): T | Refusal {
  try {
    const shape = { maxDepth: MAX_DEPTH, maxItems: limits.maxItems }
    const body = validate(schema, cborToPlain(object.body), shape)
    return isRefusal(body) ? refuse('KOS_PKI_OBJECT', `body: ${body.rule}`) : body.value
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return refuse('KOS_PKI_OBJECT', 'body: keys')
  }
}
