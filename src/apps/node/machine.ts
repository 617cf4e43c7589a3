import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  concatBytes,
  isRefusal,
  Secret,
  sha256,
  toHex,
  utf8,
  validate,
  z,
} from '../../foundation/base/index.ts'
import { cborToPlain, decodeCbor, encodeCbor } from '../../foundation/codec/index.ts'
import type { KeyStore } from '../../trust/keys/index.ts'
import { chooseMac } from '../../trust/pki/index.ts'
import { permanentMacs } from './addresses.ts'
import { nodeErrors } from './errors.ts'

const MACHINE_TAG = utf8('kos-psk-machine')
/** Made once per installation of a Linux system. @see machine-id(5) */
const MACHINE_ID_FILE = '/etc/machine-id'
/** The network interfaces of a Linux machine, also those that are down. */
const INTERFACES = '/sys/class/net'

/**
 * What this machine is known by, to tell two that hold one pre-shared key apart. Neither MAC address
 * nor machine id can be read from it without guessing both.
 *
 * @returns 32 bytes
 */
export function machineHash(): Uint8Array {
  return sha256(concatBytes(MACHINE_TAG, chooseMac(permanentMacs()), utf8(machineId())))
}

function machineId(file = MACHINE_ID_FILE): string {
  try {
    return readFileSync(file, 'utf8').trim().slice(0, 64)
  } catch {
    return ''
  }
}

/** What tells one machine from another; each part hashed, and absent where the system does not say. */
export interface MachineMarks {
  /** Of the permanent MAC addresses of its hardware, in order. */
  readonly macs: readonly string[]
  readonly id: string
}

const MARK_TAG = utf8('kos-machine-mark')
/** Digits of a mark: it tells machines apart and proves nothing. */
const MARK_DIGITS = 32
const MAX_MACS = 64
const SECRET_NAME = 'machine'

const marks: z.ZodType<MachineMarks> = z.strictObject({
  macs: z.array(z.string().max(MARK_DIGITS)).max(MAX_MACS),
  id: z.string().max(MARK_DIGITS),
})

/**
 * Reads the marks of this machine. Addresses that were made up at start, as containers and bridges have
 * them, are none.
 *
 * @param place - where to look; this machine when absent
 */
export function machineMarks(
  place: { readonly net?: string; readonly id?: string } = {},
): MachineMarks {
  const { net = INTERFACES, id } = place
  const macs = existsSync(net)
    ? readdirSync(net).flatMap((name) => permanentMac(join(net, name)))
    : []
  const own = machineId(id)
  return {
    macs: [...new Set(macs)].toSorted().slice(0, MAX_MACS).map(markOf),
    id: own === '' ? '' : markOf(own),
  }
}

function permanentMac(folder: string): readonly string[] {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8').trim()
  try {
    const isHardware = existsSync(join(folder, 'device')) && read('addr_assign_type') === '0'
    const mac = isHardware ? read('address').toLowerCase() : ''
    return /^(?!00:00:00:00:00:00)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) ? [mac] : []
  } catch {
    return []
  }
}

function markOf(text: string): string {
  return toHex(sha256(concatBytes(MARK_TAG, utf8(text)))).slice(0, MARK_DIGITS)
}

/**
 * Ties the keys of a state folder to the machine that they were made on: a folder that was copied to
 * another machine together with its keys is not used there. A machine is another one when no network
 * hardware is the same, or, where there is none to compare, when its id is another.
 *
 * **Security:** against cloned images and honest mistakes, not against somebody who steals keys and runs
 * a program of his own with them: generations find that.
 *
 * @param keys - of the folder; the first call seals the marks beside them
 * @param here - of this machine
 * @param isMoved - the operator says that this machine has taken over: its marks replace the old ones
 * @throws {@link KosError} KOS_NODE_MOVED, KOS_NODE_STATE
 */
export function bindMachine(keys: KeyStore, here: MachineMarks, isMoved = false): void {
  using held = keys.openSecret(SECRET_NAME)
  if (held && !isMoved) {
    const plain = held.use((bytes) => cborToPlain(decodeCbor(Uint8Array.from(bytes))))
    const checked = validate(marks, plain)
    if (isRefusal(checked)) throw nodeErrors.error('KOS_NODE_STATE', { rule: 'machine' })
    if (isOther(checked.value, here)) throw nodeErrors.error('KOS_NODE_MOVED')
    return
  }
  keys.sealSecret(SECRET_NAME, Secret.take(encodeCbor({ macs: [...here.macs], id: here.id })))
}

function isOther(held: MachineMarks, here: MachineMarks): boolean {
  if (held.macs.length > 0 && here.macs.length > 0) {
    return !held.macs.some((mac) => here.macs.includes(mac))
  }
  return held.id !== '' && here.id !== '' && held.id !== here.id
}
