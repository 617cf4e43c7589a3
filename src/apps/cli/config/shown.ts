import { join } from 'node:path'
import { CONFIG_FILE } from '../daemon-config.ts'

/** The command that seals what stands in the clear in a configuration. */
export function sealingCommand({
  folder,
  path,
}: {
  readonly folder: string
  readonly path: string
}): string {
  const isUsual = path === join(folder, CONFIG_FILE)
  const file = isUsual ? '' : ` --config ${shellWord(path)}`
  return `kosctl config encrypt --state ${shellWord(folder)}${file}`
}

/** A word as a shell takes it. */
function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
