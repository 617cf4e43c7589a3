import { type ChainSpec } from './pkix-chain.ts'

/** One broken rule. */
export interface Fault {
  readonly name: string
  /** As `verdict` of the chain kit prints it. */
  readonly expected: string
  /** The place of the check; of two faults the one with the lower number is reported. */
  readonly order: number
  /** What it changes: faults that change the same thing are not combined. */
  readonly touches: readonly string[]
  readonly apply: (spec: ChainSpec) => void
  /** Why OpenSSL does not say the same, where it does not. */
  readonly openssl?: string
}

/** The place of a building check between a certificate and its issuer. */
export const building = (depth: number, check: number): number => 10 * (depth + 1) + check
/** The place of a processing check: from the anchor down. */
export const processing = (depth: number, check: number): number => 1000 + (3 - depth) * 100 + check

/** Whether two faults can stand in one chain without changing the same thing. */
export function areCompatible(one: Fault, other: Fault): boolean {
  return !one.touches.some((touched) => other.touches.some((too) => isSame(touched, too)))
}

/** `leaf.*` is every part of the leaf. */
function isSame(one: string, other: string): boolean {
  const [place, what] = one.split('.')
  const [otherPlace, otherWhat] = other.split('.')
  return place === otherPlace && (what === otherWhat || what === '*' || otherWhat === '*')
}
