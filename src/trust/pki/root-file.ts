import { existsSync } from 'node:fs'
import {
  equalBytes,
  isRefusal,
  type Random,
  refuse,
  type Refusal,
  Secret,
  sha256,
  validate,
  z,
} from '../../foundation/base/index.ts'
import { cborToPlain, codecErrors, decodeCbor, encodeCbor } from '../../foundation/codec/index.ts'
import { type KeyFilePlace, type KeyStore, openKeyFile } from '../keys/index.ts'
import { buildCaCsr } from './ca-certificates.ts'
import { findRootKeys, ROOT_KEY_NAMES, type RootKeys } from './ca-keys.ts'
import { type CaState, loadCaState, saveCaState } from './ca-state.ts'
import { pkiErrors } from './errors.ts'
import { compareNumbered, type EraNumber } from './numbered.ts'
import {
  encodeRootRequest,
  type OpenedRequest,
  readRootRequest,
  requestRefusal,
} from './root-request.ts'
import { type RootSigner, signRootRequest } from './root-sign.ts'
import { type TrustBundle, verifyTrustBundle } from './trust-bundle.ts'

/** Both root keys in a file of their own, open. */
export interface RootFile extends RootSigner, Disposable {
  readonly last: EraNumber
  /** The newest bundle that was signed with this file, or that was in force when it was made. */
  readonly trust: TrustBundle
  /** A request for a certificate of a company over the P-256 root; PKCS#10, DER. */
  csr(): Uint8Array
  /** Reads a request, which must be one to these root keys. */
  read(request: Uint8Array): OpenedRequest | Refusal
  /**
   * Signs what a request asks for, and remembers it in the file before anybody gets it: two bundles of
   * one number are never signed. The same request again is answered by the same bundle.
   *
   * @returns the signed bundle, or a refusal KOS_PKI_ROOT_REQUEST, KOS_PKI_OLDER
   * @throws KOS_KEYS_WRITE when the file cannot be written
   */
  sign(opened: OpenedRequest): Uint8Array | Refusal
}

interface Deps {
  readonly random: Random
}

const JOURNAL = 'signed'
const VERSION = 1
const journalSchema = z.strictObject({
  version: z.literal(VERSION),
  bundle: z.instanceof(Uint8Array),
  request: z.instanceof(Uint8Array),
})

/** The newest bundle, and what it was asked for with. */
interface Journal {
  readonly bundle: Uint8Array
  /** SHA-256 of the request; empty for a bundle that was in force when the file was made. */
  readonly request: Uint8Array
}

/**
 * Opens a file that {@link exportRootKeys} made: for signing where no authority is.
 *
 * **Security:** it remembers what it signed in itself. Of several copies each remembers its own only:
 * keep the others as backups, and sign with one.
 *
 * @param deps - randomness for serial numbers and nonces
 * @param place - the file and its passphrase
 * @throws KOS_KEYS_NOT_FOUND, KOS_KEYS_MODE, KOS_KEYS_UNLOCK, KOS_KEYS_CORRUPT as the key store;
 *   KOS_PKI_STATE `root-file` when it is another kind of file or incomplete
 */
export function openRootFile(deps: Deps, place: KeyFilePlace): RootFile {
  const store = openKeyFile(deps, { ...place, isNew: false })
  try {
    return rootFileOf(deps, store)
  } catch (error) {
    store.close()
    throw error
  }
}

function rootFileOf(deps: Deps, store: KeyStore): RootFile {
  const roots = findRootKeys(store)
  let journal = readJournal(store)
  if (!roots || !journal) throw fileError()
  let trust = verified(journal.bundle, roots)
  const rootSpkis = [roots.p256.spki, roots.mlDsa65.spki] as const
  return {
    get last(): EraNumber {
      return trust
    },
    get trust(): TrustBundle {
      return trust
    },
    csr: () => buildCaCsr(roots.p256, trust.rootP256Certificate),
    read: (request) => {
      const opened = readRootRequest(request, { rootSpkis })
      if (isRefusal(opened)) return opened
      return opened.current.trustDomain === trust.trustDomain
        ? opened
        : requestRefusal('trust-domain')
    },
    sign: (opened) => {
      const request = hashOf(opened)
      const order = compareNumbered(opened.request, trust)
      if (journal && order === 0 && equalBytes(request, journal.request)) return journal.bundle
      if (order < 0) return refuse('KOS_PKI_OLDER', 'root-request')
      if (order === 0) return requestRefusal('fork')
      const bundle = signRootRequest(opened, roots, deps.random)
      if (isRefusal(bundle)) return bundle
      const next = verified(bundle, roots)
      // Remembered before it is given away.
      journal = writeJournal(store, { bundle, request })
      trust = next
      return bundle
    },
    [Symbol.dispose]: () => store.close(),
  }
}

/** What was asked for, whatever else stands around it. */
function hashOf({ request, current }: OpenedRequest): Uint8Array {
  return sha256(encodeRootRequest(request, current.hash))
}

/**
 * Moves both root keys into a file sealed by a passphrase: the file is written, opened again to see
 * that they are there, and only then they are removed here. Whatever a crash cuts off, the same again
 * finishes.
 *
 * @param deps - randomness
 * @param keys - the key store of the authority
 * @param place - the file, made with mode 0600; `isKept` leaves the keys where they are, too
 * @returns the bundle in force
 * @throws KOS_PKI_STATE `root-keys` when they are neither here nor in the file, `root-file` when the
 *   file holds others; KOS_KEYS_UNLOCK, KOS_KEYS_WRITE and others as the key store; the keys stay then
 */
export function exportRootKeys(
  deps: Deps,
  keys: KeyStore,
  place: KeyFilePlace & { readonly isKept: boolean },
): TrustBundle {
  const { state, trust } = inForce(keys)
  const isNew = !existsSync(place.path)
  if (isNew && !findRootKeys(keys)) throw stateError('root-keys')
  fillRootFile(keys, openKeyFile(deps, { ...place, isNew }), { bundle: state.bundle, trust })
  // What was written opens, and both keys are the private halves of those in the bundle in force.
  using file = openRootFile(deps, place)
  if (file.trust.pin !== trust.pin) throw fileError()
  if (place.isKept) return trust
  for (const name of ROOT_KEY_NAMES) {
    if (keys.get(name)) keys.remove(name)
  }
  return trust
}

function fillRootFile(
  keys: KeyStore,
  file: KeyStore,
  { bundle, trust }: { readonly bundle: Uint8Array; readonly trust: TrustBundle },
): void {
  try {
    for (const name of ROOT_KEY_NAMES) {
      if (file.get(name)) continue
      if (!keys.get(name)) throw stateError('root-keys')
      file.copyKey(keys, name)
    }
    const roots = requireRoots(file, trust)
    const journal = readJournal(file)
    if (journal && compareNumbered(trust, verified(journal.bundle, roots)) <= 0) return
    writeJournal(file, { bundle, request: new Uint8Array() })
  } finally {
    file.close()
  }
}

/**
 * Copies the root keys of a file back into the authority's key store.
 *
 * @throws KOS_PKI_STATE `root-file` when they are not those of the authority's bundle
 */
export function importRootKeys(deps: Deps, keys: KeyStore, place: KeyFilePlace): TrustBundle {
  const { state, trust } = inForce(keys)
  const file = openKeyFile(deps, { ...place, isNew: false })
  try {
    const roots = requireRoots(file, trust)
    const journal = readJournal(file)
    const signed = journal ? verified(journal.bundle, roots).number : 0
    // What was signed elsewhere has its number, also if it never came here.
    saveCaState(keys, { ...state, asked: Math.max(state.asked ?? 0, signed, trust.number) })
    for (const name of ROOT_KEY_NAMES) {
      if (!keys.get(name)) keys.copyKey(file, name)
    }
  } finally {
    file.close()
  }
  return trust
}

function inForce(keys: KeyStore): { readonly state: CaState; readonly trust: TrustBundle } {
  const state = loadCaState(keys)
  if (!state) throw stateError('ca-state')
  const trust = verifyTrustBundle(state.bundle, { pin: state.pin })
  if (isRefusal(trust)) throw stateError(`bundle: ${trust.rule}`)
  return { state, trust }
}

function requireRoots(file: KeyStore, trust: TrustBundle): RootKeys {
  const roots = findRootKeys(file)
  const fits =
    roots &&
    equalBytes(roots.p256.spki, trust.rootP256Spki) &&
    equalBytes(roots.mlDsa65.spki, trust.rootMlDsaSpki)
  if (!fits) throw fileError()
  return roots
}

function verified(bundle: Uint8Array, roots: RootKeys): TrustBundle {
  const trust = verifyTrustBundle(bundle, { rootSpkis: [roots.p256.spki, roots.mlDsa65.spki] })
  if (isRefusal(trust)) throw fileError()
  return trust
}

function readJournal(store: KeyStore): Journal | undefined {
  using secret = store.openSecret(JOURNAL)
  if (!secret) return undefined
  try {
    const read = secret.use((bytes) => validate(journalSchema, cborToPlain(decodeCbor(bytes))))
    if (!isRefusal(read)) return read.value
  } catch (error) {
    if (!codecErrors.has(error)) throw error
  }
  throw fileError()
}

function writeJournal(store: KeyStore, { bundle, request }: Journal): Journal {
  using secret = Secret.take(encodeCbor({ version: VERSION, bundle, request }))
  store.sealSecret(JOURNAL, secret)
  return { bundle, request }
}

function fileError(): Error {
  return stateError('root-file')
}

function stateError(rule: string): Error {
  return pkiErrors.error('KOS_PKI_STATE', { rule })
}
