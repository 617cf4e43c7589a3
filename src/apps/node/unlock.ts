import type { Random, Secret } from '../../foundation/base/index.ts'
import {
  keysErrors,
  type KeyStore,
  type KeyStoreUnlock,
  keyStoreUnlockKind,
  openKeyStore,
} from '../../trust/keys/index.ts'
import { nodeErrors } from './errors.ts'

/** Where passphrases of key stores come from: a file, or a person. */
export interface PassphraseSource {
  /**
   * The passphrase of a store; the caller wipes it.
   *
   * @param folder - the state or configuration folder that the store is in
   * @param attempt - from 1; the ones before were wrong
   * @returns `undefined` when there is none to be had, or not another one
   */
  ask(folder: string, attempt: number): Secret | undefined
  /** The passphrase of a store that is made now; `undefined`: it gets a key file. */
  forNew(folder: string): Secret | undefined
}

/** What opening a key store needs. */
export interface UnlockDeps {
  readonly random: Random
  /** Absent: only stores with a key file open. */
  readonly passphrases?: PassphraseSource | undefined
}

/**
 * Opens or makes the key store of a folder, by its key file or a passphrase.
 *
 * @throws {@link KosError} KOS_NODE_PASSPHRASE when it needs one and none is to be had, KOS_KEYS_UNLOCK when
 * all that were given are wrong, and what opening a key store throws
 */
export function openFolderKeys(deps: UnlockDeps, folder: string): KeyStore {
  const directory = `${folder}/keys`
  const kind = keyStoreUnlockKind(directory)
  if (kind === 'passphrase') {
    return byPassphrase(deps, folder, (unlock) => openKeyStore(deps, { directory, unlock }))
  }
  using fresh = kind === undefined ? deps.passphrases?.forNew(folder) : undefined
  return openKeyStore(deps, {
    directory,
    unlock: fresh ? { kind: 'passphrase', passphrase: fresh } : { kind: 'file' },
  })
}

/**
 * Does something with the passphrase of a folder, again with another one while it is the wrong one.
 *
 * @param use - throws KOS_KEYS_UNLOCK `wrong key` when the passphrase is wrong
 * @throws {@link KosError} as {@link openFolderKeys}, and what `use` throws
 */
export function byPassphrase<T>(
  deps: UnlockDeps,
  folder: string,
  use: (unlock: KeyStoreUnlock) => T,
): T {
  let refused: unknown = nodeErrors.error('KOS_NODE_PASSPHRASE', { folder })
  for (let attempt = 1; ; attempt++) {
    using passphrase = deps.passphrases?.ask(folder, attempt)
    if (!passphrase) throw refused
    try {
      return use({ kind: 'passphrase', passphrase })
    } catch (error) {
      if (!keysErrors.has(error) || error.details['rule'] !== 'wrong key') throw error
      refused = error
    }
  }
}
