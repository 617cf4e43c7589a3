/**
 * A program that takes one join request as an authority does, and is killed at a given moment:
 * `signed` (the CA has signed, nothing is written), `written` (all is written, nothing is committed)
 * or `committed` (all is durable, the answer was not sent).
 */
import { readFileSync, writeSync } from 'node:fs'
import { systemRandom } from '../../src/foundation/base/index.ts'
import {
  createJoinService,
  decodeJoinRequest,
  type EnrolmentStore,
} from '../../src/lifecycle/enrolment/index.ts'
import type { CertificateAuthority } from '../../src/trust/pki/index.ts'
import { createTestClock } from './clock.ts'
import { accepted, EXPORTER, openAuthorityKeys, openEnrolment } from './enrolment.ts'
import { TRUST_DOMAIN } from './pki.ts'

const [folder = '', message = '', wanted = ''] = process.argv.slice(2)

function reached(moment: string): void {
  if (moment !== wanted) return
  writeSync(1, moment)
  process.kill(process.pid, 'SIGKILL')
}

const keys = openAuthorityKeys(folder, systemRandom)
const random = systemRandom
const { clock, registry, ca, tokens } = openEnrolment({
  folder,
  keys,
  clock: createTestClock(),
  random,
})
const killedCa: CertificateAuthority = {
  ...ca,
  issueLeaf: (request) => {
    const leaf = ca.issueLeaf(request)
    reached('signed')
    return leaf
  },
}
const killedStore: EnrolmentStore = {
  transaction: (work) =>
    registry.transaction((transaction) => {
      const result = work(transaction)
      reached('written')
      return result
    }),
}
const joins = createJoinService(
  { clock, random, store: killedStore, ca: killedCa, tokens },
  { trustDomain: TRUST_DOMAIN },
)
accepted(await joins.join(accepted(decodeJoinRequest(readFileSync(message))), EXPORTER))
reached('committed')
