import { readFileSync } from 'node:fs'
import { refuse, type Refusal } from '../../foundation/base/index.ts'
import { codecErrors, pemDecode } from '../../foundation/codec/index.ts'
import type { CliContext } from './context.ts'

/** How what goes to the root keys and comes back is armoured: text, so that it passes any medium. */
export const REQUEST_LABEL = 'KOS ROOT REQUEST'
export const ANSWER_LABEL = 'KOS ROOT ANSWER'

/**
 * Reads an armoured text of one kind.
 *
 * @param file - its path, or `-` for standard input
 * @param label - which kind
 * @returns its bytes, or a refusal when it is something else, or cut short
 */
export function readArmoured(
  context: CliContext,
  file: string,
  label: string,
): Uint8Array | Refusal {
  const text = file === '-' ? context.readInput() : readFileSync(file, 'utf8')
  try {
    return pemDecode(text, label)
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    const isAnswer = label === ANSWER_LABEL
    const remedy = `It begins with "-----BEGIN ${label}-----" and is whole.`
    return refuse(isAnswer ? 'KOS_PKI_ROOT_ANSWER' : 'KOS_PKI_ROOT_REQUEST', 'text', { remedy })
  }
}
