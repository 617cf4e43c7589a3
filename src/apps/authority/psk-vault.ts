import { type Random, Secret } from '../../foundation/base/index.ts'
import type { PskVault } from '../../lifecycle/enrolment/index.ts'
import { type KeyStore, seal, unseal } from '../../trust/keys/index.ts'
import { authorityErrors } from './errors.ts'

/** Name of the sealing key in the key store. */
const VAULT_KEY = 'psk-vault'
const KEY_BYTES = 32

/**
 * Makes the vault of pre-shared keys: what lies in the registry is sealed by a key that the key store
 * holds, for one handle each, so that rows cannot be swapped.
 *
 * @param deps - randomness, and the key store, which makes the key when it is missing
 */
export function createPskVault(deps: {
  readonly random: Random
  readonly keys: KeyStore
}): PskVault {
  const { random, keys } = deps
  const key = keys.openSecret(VAULT_KEY) ?? makeKey(random, keys)
  const associated = (handle: string): readonly string[] => ['kos-psk-root-v1', handle]
  return Object.freeze({
    seal: (handle: string, root: Secret): Uint8Array =>
      root.use((bytes) => seal(key, bytes, { random, associated: [...associated(handle)] })),
    open: (handle: string, sealed: Uint8Array): Secret => {
      const root = unseal(key, sealed, [...associated(handle)])
      if (!root) throw authorityErrors.error('KOS_AUTHORITY_STORE', { rule: 'psk/seal' })
      return root
    },
  })
}

function makeKey(random: Random, keys: KeyStore): Secret {
  const made = Secret.take(random.bytes(KEY_BYTES))
  keys.sealSecret(VAULT_KEY, made)
  return made
}
