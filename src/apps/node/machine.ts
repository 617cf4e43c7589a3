import { readFileSync } from 'node:fs'
import { concatBytes, sha256, utf8 } from '../../foundation/base/index.ts'
import { chooseMac } from '../../trust/pki/index.ts'
import { permanentMacs } from './addresses.ts'

const MACHINE_TAG = utf8('kos-psk-machine')
/** Made once per installation of a Linux system. @see machine-id(5) */
const MACHINE_ID_FILE = '/etc/machine-id'

/**
 * What this machine is known by, to tell two that hold one pre-shared key apart. Neither MAC address
 * nor machine id can be read from it without guessing both.
 *
 * @returns 32 bytes
 */
export function machineHash(): Uint8Array {
  return sha256(concatBytes(MACHINE_TAG, chooseMac(permanentMacs()), utf8(machineId())))
}

function machineId(): string {
  try {
    return readFileSync(MACHINE_ID_FILE, 'utf8').trim().slice(0, 64)
  } catch {
    return ''
  }
}
