/** Wire and signature formats: deterministic CBOR, COSE, strict DER, X.509, HTTP signatures. */
export { cborToPlain } from './cbor-plain.ts'
export { type CborKind, CborReader, decodeCbor } from './cbor-reader.ts'
export {
  type CborInput,
  type CborKey,
  type CborLimits,
  type CborMap,
  CborTag,
  type CborValue,
  compareCborKeys,
  DEFAULT_CBOR_LIMITS,
} from './cbor-types.ts'
export { CborWriter, encodeCbor } from './cbor-writer.ts'
export { contentDigest, verifyContentDigest } from './content-digest.ts'
export {
  coseAlgorithmOf,
  coseSignerFromKey,
  coseVerifierFromSpki,
  isLowS,
  toLowS,
} from './cose-keys.ts'
export { macCose0, verifyCoseMac0 } from './cose-mac0.ts'
export { signCose, verifyCose } from './cose-sign.ts'
export { type CoseSign1Check, signCose1, verifyCose1 } from './cose-sign1.ts'
export {
  type CoseAlgorithm,
  type CoseContent,
  type CoseMacKey,
  type CoseSigner,
  type CoseVerifier,
} from './cose-types.ts'
export { type CwtClaims, encodeCwtClaims, MAX_CWT_BYTES, signCwt, verifyCwt } from './cwt.ts'
export { buildCertsOnly, buildCsrAttributes } from './est-messages.ts'
export { codecErrors } from './errors.ts'
export { encodeOid, type ObjectIdentifier } from './der-oid.ts'
export { DER_LIMITS, type DerLimits, DerReader } from './der-reader.ts'
export {
  derBitString,
  derBoolean,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derTlv,
  derUnsigned,
} from './der-writer.ts'
export {
  type HttpMessage,
  type HttpSignature,
  type HttpSignatureFields,
  type HttpSignatureRequest,
  httpSignatureBase,
  parseHttpSignatures,
  signHttpHmac,
  verifyHttpHmac,
} from './http-signature.ts'
export {
  type BareItem,
  type FieldItem,
  type FieldMember,
  type FieldParameters,
  type InnerList,
  MAX_FIELD_CHARACTERS,
  parseDictionary,
  writeFieldItem,
  writeInnerList,
} from './structured-fields.ts'
export {
  type CertificateSigner,
  certificateSignerFromKey,
  importSpki,
  spkiAlgorithm,
  type X509KeyAlgorithm,
  type X509SignatureAlgorithm,
} from './x509-algorithms.ts'
export {
  buildCertificate,
  type CertificateFields,
  parseCertificate,
  verifyCertificateSignature,
  type X509Certificate,
} from './x509-certificate.ts'
export {
  type CertificateRevocationList,
  MAX_CRL_BYTES,
  parseCrl,
  REVOCATION_REASONS,
  type RevocationReason,
  type RevokedCertificate,
} from './x509-crl.ts'
export { buildCrl, type CrlFields } from './x509-crl-writer.ts'
export {
  authorityKeyIdExtension,
  type BasicConstraints,
  basicConstraintsExtension,
  EXTENSION_OID,
  extendedKeyUsageExtension,
  KEY_PURPOSE,
  type KeyUsage,
  keyUsageExtension,
  permittedUriHostsExtension,
  subjectAltNamesExtension,
  subjectKeyIdExtension,
  type X509Extension,
} from './x509-extensions.ts'
export { type GeneralNames, ipAddressBytes } from './x509-general-names.ts'
export {
  buildName,
  NAME_OID,
  parseName,
  type X509Name,
  type X509NameAttribute,
} from './x509-names.ts'
export type { NameConstraints, NameSubtrees, X509ExtensionValues } from './x509-own-extensions.ts'
export {
  parsePkixCertificate,
  peekPkixSubject,
  type PkixCertificate,
} from './x509-pkix-certificate.ts'
export {
  ANY_POLICY,
  type AuthorityKeyId,
  PKIX_EXTENSION_OID,
  type PkixExtensionValues,
  type PkixNameConstraints,
  type PolicyConstraints,
  type PolicyMapping,
} from './x509-pkix-extensions.ts'
export {
  importPkixKey,
  type PkixDigest,
  type PkixKeyAlgorithm,
  type PkixPublicKey,
} from './x509-pkix-keys.ts'
export { type DistinguishedName, type PkixGeneralNames } from './x509-pkix-names.ts'
export {
  type PkixSignatureAlgorithm,
  type PkixSigned,
  verifyPkixSignature,
} from './x509-pkix-signatures.ts'
export { buildEncryptedPkcs8, type EncryptedPkcs8 } from './pkcs8-encrypted.ts'
export { MAX_PEM_CHARACTERS, pemDecode, pemEncode } from './x509-pem.ts'
export {
  buildCsr,
  type CertificateRequest,
  challengePassword,
  type CsrAttribute,
  extensionRequest,
  MAX_CSR_BYTES,
  parseCsr,
  requestedExtensions,
  verifyCsr,
} from './x509-request.ts'
export { MAX_CERTIFICATE_BYTES } from './x509-walk.ts'
