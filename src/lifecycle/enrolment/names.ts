import { refuse, type Refusal, type UnixMs } from '../../foundation/base/index.ts'
import type { EnrolmentTransaction, TokenRecord } from './records.ts'

/** A name of a device, an agent or a user. */
export const NAME: RegExp = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** It ends in a hyphen, so that no name without one is ever claimed by what follows. */
export const NAME_PREFIX: RegExp = /^[a-z0-9](?:[a-z0-9-]{0,55})-$/

type Named = Pick<TokenRecord, 'kind' | 'name'>

/** Nobody comes in whom the directory could not name: no member would take a larger one. */
export function capacityProblem(transaction: EnrolmentTransaction): Refusal | undefined {
  return transaction.isFull() ? refuse('KOS_ENROLMENT_FULL', 'directory/full') : undefined
}

/** Names are unique among those who are there; ids for ever, and agents and users are named by theirs. */
export function nameProblem(
  transaction: EnrolmentTransaction,
  { kind, name }: Named,
): Refusal | undefined {
  if (transaction.principalNamed(name)) return nameTaken(name, 'principal')
  const isFormer = kind !== 'device' && transaction.principal(name)
  return isFormer ? nameTaken(name, 'former-principal') : undefined
}

/** The same of a name that is given away only now: an open token may have promised it to somebody. */
export function newNameProblem(
  transaction: EnrolmentTransaction,
  named: Named,
  nowMs: UnixMs,
): Refusal | undefined {
  const problem = nameProblem(transaction, named)
  if (problem) return problem
  const promised = transaction.openTokenNamed(named.name)
  const isPromised = promised && promised.expiresAt > nowMs
  return isPromised ? nameTaken(named.name, 'open-token') : undefined
}

/** The refusal of a name; the rule is `name/` and who has it. */
export function nameTaken(name: string, by: string): Refusal {
  return refuse('KOS_ENROLMENT_NAME_TAKEN', `name/${by}`, {
    remedy: 'Choose another name, or remove the device that has it.',
    details: { name },
  })
}
