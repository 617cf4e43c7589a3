import type { Random, Secret } from '../../foundation/base/index.ts'
import {
  keysErrors,
  type KeyStore,
  type KeyStoreUnlock,
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
  using made = new DisposableStack()
  const unlockOfNew = (): KeyStoreUnlock => {
    const passphrase = deps.passphrases?.forNew(folder)
    return passphrase ? { kind: 'passphrase', passphrase: made.use(passphrase) } : { kind: 'file' }
  }
  return byPassphrase(deps, folder, (ask) =>
    openKeyStore(deps, {
      directory,
      unlock: (stored) => {
        if (stored === undefined) return unlockOfNew()
        return stored === 'passphrase' ? ask() : { kind: 'file' }
      },
    }),
  )
}

type PassphraseUnlock = Extract<KeyStoreUnlock, { kind: 'passphrase' }>

/**
 * Does something that may need the passphrase of a folder, again with another one while it is the wrong
 * one.
 *
 * @param use - asks for it when it needs it; throws KOS_KEYS_UNLOCK `wrong key` when it is wrong
 * @throws {@link KosError} as {@link openFolderKeys}, and what `use` throws
 */
export function byPassphrase<T>(
  deps: UnlockDeps,
  folder: string,
  use: (ask: () => PassphraseUnlock) => T,
): T {
  let refused: unknown = nodeErrors.error('KOS_NODE_PASSPHRASE', { folder })
  for (let attempt = 1; ; attempt++) {
    using asked = new DisposableStack()
    try {
      return use(() => {
        const passphrase = deps.passphrases?.ask(folder, attempt)
        if (!passphrase) throw refused
        return { kind: 'passphrase', passphrase: asked.use(passphrase) }
      })
    } catch (error) {
      const isWrong = keysErrors.has(error) && error.details['rule'] === 'wrong key'
      // Thrown again: there is no other passphrase to be had.
      if (error === refused || !isWrong) throw error
      refused = error
    }
  }
}
