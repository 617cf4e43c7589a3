import { refuse, type Refusal } from '../../foundation/base/index.ts'
import { pkiErrors } from '../../trust/pki/index.ts'

/** A refusal of certificates or bundles with what is to be done, where it does not say so itself. */
export function withHint(refusal: Refusal): Refusal {
  const { code, rule, remedy, details } = refusal
  const [, row] = Object.entries(pkiErrors.rows).find(([name]) => name === code) ?? []
  if (remedy !== undefined || !row) return refusal
  return refuse(code, rule, { remedy: row.hint, ...(details && { details }) })
}
