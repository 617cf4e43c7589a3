import { isRefusal, type z } from '../../foundation/base/index.ts'
import type { RequestBody } from '../node/index.ts'
import { readAnswer } from './answers.ts'
import type { CliContext } from './context.ts'
import { withAuthority } from './credential.ts'
import { EXIT, printRefusal } from './output.ts'

/** One question to the authority. */
export interface Question<T> {
  /** What a refusal is said to refuse: the words of the command. */
  readonly what: string
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Below the API's address, for example `/v1/tokens`. */
  readonly path: string
  readonly body?: RequestBody
  /** Of the answer. */
  readonly schema: z.ZodType<T>
}

/**
 * Asks the authority one thing as the operator, and shows the answer, or the refusal.
 *
 * @param question - see {@link Question}
 * @param show - prints what was answered
 * @returns the exit code
 * @throws {@link KosError} as {@link withAuthority}
 */
export async function askAuthority<T>(
  context: CliContext,
  { what, method, path, body, schema }: Question<T>,
  show: (answer: T) => void,
): Promise<number> {
  const answer = await withAuthority(context, async (client) =>
    readAnswer(await client.request(method, path, body), schema),
  )
  if (isRefusal(answer)) {
    printRefusal(context.terminal, what, answer)
    return EXIT.refused
  }
  show(answer)
  return EXIT.ok
}
