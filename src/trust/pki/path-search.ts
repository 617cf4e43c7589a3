import { equalBytes } from '../../foundation/base/index.ts'
import {
  codecErrors,
  parsePkixCertificate,
  peekPkixSubject,
  type PkixCertificate,
} from '../../foundation/codec/index.ts'
import { type PathProblem, type PathRefusal, problem, refusePath } from './path-reasons.ts'
import type { PathLimits } from './path-types.ts'
import type { WorkMeter } from './path-work.ts'

/** A certificate that may be an issuer; parsed when it is first needed. */
interface Issuer {
  readonly der: Uint8Array
  readonly isAnchor: boolean
  parsed: PkixCertificate | PathProblem | undefined
}

/** Issuers by comparable subject. */
export type IssuerIndex = ReadonlyMap<string, readonly Issuer[]>

/**
 * Sorts anchors and candidates by their subjects, anchors first, each encoding once. Whatever
 * cannot be read so far is left out.
 */
export function indexIssuers(
  anchors: readonly (Uint8Array | PkixCertificate)[],
  candidates: readonly Uint8Array[],
): IssuerIndex {
  const index = new Map<string, Issuer[]>()
  const seen = new Set<string>()
  const add = (one: Uint8Array | PkixCertificate, isAnchor: boolean): void => {
    const parsed = one instanceof Uint8Array ? undefined : one
    const der = one instanceof Uint8Array ? one : one.der
    const encoding = Buffer.from(der.buffer, der.byteOffset, der.length).toString('latin1')
    if (seen.has(encoding)) return
    seen.add(encoding)
    const subject = parsed?.subject.key ?? peekPkixSubject(der)
    if (subject === undefined) return
    const issuers = index.get(subject)
    const issuer = { der, isAnchor, parsed }
    if (issuers) issuers.push(issuer)
    else index.set(subject, [issuer])
  }
  for (const anchor of anchors) add(anchor, true)
  for (const candidate of candidates) add(candidate, false)
  return index
}

/** Parses a certificate; what is wrong with it otherwise. */
export function tryParse(der: Uint8Array, limits: PathLimits): PkixCertificate | PathProblem {
  try {
    const certificate = parsePkixCertificate(der)
    return keySizeProblem(certificate, limits) ?? certificate
  } catch (error) {
    if (!codecErrors.has(error)) throw error
    return problem('encoding', String(error.details['rule']))
  }
}

// NIST SP 800-131A section 3: 2048 bits at least; at most what is verified in reasonable time.
function keySizeProblem(
  { publicKey }: PkixCertificate,
  { minRsaBits, maxRsaBits }: PathLimits,
): PathProblem | undefined {
  const { modulusBits } = publicKey
  const isFit = modulusBits === 0 || (modulusBits >= minRsaBits && modulusBits <= maxRsaBits)
  return isFit ? undefined : problem('key-size', String(modulusBits))
}

/** What a search for paths is made with. */
export interface SearchContext {
  readonly index: IssuerIndex
  readonly limits: PathLimits
  readonly work: WorkMeter
  /** Decides on a path whose names and signatures hold. */
  readonly process: (
    certificates: readonly PkixCertificate[],
    anchor: PkixCertificate,
  ) => PathRefusal | undefined
}

/** A refusal that was met while searching; the one that came furthest is reported. */
interface Finding {
  readonly refusal: PathRefusal
  /** Certificates that held before it; a complete path counts more, an end of the work most. */
  readonly progress: number
}

const COMPLETE = Number.MAX_SAFE_INTEGER

/**
 * Searches paths from a target to an anchor, depth first, and lets `process` decide on each until
 * one is accepted or the work is used up. Signatures are verified on the way, so certificates that
 * nobody signed multiply nothing.
 */
export class PathSearch {
  readonly #context: SearchContext
  #best: Finding | undefined
  #isStopped = false

  constructor(context: SearchContext) {
    this.#context = context
  }

  /** The refusal of the path that came furthest, or `undefined` when one was accepted. */
  run(target: PkixCertificate): PathRefusal | undefined {
    return this.#extend([], target) ? undefined : this.#best?.refusal
  }

  /** Whether a path through these certificates and up from the child was accepted. */
  #extend(below: readonly PkixCertificate[], child: PkixCertificate): boolean {
    const path = [...below, child]
    for (const { certificate, isAnchor } of this.#issuersOf(path, child)) {
      if (this.#isStopped) return false
      if (!isAnchor && !this.#isAllowed(path, certificate)) continue
      if (!this.#isSignedBy(path, child, certificate)) continue
      const accepted = isAnchor ? this.#decide(path, certificate) : this.#extend(path, certificate)
      if (accepted) return true
    }
    this.#note(path, problem('no-issuer'), child)
    return false
  }

  /**
   * The readable issuers that the child names: anchors first, then those whose key it names, then
   * those that do not say which key they have.
   */
  #issuersOf(path: readonly PkixCertificate[], child: PkixCertificate): readonly Candidate[] {
    const found: [anchors: Candidate[], named: Candidate[], others: Candidate[]] = [[], [], []]
    for (const entry of this.#context.index.get(child.issuer.key) ?? []) {
      if (!this.#context.work.step()) {
        this.#stop(path, problem('work-limit', 'steps'))
        return []
      }
      entry.parsed ??= tryParse(entry.der, this.#context.limits)
      if ('reason' in entry.parsed) this.#note(path, entry.parsed)
      else if (isNamedBy(child, entry.parsed)) {
        const rank = entry.isAnchor ? 0 : entry.parsed.subjectKeyId ? 1 : 2
        found[rank].push({ certificate: entry.parsed, isAnchor: entry.isAnchor })
      }
    }
    return found.flat()
  }

  #isAllowed(path: readonly PkixCertificate[], issuer: PkixCertificate): boolean {
    if (isInPath(path, issuer)) return false
    if (path.length <= this.#context.limits.maxDepth) return true
    this.#note(path, problem('depth'))
    return false
  }

  // RFC 5280 section 6.1.3 (a)(1).
  #isSignedBy(
    path: readonly PkixCertificate[],
    child: PkixCertificate,
    issuer: PkixCertificate,
  ): boolean {
    const verdict = this.#context.work.verify(child, issuer.publicKey)
    if (verdict === 'limit') this.#stop(path, problem('work-limit', 'signatures'))
    if (verdict === 'bad') this.#note(path, problem('signature'), child)
    return verdict === 'good'
  }

  #decide(path: readonly PkixCertificate[], anchor: PkixCertificate): boolean {
    const refusal = this.#context.process(path, anchor)
    if (!refusal) return true
    this.#isStopped = refusal.rule === 'work-limit'
    this.#keep({ refusal, progress: this.#isStopped ? Infinity : COMPLETE })
    return false
  }

  /** Notes what is wrong with the last certificate of a path, or with one that would follow it. */
  #note(path: readonly PkixCertificate[], failed: PathProblem, last?: PkixCertificate): void {
    const depth = last ? path.length - 1 : path.length
    this.#keep({ refusal: refusePath(failed, depth, last), progress: path.length })
  }

  #stop(path: readonly PkixCertificate[], failed: PathProblem): void {
    this.#isStopped = true
    this.#keep({ refusal: refusePath(failed, path.length - 1), progress: Infinity })
  }

  #keep(finding: Finding): void {
    if (!this.#best || finding.progress > this.#best.progress) this.#best = finding
  }
}

/** A parsed issuer that the name and key identifiers allow. */
interface Candidate {
  readonly certificate: PkixCertificate
  readonly isAnchor: boolean
}

// RFC 5280 section 4.2.1.1: where the child says which key or certificate signed it, no other did.
function isNamedBy({ authorityKeyId }: PkixCertificate, issuer: PkixCertificate): boolean {
  const { keyId, issuer: named } = authorityKeyId ?? {}
  const { subjectKeyId } = issuer
  if (keyId && subjectKeyId && !equalBytes(keyId, subjectKeyId)) return false
  if (!named) return true
  return named.serialHex === issuer.serialHex && named.names.includes(issuer.issuer.key)
}

// RFC 4158 section 5.2: the same name with the same key again is a loop, in whatever certificate.
function isInPath(path: readonly PkixCertificate[], issuer: PkixCertificate): boolean {
  return path.some(
    ({ subject, publicKey }) =>
      subject.key === issuer.subject.key && equalBytes(publicKey.spki, issuer.publicKey.spki),
  )
}
