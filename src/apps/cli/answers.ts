import type { Refusal, z } from '../../foundation/base/index.ts'
import { type AuthorityAnswer, parseAnswer, refusalOf, type RequestBody } from '../node/index.ts'

/** A JSON body. */
export function jsonBody(value: unknown): RequestBody {
  return { type: 'application/json', bytes: Buffer.from(JSON.stringify(value)) }
}

/** Reads an answer: the value of a 2xx, else the refusal it carries. */
export function readAnswer<T>(answer: AuthorityAnswer, schema: z.ZodType<T>): T | Refusal {
  if (answer.status < 200 || answer.status > 299) return refusalOf(answer)
  return parseAnswer(answer, schema)
}
