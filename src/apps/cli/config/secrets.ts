import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isRefusal, refuse, type Refusal, type Secret } from '../../../foundation/base/index.ts'
import {
  MAX_SEALED_VALUE_BYTES,
  openValueKeys,
  sealedKeyId,
  type ValueKeys,
} from '../../../trust/keys/index.ts'
import { openFolderKeys, type UnlockDeps } from '../../node/index.ts'
import type { ConfigSecret } from './read.ts'
import type { ConfigProblem } from './yaml.ts'

/** A shorter one is guessed, and would be found in what programs say by chance. */
const MIN_SECRET_BYTES = 8

/** The keys for values of a folder, open; `undefined`: the folder has no key store, so nothing opens. */
export function withValueKeys<T>(
  deps: UnlockDeps,
  folder: string,
  use: (keys: ValueKeys | undefined) => T,
): T {
  if (!existsSync(join(folder, 'keys', 'keystore.cbor'))) return use(undefined)
  return withNewValueKeys(deps, folder, use)
}

/** The same, in a key store that is made when it is missing. */
export function withNewValueKeys<T>(
  deps: UnlockDeps,
  folder: string,
  use: (keys: ValueKeys) => T,
): T {
  const store = openFolderKeys(deps, folder)
  try {
    return use(openValueKeys(deps, store))
  } finally {
    store.close()
  }
}

/** What is wrong with a sealed value, and where; `undefined`: it opens. */
export function sealedProblem(
  keys: ValueKeys | undefined,
  secret: ConfigSecret,
): ConfigProblem | undefined {
  const opened = openSecret(keys, secret)
  if (isRefusal(opened)) return unopened(secret, opened)
  opened[Symbol.dispose]()
  return undefined
}

/** A sealed value that does not open, as a problem of the file. */
export function unopened({ line, column, name }: ConfigSecret, refusal: Refusal): ConfigProblem {
  return { line, column, problem: `"${name}" ${sentenceOf(refusal)}` }
}

/** Opens a sealed value of the file; the caller disposes of it. */
export function openSecret(
  keys: ValueKeys | undefined,
  { path, text }: Pick<ConfigSecret, 'path' | 'text'>,
): Secret | Refusal {
  if (keys) return keys.open(path, text)
  const key = sealedKeyId(text)
  return key === undefined
    ? refuse('KOS_KEYS_SEALED', 'sealed/form')
    : refuse('KOS_KEYS_SEALED', 'sealed/key', { details: { key } })
}

function sentenceOf({ rule, details }: Refusal): string {
  switch (rule) {
    case 'sealed/form':
      return 'is cut or changed: this is no whole sealed value'
    case 'sealed/key':
      return `is sealed with the key ${String(details?.['key'])}, which this folder does not have`
    default:
      return 'does not open: it was changed, or sealed for another name or folder'
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Why bytes cannot be a secret of a configuration, as the end of a sentence; `undefined`: they can.
 */
export function plainProblem(plain: Secret): string | undefined {
  if (plain.length < MIN_SECRET_BYTES) return `is shorter than ${MIN_SECRET_BYTES} bytes`
  if (plain.length > MAX_SEALED_VALUE_BYTES) return `is longer than ${MAX_SEALED_VALUE_BYTES} bytes`
  return plain.use((bytes) => {
    if (bytes.includes(0)) return 'holds a NUL character'
    try {
      UTF8.decode(bytes)
      return undefined
    } catch {
      return 'is not UTF-8 text'
    }
  })
}

/** The text of a secret; it cannot be wiped, so it is to be forgotten soon. */
export function textOf(secret: Secret): string {
  return secret.use((bytes) => UTF8.decode(bytes))
}
