/** What operators are told, and what their folders hold. */
import assert from 'node:assert/strict'
import { systemRandom } from '../../src/foundation/base/index.ts'
import { openMember } from '../../src/apps/node/index.ts'
import type { Ran, TestFabric } from './fabric.ts'

/** The rule that a command was refused by; `undefined` when it was not. */
export function refusedBy({ err }: Ran): string | undefined {
  return /rule {4}(\S+)/.exec(err)?.[1]
}

/** The generation of the certificate in a folder; the first operator's by default. */
export function heldGeneration({ clock, operator }: TestFabric, folder: string = operator): number {
  const member = openMember({ clock, random: systemRandom }, { folder })
  assert.ok(member)
  member.close()
  return member.membership.generation
}
