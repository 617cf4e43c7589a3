import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pemEncode } from '../../src/foundation/codec/index.ts'

/** Certificates per process: a process costs more than a certificate. */
const AT_ONCE = 400

/** The chain that every certificate must verify against. */
export interface Chain {
  readonly root: Uint8Array
  readonly intermediates: readonly Uint8Array[]
}

/**
 * Has `openssl verify` check every certificate, one file each.
 *
 * @param folder - made and removed
 * @param certificates - DER
 * @throws when one is not found good, naming what OpenSSL said
 */
export function verifyWithOpenssl(
  folder: string,
  certificates: readonly Uint8Array[],
  { root, intermediates }: Chain,
): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const pem = (name: string, ders: readonly Uint8Array[]): string => {
    const path = join(folder, name)
    writeFileSync(path, ders.map((der) => pemEncode('CERTIFICATE', der)).join(''))
    return path
  }
  const trusted = ['-x509_strict', '-CAfile', pem('root.pem', [root])]
  if (intermediates.length > 0) trusted.push('-untrusted', pem('chain.pem', intermediates))
  try {
    for (let first = 0; first < certificates.length; first += AT_ONCE) {
      const files = certificates
        .slice(first, first + AT_ONCE)
        .map((der, index) => pem(`${index}.pem`, [der]))
      const { stdout, stderr } = spawnSync('openssl', ['verify', ...trusted, ...files], {
        encoding: 'utf8',
      })
      const good = stdout.split('\n').filter((line) => line.endsWith(': OK')).length
      if (good === files.length) continue
      const [complaint = 'nothing'] = stderr.split('\n').filter((line) => line.startsWith('error'))
      throw new Error(`openssl verify: ${good} of ${files.length} are good; it says: ${complaint}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
