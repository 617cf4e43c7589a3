/**
 * NATS request and reply: `nats-server` as users run it, over mutual TLS; the
 * responder is one Node process, the client another. Nothing is checked by the responder.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import {
  type ClientEnd,
  type EndSetup,
  payloadOf,
  requireEcho,
  type ServerEnd,
} from '../harness/contender.ts'
import { processCpuUs } from '../harness/process-cpu.ts'

const SUBJECT = 'bench.echo'
const START_MS = 5000
const POLL_MS = 20

export async function startServer(setup: EndSetup): Promise<ServerEnd> {
  const server = startNats(setup)
  try {
    const port = await portOf(server, setup.directory)
    const connection = await connectNats(setup.directory, port)
    connection.subscribe(SUBJECT, {
      callback: (error, message) => {
        if (error) throw error
        message.respond(message.data)
      },
    })
    await connection.flush()
    return {
      port,
      moreCpuUs: () => processCpuUs(server.pid),
      close: async () => {
        await connection.close()
        server.kill()
      },
    }
  } catch (error) {
    server.kill()
    throw error
  }
}

export async function startClient({ directory }: EndSetup, port: number): Promise<ClientEnd> {
  const connection = await connectNats(join(directory, '..', 'nats-server'), port)
  return {
    operate: async (sequence) => {
      const payload = payloadOf(sequence)
      const { data } = await connection.request(SUBJECT, payload, { timeout: 10_000 })
      requireEcho(payload, data)
    },
    close: () => connection.close(),
  }
}

/**
 * Certificates of a CA of their own, P-256 like the others: the parser of Go does not take the object
 * identifier in the leaves of kOS.
 */
function makeCertificates(directory: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1']
  const steps = [
    ['req', '-x509', ...key, '-subj', '/CN=bench CA', '-keyout', 'ca-key.pem', '-out', 'ca.pem'],
    ['req', '-x509', ...key, '-subj', '/CN=bench', '-CA', 'ca.pem', '-CAkey', 'ca-key.pem']
      .concat(['-addext', 'basicConstraints=critical,CA:FALSE'])
      .concat(['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'])
      .concat(['-addext', 'extendedKeyUsage=serverAuth,clientAuth'])
      .concat(['-keyout', 'key.pem', '-out', 'cert.pem']),
  ]
  for (const step of steps) {
    const { status, stderr } = spawnSync('openssl', step, { cwd: directory })
    if (status !== 0) throw new Error(`openssl: ${stderr.toString()}`)
  }
}

function startNats({ directory }: EndSetup): ChildProcess {
  makeCertificates(directory)
  const config = join(directory, 'nats.conf')
  writeFileSync(
    config,
    'listen: "127.0.0.1:-1"\nports_file_dir: "."\n' +
      'tls { cert_file: "cert.pem", key_file: "key.pem", ca_file: "ca.pem", verify: true }\n',
  )
  const server = spawn('nats-server', ['-c', config], { cwd: directory, stdio: 'ignore' })
  process.once('exit', () => server.kill())
  return server
}

/** The server chooses a port and writes it to a file beside its configuration. */
async function portOf(server: ChildProcess, directory: string): Promise<number> {
  let failed: Error | undefined
  server.once('error', (error) => {
    failed = error
  })
  for (let waitedMs = 0; waitedMs < START_MS; waitedMs += POLL_MS) {
    const file = readdirSync(directory).find((name) => name.endsWith('.ports'))
    const found = file && /:(\d+)"/.exec(readFileSync(join(directory, file), 'utf8'))?.[1]
    if (found) return Number(found)
    if (failed || server.exitCode !== null) break
    await sleep(POLL_MS)
  }
  throw new Error('nats-server does not start', { cause: failed })
}

function connectNats(directory: string, port: number): Promise<NatsConnection> {
  const [cert, key, ca] = ['cert.pem', 'key.pem', 'ca.pem'].map((name) =>
    readFileSync(join(directory, name), 'utf8'),
  )
  // The suite of every contender.
  const suite = { ciphers: 'TLS_AES_256_GCM_SHA384' }
  return connect({
    servers: `tls://127.0.0.1:${port}`,
    tls: { ...(cert && key && ca && { cert, key, ca }), ...suite },
  })
}
