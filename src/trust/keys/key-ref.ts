import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { equalBytes, Secret, sha256 } from '../../foundation/base/index.ts'
import {
  type CertificateSigner,
  certificateSignerFromKey,
  coseSignerFromKey,
  type CoseSigner,
  spkiAlgorithm,
} from '../../foundation/codec/index.ts'
import { keysErrors } from './errors.ts'
import type { KeyAlgorithm, KeyInfo, KeyPurpose, KeyRef } from './key-types.ts'

type KeyUse = 'sign' | 'cose' | 'x509' | 'tls'

/** One purpose, one kind of statement: a signature made for one cannot be presented as another. */
const USES: Readonly<Record<KeyPurpose, readonly KeyUse[]>> = Object.freeze({
  identity: ['sign', 'cose', 'x509'],
  tls: ['x509', 'tls'],
  kem: [],
  log: ['sign'],
  'ca-root': ['cose', 'x509'],
  'ca-intermediate': ['x509'],
  policy: ['cose'],
  directory: ['cose'],
  lock: ['cose'],
  freshness: ['cose'],
  bundle: ['cose'],
})

/** A new private key, by the operating system's randomness. */
export function generateKey(algorithm: KeyAlgorithm): KeyObject {
  switch (algorithm) {
    case 'P-256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    case 'Ed25519':
      return generateKeyPairSync('ed25519').privateKey
    case 'ML-DSA-44':
      return generateKeyPairSync('ml-dsa-44').privateKey
    case 'ML-DSA-65':
      return generateKeyPairSync('ml-dsa-65').privateKey
  }
}

/** The PKCS#8 encoding of a private key. */
export function exportKey(privateKey: KeyObject): Secret {
  return Secret.take(privateKey.export({ type: 'pkcs8', format: 'der' }))
}

/** The canonical SPKI of a private key's public half. */
export function publicSpki(privateKey: KeyObject): Uint8Array {
  return Uint8Array.from(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }))
}

/** Reads PKCS#8; `undefined` when it is not the key whose SPKI is given. */
export function importKey(
  pkcs8: Secret,
  info: Pick<KeyInfo, 'spki' | 'algorithm'>,
): KeyObject | undefined {
  const privateKey = pkcs8.use((bytes) =>
    createPrivateKey({
      key: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
      format: 'der',
      type: 'pkcs8',
    }),
  )
  const spki = publicSpki(privateKey)
  return equalBytes(spki, info.spki) && spkiAlgorithm(spki) === info.algorithm
    ? privateKey
    : undefined
}

/**
 * Makes the object through which a private key is used.
 *
 * @param facts - name, purpose, algorithm and SPKI
 * @param privateKey - the key; it stays in this closure
 * @param assertOpen - throws when the store was closed
 */
export function createKeyRef(
  facts: Omit<KeyInfo, 'keyId'>,
  privateKey: KeyObject,
  assertOpen: () => void,
): KeyRef {
  const { name, purpose, algorithm, spki } = facts
  const keyId = sha256(spki)
  const cose = coseSignerFromKey(privateKey, keyId)
  const x509 = certificateSignerFromKey(privateKey)

  const allow = (use: KeyUse): void => {
    assertOpen()
    if (!USES[purpose].includes(use)) {
      throw keysErrors.error('KOS_KEYS_PURPOSE', { name, rule: `${purpose}: not for ${use}` })
    }
  }
  const guarded = <S extends { sign(bytes: Uint8Array): Uint8Array }>(
    use: KeyUse,
    signer: S,
  ): S => {
    allow(use)
    const sign = (bytes: Uint8Array): Uint8Array => {
      assertOpen()
      return signer.sign(bytes)
    }
    return Object.freeze({ ...signer, sign })
  }

  return Object.freeze({
    name,
    purpose,
    algorithm,
    spki,
    keyId,
    sign(bytes: Uint8Array): Uint8Array {
      allow('sign')
      return cose.sign(bytes)
    },
    signDer(bytes: Uint8Array): Uint8Array {
      allow('x509')
      return x509.sign(bytes)
    },
    coseSigner: (): CoseSigner => guarded('cose', cose),
    certificateSigner: (): CertificateSigner => guarded('x509', x509),
    tlsPrivateKeyPem(): Secret {
      allow('tls')
      const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
      return Secret.take(Buffer.from(pem))
    },
  })
}
