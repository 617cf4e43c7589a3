/** Private keys and secrets of one principal: sealed on disk, each bound to one purpose. */
export { changeKeyStoreUnlock, keyStoreUnlockKind } from './change-unlock.ts'
export { keysErrors } from './errors.ts'
export { encryptPrivateKey } from './export-key.ts'
export { approvedGroups, type FipsProbe, isFipsMode, probeFips } from './fips.ts'
export { openKeyFile, openKeyStore } from './key-store.ts'
export {
  KEY_ALGORITHMS,
  KEY_PURPOSES,
  type KeyAlgorithm,
  type KeyFilePlace,
  type KeyInfo,
  type KeyPurpose,
  type KeyRef,
  type KeyStore,
  type KeyStoreUnlock,
  type KeyStoreUnlockChoice,
} from './key-types.ts'
export {
  createSealedFile,
  openSealedFile,
  type SealedFileOptions,
  type SealedFileReader,
  type SealedFileWriter,
} from './sealed-file.ts'
export {
  ensureValueKey,
  isSealedText,
  MAX_SEALED_VALUE_BYTES,
  openValueKeys,
  sealedKeyId,
  type ValueKeys,
} from './sealed-values.ts'
export { seal, unseal } from './sealing.ts'
