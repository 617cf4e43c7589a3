import { refuse, type Refusal, type Secret } from '../../foundation/base/index.ts'
import type { UserEnvironment } from './user-format.ts'

/** Secrets of the device that command files name; nobody but the program gets their values. */
export interface CommandSecrets {
  has(name: string): boolean
  /** A copy; the caller disposes of it. `undefined`: there is none of this name. */
  open(name: string): Secret | undefined
}

/** The environment of one run, and what must not come out of it again. */
export interface RunEnvironment {
  readonly environment: Readonly<Record<string, string>>
  /** Values of the secrets among them. */
  readonly hidden: readonly string[]
}

/**
 * The environment that a command file asks for.
 *
 * @returns a refusal when a secret is not there any more
 */
export function fillEnvironment(
  wanted: UserEnvironment,
  secrets: CommandSecrets | undefined,
): RunEnvironment | Refusal {
  const environment: Record<string, string> = {}
  const hidden: string[] = []
  for (const [variable, value] of Object.entries(wanted)) {
    if (typeof value === 'string') {
      environment[variable] = value
      continue
    }
    using secret = secrets?.open(value.secret)
    if (!secret) {
      return refuse('KOS_CATALOG_PROGRAM', 'program/secret-missing', {
        remedy: 'Set the secrets that its file names on the device: kosctl config set secrets.NAME',
      })
    }
    const text = secret.use((bytes) => Buffer.from(bytes).toString('utf8'))
    environment[variable] = text
    hidden.push(text)
  }
  return { environment, hidden }
}

/** Whether a value of plain data holds one of some texts anywhere. */
export function holdsText(value: unknown, hidden: readonly string[]): boolean {
  if (hidden.length === 0) return false
  if (typeof value === 'string') return hidden.some((text) => value.includes(text))
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(
    ([name, child]) => holdsText(name, hidden) || holdsText(child, hidden),
  )
}

/** Whether bytes hold one of some texts. */
export function holdsBytes(bytes: Uint8Array, hidden: readonly string[]): boolean {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return hidden.some((text) => view.includes(text))
}

/** A stream without secrets. */
export interface GuardedStream {
  /** Sends what is safe by now. Rejects, and sends nothing more, once a secret came by. */
  readonly emit: (bytes: Uint8Array) => Promise<void>
  /** Sends the rest. */
  end(): Promise<void>
  /** Whether a secret came by. */
  readonly isStopped: boolean
}

/**
 * Keeps secrets out of a stream, also where one is cut in two by the pieces that it comes in: bytes that
 * a secret begins with wait for the next piece.
 *
 * @param emit - where the stream goes
 * @param hidden - texts that must not come by
 */
export function guardStream(
  emit: (bytes: Uint8Array) => Promise<void>,
  hidden: readonly string[],
): GuardedStream {
  const beginnings = hidden.map((text) => Buffer.from(text))
  let tail: Buffer = Buffer.alloc(0)
  let isStopped = false
  return {
    emit: async (bytes) => {
      const all = Buffer.concat([tail, bytes])
      isStopped ||= holdsBytes(all, hidden)
      if (isStopped) throw new TypeError('a secret in the output of a program')
      const held = Math.max(...beginnings.map((beginning) => lengthOfBeginning(all, beginning)))
      tail = all.subarray(all.length - held)
      if (all.length > held) await emit(all.subarray(0, all.length - held))
    },
    end: async () => {
      if (!isStopped && tail.length > 0) await emit(tail)
    },
    get isStopped() {
      return isStopped
    },
  }
}

/** How many bytes at the end of some are the beginning of others. */
function lengthOfBeginning(bytes: Buffer, other: Buffer): number {
  const [first = 0] = other
  let at = bytes.indexOf(first, Math.max(0, bytes.length - other.length + 1))
  while (at >= 0 && bytes.compare(other, 0, bytes.length - at, at) !== 0) {
    at = bytes.indexOf(first, at + 1)
  }
  return at < 0 ? 0 : bytes.length - at
}
