/** TLS connections of Node have the verdict that the validator has, for both sides. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { type AddressInfo } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { pemEncode } from '../../../src/foundation/codec/index.ts'
import { type PathPurpose, validatePath } from '../../../src/trust/pki/index.ts'
import { chainInput, type ChainSpec, signChain, validChain } from '../../kit/pkix-chain.ts'
import { FAULTS } from '../../kit/pkix-faults.ts'

const pem = (der: Uint8Array): string => pemEncode('CERTIFICATE', der)

interface Verdicts {
  readonly server: boolean
  readonly client: boolean
}

/** What TLS says of the chain as a server's and as a client's, presented by both sides. */
async function tlsVerdicts(spec: ChainSpec): Promise<Verdicts> {
  const signed = signChain(spec)
  const options = {
    ca: pem(signed.root),
    crl: signed.crls.map((crl) => pemEncode('X509 CRL', crl)).join(''),
    cert: pem(signed.leaf) + pem(signed.second) + pem(signed.first),
    key: spec.links.leaf.key.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false,
  } as const
  const server = createServer({ ...options, requestCert: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { dns = '' } = chainInput(spec, signed).names ?? {}
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>
  const client = connect({ ...options, host: '127.0.0.1', port, servername: dns })
  try {
    const [[atServer]] = await Promise.all([accepted, once(client, 'secureConnect')])
    const verdicts = { server: client.authorized, client: atServer.authorized }
    atServer.destroy()
    return verdicts
  } finally {
    client.destroy()
    server.close()
  }
}

/** What the validator says of the chain as a server's and as a client's. */
function ourVerdicts(spec: ChainSpec): Verdicts {
  const input = chainInput(spec)
  const { dns } = input.names ?? {}
  const allows = (purpose: PathPurpose, names: typeof input.names): boolean =>
    validatePath({ ...input, purpose, names: names ?? {} }).allow
  return {
    server: allows('server', dns === undefined ? {} : { dns }),
    client: allows('client', {}),
  }
}

// Node asks neither for policies nor for URIs or addresses; what OpenSSL cannot even load, or is
// known to see otherwise, is compared nowhere.
const compared = FAULTS.filter(
  ({ name, openssl, expected }) =>
    openssl === undefined &&
    /^(?:expired|not-yet-valid|signature|no-issuer|ca|path-length|key-usage|purpose|critical|name-|revoked|crl-[emns])/.test(
      expected,
    ) &&
    !/^(?:first|crl-encoding)|crl-encoding|another URI|another address|form that is not/.test(
      `${name} ${expected}`,
    ),
)

describe('TLS agrees', () => {
  it('on the chain that nobody broke', async () => {
    assert.deepEqual(await tlsVerdicts(validChain()), { server: true, client: true })
    assert.deepEqual(ourVerdicts(validChain()), { server: true, client: true })
  })

  for (const fault of compared) {
    it(`on a fault: ${fault.name}`, async () => {
      const spec = validChain()
      fault.apply(spec)
      assert.deepEqual(await tlsVerdicts(spec), ourVerdicts(spec))
    })
  }

  it('was asked about many faults', () => assert.ok(compared.length >= 40))
})
