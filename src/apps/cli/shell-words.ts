import { cliErrors } from './errors.ts'

/**
 * Splits a line of the shell into words: blanks separate, '…' and "…" keep them together, a backslash
 * takes the next character as it is (between "…" before `"` and `\` only). Nothing is expanded.
 *
 * @throws {@link KosError} KOS_CLI_USAGE when a quotation does not end
 */
export function splitWords(line: string): readonly string[] {
  const words: string[] = []
  const pattern = /\s+|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)|(.)/gsy
  let word: string | undefined
  for (const match of line.matchAll(pattern)) {
    const [, single, double, escaped, plain, wrong] = match
    if (wrong !== undefined) {
      throw cliErrors.error('KOS_CLI_USAGE', { reason: `a quotation with ${wrong} does not end` })
    }
    const part = single ?? double?.replace(/\\(["\\])/g, '$1') ?? escaped ?? plain
    if (part !== undefined) word = (word ?? '') + part
    else if (word !== undefined) {
      words.push(word)
      word = undefined
    }
  }
  if (word !== undefined) words.push(word)
  return words
}
