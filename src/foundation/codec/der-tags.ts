/** Identifier octets of the universal types that kOS reads and writes. @see X.680 table 1 */
export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** Identifier octet of a primitive context-specific type `[number] IMPLICIT`. */
export const contextPrimitive = (number: number): number => 0x80 | number

/** Identifier octet of a constructed context-specific type `[number]`. */
export const contextConstructed = (number: number): number => 0xa0 | number

/** The character set of PrintableString. @see X.680 section 41.4 */
export const PRINTABLE_STRING: RegExp = /^[A-Za-z0-9 '()+,\-./:=?]*$/

/** The visible part of IA5String that names may use: no control characters, no space. */
export const VISIBLE_ASCII: RegExp = /^[\x21-\x7e]*$/
