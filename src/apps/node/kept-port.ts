import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HostPort } from './addresses.ts'
import { writePrivate } from './object-files.ts'

/** A listener whose port is remembered in a state folder. */
export interface KeptListener {
  readonly folder: string
  /** Name of the file, without its ending. */
  readonly name: string
  readonly listen: HostPort
  /** Whether the port was asked for; otherwise another one does as well. */
  readonly isPortFixed: boolean
}

/**
 * Where a listener tries to listen, in order: the port it got last time, because peers know it, the
 * default port, any free port.
 */
export function listenCandidates(kept: KeptListener): readonly HostPort[] {
  const { listen, isPortFixed } = kept
  if (isPortFixed) return [listen]
  const last = readPort(kept)
  const ports = new Set([...(last === undefined ? [] : [last]), listen.port, 0])
  return [...ports].map((port) => ({ host: listen.host, port }))
}

/** Remembers the port a listener got, unless it was asked for. */
export function keepPort(kept: KeptListener, port: number): void {
  if (kept.isPortFixed || readPort(kept) === port) return
  writePrivate(pathOf(kept), Buffer.from(`${port}\n`))
}

function readPort(kept: KeptListener): number | undefined {
  try {
    const port = Number(readFileSync(pathOf(kept), 'utf8').trim())
    return Number.isInteger(port) && port > 0 && port <= 65_535 ? port : undefined
  } catch {
    return undefined
  }
}

function pathOf(kept: KeptListener): string {
  return join(kept.folder, `${kept.name}.port`)
}
