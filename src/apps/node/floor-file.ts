import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  concatBytes,
  equalConstantTime,
  isRefusal,
  type Random,
  Secret,
} from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import type { KeyStore } from '../../trust/keys/index.ts'
import { createFloorMemory, type FloorMemory, type FloorSighting } from '../../trust/pki/index.ts'
import { nodeErrors } from './errors.ts'
import { writePrivate } from './object-files.ts'

/** Secret of the key store that the file is sealed with. */
const SECRET_NAME = 'floor-memory'
const FILE_NAME = 'floors.bin'
const KEY_BYTES = 32
const SEAL_BYTES = 32

/** A memory of floors that outlives the process. */
export interface FloorFile extends Pick<FloorMemory, 'check' | 'floorOf'> {
  /** Raises what is remembered; durable on return. */
  note(seen: readonly FloorSighting[]): void
}

/**
 * Opens or makes the memory of floors of a state folder: one file under a MAC whose key lies in the key
 * store. A file that is missing, cut or changed is refused: forgetting a floor would lower it.
 *
 * **Security:** an old copy of the whole folder, key store included, is not noticed here; peers and
 * the signed lock list then know better.
 *
 * @throws {@link KosError} KOS_NODE_STATE with the rule `floors`
 */
export function openFloorFile(
  deps: { readonly random: Random },
  place: { readonly folder: string; readonly keys: KeyStore },
): FloorFile {
  const path = join(place.folder, FILE_NAME)
  const key = place.keys.openSecret(SECRET_NAME) ?? firstKey(deps, { ...place, path })
  const memory = createFloorMemory(readSealed(path, key))
  if (isRefusal(memory)) throw nodeErrors.error('KOS_NODE_STATE', { rule: memory.rule })
  return Object.freeze({
    check: (peer: PeerFacts) => memory.check(peer),
    floorOf: (of: Parameters<FloorMemory['floorOf']>[0]) => memory.floorOf(of),
    note: (seen: readonly FloorSighting[]): void => {
      const rose = seen.filter((one) => memory.note(one))
      if (rose.length > 0) writeSealed(path, key, memory.encode())
    },
  })
}

/** The file first: a key without its file means that somebody took it away. */
function firstKey(
  { random }: { readonly random: Random },
  place: { readonly path: string; readonly keys: KeyStore },
): Secret {
  const key = Secret.take(random.bytes(KEY_BYTES))
  writeSealed(place.path, key, new Uint8Array())
  place.keys.sealSecret(SECRET_NAME, key)
  return key
}

function readSealed(path: string, key: Secret): Uint8Array {
  let sealed: Uint8Array
  try {
    sealed = readFileSync(path)
  } catch (cause) {
    throw nodeErrors.error('KOS_NODE_STATE', { rule: 'floors' }, cause)
  }
  const content = Uint8Array.from(sealed.subarray(SEAL_BYTES))
  const isWhole = sealed.length >= SEAL_BYTES
  if (!isWhole || !equalConstantTime(sealed.subarray(0, SEAL_BYTES), sealOf(key, content))) {
    throw nodeErrors.error('KOS_NODE_STATE', { rule: 'floors' })
  }
  return content
}

function writeSealed(path: string, key: Secret, content: Uint8Array): void {
  writePrivate(path, concatBytes(sealOf(key, content), content))
}

function sealOf(key: Secret, content: Uint8Array): Uint8Array {
  return key.use((bytes) => createHmac('sha256', bytes).update(content).digest())
}
