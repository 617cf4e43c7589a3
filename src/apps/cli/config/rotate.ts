import type { ValueKeys } from '../../../trust/keys/index.ts'

/** What a rotation does with the file. */
export interface RotationFile {
  /** The text with every value sealed with the current key; throws when one does not open. */
  reseal(): string
  /** Puts it in place, durably. */
  write(text: string): void
}

/**
 * Another key for the values of a file: the key first, then the file as a whole, then the end of the keys
 * before. Each step is durable before the next one begins, and a file of either key opens until the last
 * one; what a crash leaves undone, the next rotation does.
 */
export function rotate(keys: ValueKeys, file: RotationFile): void {
  keys.addKey()
  file.write(file.reseal())
  keys.dropOldKeys()
}
