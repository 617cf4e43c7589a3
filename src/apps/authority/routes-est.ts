import { isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import { buildCertsOnly, buildCsrAttributes } from '../../foundation/codec/index.ts'
import type { EnrolmentGrant } from '../../lifecycle/enrolment/index.ts'
import { decodeEstBody, encodeEstBody, EST_PATH, parseBasic } from './est-http.ts'
import { refused, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'
import { enrolmentRefused, recordJoined, recordRenewed } from './routes-enrolment.ts'
import type { AuthorityServices } from './services.ts'

/** A request of 6 KiB in base64 with its line breaks; one with a P-256 key takes less than 1 KiB. */
const MAX_BODY = 8 * 1024
const CERTS_ONLY = 'application/pkcs7-mime; smime-type=certs-only'

/** Routes of EST, for devices that run no `kosd`; each request brings its own proof. */
export function estRoutes(services: AuthorityServices): readonly Route[] {
  return [
    {
      ...row('GET', 'cacerts', 'public'),
      handle: () => est(CERTS_ONLY, buildCertsOnly(services.caCertificates())),
    },
    {
      ...row('GET', 'csrattrs', 'public'),
      handle: () => est('application/csrattrs', buildCsrAttributes()),
    },
    {
      ...row('POST', 'simpleenroll', 'proof'),
      handle: (call) => enrol(services, call),
    },
    {
      ...row('POST', 'simplereenroll', 'member'),
      isUnsigned: true,
      handle: (call) => reenrol(services, call),
    },
    { ...row('POST', 'serverkeygen', 'public'), isUnrecorded: true, handle: notThere },
    { ...row('POST', 'fullcmc', 'public'), isUnrecorded: true, handle: notThere },
  ]
}

function row(
  method: 'GET' | 'POST',
  name: string,
  guard: Route['guard'],
): Omit<Route, 'handle' | 'isUnsigned'> {
  const maxBytes = method === 'GET' ? 0 : MAX_BODY
  return { method, path: `${EST_PATH}/${name}`, guard, maxBytes, refusesAs: 'text' }
}

/** RFC 7030 section 4.1.3 names the header, RFC 8951 section 3 tells clients to ignore it. */
function est(contentType: string, bytes: Uint8Array): RouteAnswer {
  const headers = { 'content-transfer-encoding': 'base64' }
  return { kind: 'text', contentType, text: encodeEstBody(bytes), headers }
}

/** RFC 7030 sections 4.3 and 4.4: both are optional, and this CA makes no keys for others. */
function notThere(): RouteAnswer {
  const refusal = refuse('KOS_AUTHORITY_REQUEST', 'est/not-implemented', {
    remedy: 'Use simpleenroll and simplereenroll.',
  })
  return { kind: 'refused', refusal, status: 501 }
}

async function enrol(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const credential = parseBasic(call.header('authorization'))
  if (!credential) {
    return unauthorised(
      refuse('KOS_ENROLMENT_TOKEN', 'token/missing', {
        remedy: 'Send the secret of "kosctl token create --name NAME --est" by HTTP Basic.',
      }),
    )
  }
  const csr = csrOf(call)
  if ('kind' in csr) return csr
  const result = await services.estEnrolments.enrol(
    { ...credential, csr: csr.der },
    call.channelBinding(),
  )
  if (isRefusal(result)) {
    const isGuess = result.code === 'KOS_ENROLMENT_TOKEN' && result.rule === 'token/secret'
    return isGuess ? unauthorised(result) : enrolmentRefused(services, result)
  }
  await recordJoined(services, 'est.enrol', result)
  return certificate(result.grant)
}

async function reenrol(services: AuthorityServices, call: RouteCall): Promise<RouteAnswer> {
  const { caller } = call
  const leaf = call.leaf()
  if (!caller || !leaf) return refused(refuse('KOS_ENROLMENT_UNKNOWN', 'certificate/missing'))
  const csr = csrOf(call)
  if ('kind' in csr) return csr
  const result = await services.estRenewals.renew(
    { principalId: caller.id, leaf, csr: csr.der },
    call.channelBinding(),
  )
  if (isRefusal(result)) return enrolmentRefused(services, result)
  await recordRenewed(services, 'est.renew', result)
  return certificate(result.grant)
}

/** The issued certificate alone. @see RFC 7030 section 4.2.3 */
function certificate({ leaf }: EnrolmentGrant): RouteAnswer {
  return est(CERTS_ONLY, buildCertsOnly([leaf]))
}

function csrOf(call: RouteCall): { readonly der: Uint8Array } | RouteAnswer {
  const [type = ''] = (call.header('content-type') ?? '').split(';')
  if (type.trim().toLowerCase() !== 'application/pkcs10') {
    const refusal = refuse('KOS_ENROLMENT_CSR', 'csr/content-type', {
      remedy: 'Send it as Content-Type: application/pkcs10.',
    })
    return { kind: 'refused', refusal, status: 415 }
  }
  const der = decodeEstBody(call.body)
  return isRefusal(der) ? refused(der) : { der }
}

/** RFC 7030 section 3.2.3: what the client can answer with. */
function unauthorised(refusal: Refusal): RouteAnswer {
  const headers = { 'www-authenticate': 'Basic realm="kOS EST", charset="UTF-8"' }
  return { kind: 'refused', refusal, status: 401, headers }
}
