import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { lockStore, type StoreLock, storageErrors } from '../../foundation/storage/index.ts'
import { nodeErrors } from '../node/index.ts'

/** The stores whose lock says that a daemon uses the folder. */
const DATABASES = ['authority.sqlite', 'node.sqlite']

/**
 * Keeps daemons from a folder while its keys are changed: one that runs on it would lose its keys at its
 * next write.
 *
 * @param folder - a state folder, or any other
 * @returns what gives the folder free
 * @throws {@link KosError} KOS_NODE_IN_USE when a daemon uses it
 */
export function lockFolder(folder: string): Disposable {
  const locks: StoreLock[] = []
  try {
    for (const name of DATABASES) {
      const path = join(folder, name)
      if (existsSync(path)) locks.push(lockStore(path))
    }
  } catch (cause) {
    for (const lock of locks) lock.close()
    const isInUse = storageErrors.has(cause) && cause.code === 'KOS_STORAGE_LOCKED'
    throw isInUse ? nodeErrors.error('KOS_NODE_IN_USE', { folder }, cause) : cause
  }
  return {
    [Symbol.dispose]: () => {
      for (const lock of locks) lock.close()
    },
  }
}
