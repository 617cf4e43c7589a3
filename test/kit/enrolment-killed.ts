/**
 * A program that takes one request as an authority does, a join or (`est`) an enrolment by EST, and is killed at a given moment:
 * `signed` (the CA has signed, nothing is written), `written` (all is written, nothing is committed)
 * or `committed` (all is durable, the answer was not sent).
 */
import { readFileSync, writeSync } from 'node:fs'
import { systemRandom } from '../../src/foundation/base/index.ts'
import {
  createEstEnrolService,
  createJoinService,
  decodeJoinRequest,
  type EnrolmentStore,
} from '../../src/lifecycle/enrolment/index.ts'
import type { CertificateAuthority } from '../../src/trust/pki/index.ts'
import { createTestClock } from './clock.ts'
import { accepted, EXPORTER, openAuthorityKeys, openEnrolment } from './enrolment.ts'
import { BINDING } from './est.ts'
import { TRUST_DOMAIN } from './pki.ts'

const [folder = '', message = '', wanted = '', protocol = 'join'] = process.argv.slice(2)

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
const deps = { clock, random, store: killedStore, ca: killedCa, tokens }
const trust = { trustDomain: TRUST_DOMAIN }
const sent = readFileSync(message)
if (protocol === 'est') {
  const [user = '', password = '', csr = ''] = sent.toString().split(' ')
  const request = { user, password, csr: Buffer.from(csr, 'base64') }
  accepted(await createEstEnrolService(deps, trust).enrol(request, BINDING))
} else {
  accepted(await createJoinService(deps, trust).join(accepted(decodeJoinRequest(sent)), EXPORTER))
}
reached('committed')
