import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CborTag, type CborValue, codecErrors, decodeCbor } from '../../foundation/codec/index.ts'

const COSE_SIGN1_TAG = 18
const LIMITS = { maxBytes: 32 * 1024 * 1024, maxItems: 4 * 1024 * 1024 }
/** Only a harmless name is offered to a shell. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/i

/**
 * The names in the directory that a credential keeps, for completion.
 *
 * **Security:** the signature is not verified, which would cost more than the rest of the completion:
 * names are suggestions to a person, and whoever writes to this folder is that person already.
 *
 * @param folder - of the credential
 * @returns names in their order; none when there is no directory that can be read
 */
export function localPeerNames(folder: string): readonly string[] {
  try {
    const tagged = decodeCbor(readFileSync(join(folder, 'directory.cbor')), {
      ...LIMITS,
      allowedTags: [COSE_SIGN1_TAG],
    })
    const message = tagged instanceof CborTag ? tagged.value : undefined
    const payload: CborValue | undefined = itemOf(message, 2)
    if (!(payload instanceof Uint8Array)) return []
    return namesOf(itemOf(decodeCbor(payload, LIMITS), 4))
  } catch (error) {
    if (codecErrors.has(error) || (error instanceof Error && 'syscall' in error)) return []
    throw error
  }
}

function namesOf(body: CborValue | undefined): readonly string[] {
  const entries = body instanceof Map ? (body.get('entries') as CborValue | undefined) : undefined
  if (!Array.isArray(entries)) return []
  return entries.flatMap((entry: CborValue) => {
    const name: unknown = entry instanceof Map ? entry.get('name') : undefined
    return typeof name === 'string' && NAME.test(name) ? [name] : []
  })
}

function itemOf(value: CborValue | undefined, index: number): CborValue | undefined {
  return Array.isArray(value) ? (value[index] as CborValue | undefined) : undefined
}
