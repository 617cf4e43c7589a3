import { refuse, type Refusal } from '../../foundation/base/index.ts'
import { pkiErrors } from '../../trust/pki/index.ts'

/**
 * The refusal of a step of the CA.
 *
 * @param rule - names the check
 * @param remedy - what is to be typed instead
 */
export function refuseCa(rule: string, remedy: string): Refusal {
  return refuse('KOS_AUTHORITY_CA', `ca/${rule}`, { remedy })
}

/** A refusal of certificates or bundles with what is to be done, where it does not say so itself. */
export function withHint(refusal: Refusal): Refusal {
  const { code, rule, remedy, details } = refusal
  const [, row] = Object.entries(pkiErrors.rows).find(([name]) => name === code) ?? []
  if (remedy !== undefined || !row) return refusal
  return refuse(code, rule, { remedy: row.hint, ...(details && { details }) })
}
