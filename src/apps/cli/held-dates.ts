import { toBase64Url } from '../../foundation/base/index.ts'
import { parseCertificate } from '../../foundation/codec/index.ts'
import type { KeyStore } from '../../trust/keys/index.ts'
import { API_TOKEN_LIFE_MS } from '../../network/session/index.ts'
import { loadMembership, readKeptToken } from '../node/index.ts'

/** What a folder knows of the age of its credentials; times are wall-clock milliseconds. */
export interface HeldDates {
  readonly certificate?: {
    /** Name of the key that it certifies. */
    readonly key: string
    readonly serial: string
    readonly generation: number
    readonly notBefore: number
    readonly notAfter: number
  }
  readonly psk?: { readonly handle: string; readonly generation: number }
  readonly apiToken?: { readonly handle: string; readonly since: number; readonly ends: number }
}

/** Reads the dates of what a folder holds: of its certificate or pre-shared key, and of its API token. */
export function datesOf(folder: string, keys: KeyStore): HeldDates {
  // An authority's folder has no membership: its certificates are made anew at every start.
  const membership = loadMembership(keys)
  if (!membership) return {}
  const token = apiTokenOf(folder)
  const { generation, psk, tlsKey, leaf } = membership
  const held = psk
    ? { psk: { handle: psk.handle, generation } }
    : { certificate: certificateOf(leaf, { key: tlsKey, generation }) }
  return { ...held, ...(token && { apiToken: token }) }
}

function certificateOf(
  leaf: Uint8Array,
  of: { readonly key: string; readonly generation: number },
): NonNullable<HeldDates['certificate']> {
  const { serialHex, notBefore, notAfter } = parseCertificate(leaf)
  return { ...of, serial: serialHex, notBefore, notAfter }
}

function apiTokenOf(folder: string): HeldDates['apiToken'] {
  const kept = readKeptToken(folder)
  if (!kept) return undefined
  const { handle, secret, expiresAt } = kept
  secret[Symbol.dispose]()
  return { handle: toBase64Url(handle), since: expiresAt - API_TOKEN_LIFE_MS, ends: expiresAt }
}
