import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { isRefusal, parseJson, utf8, validate, z } from '../../foundation/base/index.ts'
import { nodeErrors } from './errors.ts'
import { writePrivate } from './object-files.ts'

/** Name of the file in the state folder. */
const FILE_NAME = 'first-boot.json'
const MAX_BYTES = 4096

/** What an image tells the devices that come from it. */
export interface FirstBoot {
  /** With its secret: the file is of mode 0600, and goes with the first success. */
  readonly joinLine: string
  /** Join as a sensor, with a pre-shared key. */
  readonly psk?: boolean | undefined
  /** What to ask to be called; see `wantedName`. */
  readonly name?: string | undefined
}

const schema: z.ZodType<FirstBoot> = z.strictObject({
  joinLine: z.string().max(512),
  psk: z.boolean().optional(),
  name: z.string().max(64).optional(),
})

/** Puts what the first start needs into a state folder; durable on return. */
export function writeFirstBoot(folder: string, firstBoot: FirstBoot): void {
  writePrivate(join(folder, FILE_NAME), utf8(`${JSON.stringify(firstBoot)}\n`))
}

/**
 * Reads what an image left for the first start.
 *
 * @returns `undefined` when there is nothing
 * @throws {@link KosError} KOS_NODE_FIRST_BOOT when it is not understood, or open to others
 */
export function readFirstBoot(folder: string): FirstBoot | undefined {
  const path = join(folder, FILE_NAME)
  if (!existsSync(path)) return undefined
  const descriptor = openSync(path, 'r')
  try {
    // On the open descriptor: nobody can exchange the file between check and use.
    const { mode, size } = fstatSync(descriptor)
    if ((mode & 0o077) !== 0) throw unfit(path, 'open to others')
    if (size > MAX_BYTES) throw unfit(path, 'too long')
    const json = parseJson(readFileSync(descriptor, 'utf8'), MAX_BYTES)
    const checked = json.allow ? validate(schema, json.value) : json
    if (isRefusal(checked)) throw unfit(path, checked.rule)
    return checked.value
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Overwrites and removes what an image left, once it is of no use any more; harmless when it is gone.
 *
 * **Security:** a file system that writes to new places, or a flash memory, may keep the old blocks: the
 * token behind the line counts its uses, ends, and can be revoked.
 */
export function shredFirstBoot(folder: string): void {
  const path = join(folder, FILE_NAME)
  if (!existsSync(path)) return
  const descriptor = openSync(path, 'r+')
  try {
    writeSync(descriptor, new Uint8Array(Math.min(fstatSync(descriptor).size, MAX_BYTES)), 0)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  rmSync(path)
}

function unfit(file: string, rule: string): Error {
  return nodeErrors.error('KOS_NODE_FIRST_BOOT', { file, rule })
}
