/** A real authority, real nodes and `kosctl`, all in this process, on loopback, in temporary folders. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import {
  type Clock,
  isRefusal,
  type Log,
  parseTrustDomain,
  type Refusal,
  type Secret,
  silentLog,
  systemRandom,
  type TrustDomain,
} from '../../src/foundation/base/index.ts'
import {
  type AuthorityOptions,
  type RunningAuthority,
  startAuthority,
} from '../../src/apps/authority/index.ts'
import {
  closeAuthorityState,
  openAuthorityState,
} from '../../src/apps/authority/authority-state.ts'
import type { Role } from '../../src/apps/authority/http-types.ts'
import { createCredential } from '../../src/apps/authority/operator.ts'
import { createPublisher } from '../../src/apps/authority/publisher.ts'
import type { CliStreams, CliWorld } from '../../src/apps/cli/context.ts'
import { main as kosctlMain } from '../../src/apps/cli/main.ts'
import type { Terminal } from '../../src/apps/cli/output.ts'
import {
  joinAuthority,
  type Membership,
  openMember,
  type NodeOptions,
  openMemberKeys,
  type PassphraseSource,
  type RunningNode,
  startNode,
} from '../../src/apps/node/index.ts'
import { type KeptToken, readKeptToken } from '../../src/apps/node/signed-client.ts'
import type { AdmissionLimits } from '../../src/network/admission/index.ts'
import { type JoinLine, parseJoinLine } from '../../src/lifecycle/enrolment/index.ts'
import { requestTarget, signRequest } from '../../src/network/session/index.ts'
import { openKeyStore } from '../../src/trust/keys/index.ts'
import { createJumpClock, type JumpClock } from './jump-clock.ts'
import { quietPort, withPort } from './port.ts'
import { rememberedHost } from './probe-host.ts'

/** Everybody in a test comes from one address. */
export const CROWD: Partial<AdmissionLimits> = {
  connectionRate: { perSecond: 10_000, burst: 10_000 },
  connectionsPerSource: 512,
  connectionsPerDevice: 16,
  halfOpenPerSource: 64,
}

/** What a program printed, and how it ended. */
export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** A terminal that keeps what is printed. */
export interface CapturedTerminal extends Terminal {
  readonly printed: { readonly out: string; readonly err: string }
}

/** Makes a terminal without colours. */
export function captureTerminal(changes: Partial<Terminal> = {}): CapturedTerminal {
  const out: string[] = []
  const err: string[] = []
  return {
    colour: false,
    interactive: false,
    out: (text) => void out.push(`${text}\n`),
    err: (text) => void err.push(`${text}\n`),
    write: (bytes) => {
      out.push(Buffer.from(bytes).toString('latin1'))
      return Promise.resolve()
    },
    ...changes,
    get printed() {
      return { out: out.join(''), err: err.join('') }
    },
  }
}

/** How a node of a test differs from an ordinary one. */
export interface TestNodeOptions {
  readonly clock?: Clock
  readonly log?: Log
  readonly kind?: 'device' | 'agent'
}

/** A node with its folder. */
export interface TestNode {
  readonly name: string
  readonly folder: string
  readonly running: RunningNode
  /** Stops it and starts it again from its folder. */
  restart(changes?: Partial<NodeOptions>): Promise<TestNode>
}

/** A request to the HTTP API as a test writes it. */
export interface RawRequest {
  readonly method: string
  readonly path: string
  /** Folder of the credential that is presented; none by default. */
  readonly as?: string
  readonly body?: Uint8Array
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** Certificate chain and key to present instead of a folder's. */
  readonly identity?: Presented
  /** Folder whose token signs; that of `as` by default, `none`: nobody signs. */
  readonly signedBy?: string
}

/** An answer of the HTTP API. */
export interface RawAnswer {
  readonly status: number
  readonly code: string | undefined
  readonly rule: string | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
  readonly bytes: Uint8Array
}

/** How a fabric of a test differs from an ordinary one. */
export interface FabricOptions {
  readonly trustDomain?: string
  readonly clock?: JumpClock
  readonly log?: Log
  readonly maxStoreBytes?: number
  /** Ports and the like of the authority. */
  readonly authority?: Partial<AuthorityOptions>
}

/** An authority with its nodes and operators; all end with the test. */
export interface TestFabric {
  readonly folder: string
  /** State folder of the authority. */
  readonly stateFolder: string
  /** Configuration folder of the first operator. */
  readonly operator: string
  readonly clock: JumpClock
  readonly authority: RunningAuthority
  readonly nodes: readonly TestNode[]
  /** Runs `kosctl`, by default as the first operator. */
  kosctl(args: readonly string[], changes?: KosctlChanges): Promise<Ran>
  /** A join line for a name. */
  joinLine(name: string, ...options: readonly string[]): Promise<JoinLine>
  /** Joins and starts a node. */
  addNode(name: string, options?: TestNodeOptions): Promise<TestNode>
  /** Stops the authority, registers users with roles and starts it again; the users' folders. */
  addUsers(users: Readonly<Record<string, readonly Role[]>>): Promise<Record<string, string>>
  stopAuthority(): Promise<void>
  startAuthority(changes?: Partial<AuthorityOptions>): Promise<void>
  /** Sends a request to the HTTP API, signed as an ordinary client would. */
  request(request: RawRequest): Promise<RawAnswer>
  /** The session token that a folder keeps; asked for when there is none in force. */
  token(folder: string): Promise<KeptToken>
  /** What the authority's TLS presents, with its key: as if it had been stolen. */
  authorityIdentity(): Promise<Presented>
}

/** What a test changes about one `kosctl`. */
export interface KosctlChanges {
  readonly config?: string
  readonly clock?: Clock
  readonly input?: string
  readonly signal?: AbortSignal
  readonly terminal?: CapturedTerminal
  readonly passphrases?: PassphraseSource
  /** Who is asked for a new passphrase. */
  readonly prompt?: (question: string) => Secret | undefined
  /** Who is asked whether something shall be. */
  readonly confirm?: (question: string) => boolean | undefined
  /** `KOS_AGENT`. */
  readonly agent?: string
  /** What a shell reads and writes. */
  readonly streams?: CliStreams
}

/** The world of a program under test. */
export function testWorld(
  changes: Partial<CliWorld> & { readonly config?: string; readonly agent?: string },
): CliWorld {
  const { config, agent, ...rest } = changes
  return {
    clock: createJumpClock(),
    random: systemRandom,
    environment: { home: '/nowhere', config, state: undefined, agent, isRoot: false, user: 'olga' },
    readInput: () => '',
    ...rest,
  }
}

/** Parses a trust domain that a test knows to be one. */
function trustDomainOf(text: string): TrustDomain {
  const parsed = parseTrustDomain(text)
  assert.ok(parsed)
  return parsed
}

/** Whatever ends a fabric: a test's context, or what a suite collects for its end. */
export interface Ending {
  after(end: () => Promise<void>): void
}

/** Starts an authority; it, its nodes and its folder are gone after the test. */
export async function startFabric(
  context: Ending,
  options: FabricOptions = {},
): Promise<TestFabric> {
  const fabric = new Fabric(options)
  context.after(() => fabric.end())
  await fabric.startAuthority()
  return fabric
}

class Fabric implements TestFabric {
  readonly folder = mkdtempSync(join(tmpdir(), 'kos-test-'))
  readonly stateFolder = join(this.folder, 'authority')
  readonly operator = join(this.folder, 'operator')
  readonly clock: JumpClock
  readonly nodes: TestNode[] = []
  readonly #options: FabricOptions
  readonly #log: Log
  readonly #trustDomain: TrustDomain
  #authority: RunningAuthority | undefined
  #ports = { api: 0, session: 0 }
  readonly #presented = new Map<string, Presented>()

  constructor(options: FabricOptions) {
    this.#options = options
    this.clock = options.clock ?? createJumpClock()
    this.#log = options.log ?? silentLog
    this.#trustDomain = trustDomainOf(options.trustDomain ?? 'kos.internal')
  }

  get authority(): RunningAuthority {
    assert.ok(this.#authority, 'the authority runs')
    return this.#authority
  }

  async startAuthority(changes: Partial<AuthorityOptions> = {}): Promise<void> {
    const isAgain = !changes.listen && !changes.sessionListen
    if (this.#ports.api === 0) this.#ports = { api: await quietPort(), session: await quietPort() }
    await withPort(isAgain, () => this.#startAuthority(changes))
  }

  async #startAuthority(changes: Partial<AuthorityOptions>): Promise<void> {
    const { maxStoreBytes, authority } = this.#options
    const running = await startAuthority(
      { clock: this.clock, random: systemRandom, log: this.#log },
      {
        folder: this.stateFolder,
        trustDomain: this.#trustDomain,
        // The same ports after a restart: members know them.
        listen: { host: '127.0.0.1', port: this.#ports.api },
        sessionListen: { host: '127.0.0.1', port: this.#ports.session },
        fixedPorts: { api: true, session: true },
        advertiseHost: undefined,
        names: { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] },
        operator: { folder: this.operator, name: 'olga' },
        admission: CROWD,
        ...(maxStoreBytes !== undefined && { maxStoreBytes }),
        ...authority,
        ...changes,
      },
    )
    this.#authority = running
    this.#ports = { api: running.api.port, session: running.session.port }
  }

  async stopAuthority(): Promise<void> {
    const running = this.#authority
    this.#authority = undefined
    await running?.stop()
  }

  async kosctl(args: readonly string[], changes: KosctlChanges = {}): Promise<Ran> {
    const { terminal = captureTerminal(), streams } = changes
    const code = await kosctlMain(
      args,
      terminal,
      testWorld({
        config: changes.config ?? this.operator,
        clock: changes.clock ?? this.clock,
        readInput: () => changes.input ?? '',
        ...(changes.signal && { signal: changes.signal }),
        ...(changes.agent !== undefined && { agent: changes.agent }),
        ...(streams && { openStreams: () => streams }),
        ...(changes.passphrases && { passphrases: changes.passphrases }),
        ...(changes.prompt && { prompt: changes.prompt }),
        ...(changes.confirm && { confirm: changes.confirm }),
      }),
    )
    return { code, ...terminal.printed }
  }

  async joinLine(name: string, ...options: readonly string[]): Promise<JoinLine> {
    const made = await this.kosctl(['token', 'create', '--name', name, ...options])
    const line = parseJoinLine(made.out)
    assert.ok(!isRefusal(line), `${made.out}${made.err}`)
    return line
  }

  async addNode(name: string, options: TestNodeOptions = {}): Promise<TestNode> {
    const folder = join(this.folder, name)
    const line = await this.joinLine(name, '--kind', options.kind ?? 'device')
    const clock = options.clock ?? this.clock
    const joined = await joinFolder({ folder, line, clock })
    assert.ok(!isRefusal(joined), JSON.stringify(joined))
    return this.#start({ name, folder, clock, log: options.log ?? this.#log })
  }

  async #start(
    node: {
      readonly name: string
      readonly folder: string
      readonly clock: Clock
      readonly log: Log
    },
    changes: Partial<NodeOptions> = {},
  ): Promise<TestNode> {
    const { name, folder, clock, log } = node
    const running = await startNode(
      { clock, random: systemRandom, log, probeHost: rememberedHost },
      {
        folder,
        listen: { host: '127.0.0.1', port: 0 },
        isPortFixed: true,
        advertise: undefined,
        shareFolder: join(folder, 'share'),
        admission: CROWD,
        ...changes,
      },
    )
    const started: TestNode = {
      name,
      folder,
      running,
      restart: async (changes = {}): Promise<TestNode> => {
        await running.stop()
        const index = this.nodes.indexOf(started)
        if (index >= 0) this.nodes.splice(index, 1)
        return this.#start(node, changes)
      },
    }
    this.nodes.push(started)
    await connected(started)
    // Its address went to the authority and came back in the directory: it can be called now.
    const { uri } = running.member.membership.principal
    const at = `127.0.0.1:${running.address.port}`
    const { directory } = running.member.fabric
    await eventually(() => directory.byUri(uri)?.addresses[0] === at, `${name} is listed`)
    return started
  }

  async addUsers(
    users: Readonly<Record<string, readonly Role[]>>,
  ): Promise<Record<string, string>> {
    const { api, session } = this.authority
    await this.stopAuthority()
    const deps = { clock: this.clock, random: systemRandom, log: silentLog }
    const options = { folder: this.stateFolder, trustDomain: this.#trustDomain }
    const state = await openAuthorityState(deps, options)
    const { ca, registry, principal, identity } = state
    const publisher = createPublisher(
      { ...deps, ca, registry, onPublished: () => undefined },
      {
        uri: principal.uri,
        name: 'authority',
        addresses: [],
        identityKeyHash: identity.keyId,
        profile: 'SEC-2',
        roles: [],
        groups: [],
        labels: {},
      },
    )
    const folders: Record<string, string> = {}
    for (const [name, roles] of Object.entries(users)) {
      const folder = join(this.folder, `user-${name}`)
      const keys = openMemberKeys(deps, folder)
      await createCredential(
        deps,
        { state, publisher },
        {
          folder,
          name,
          keys,
          roles,
          isRegistered: false,
          api,
          session: `${session.host}:${session.port}`,
        },
      )
      keys.close()
      folders[name] = folder
    }
    await closeAuthorityState(state)
    await this.startAuthority()
    return folders
  }

  async request(request: RawRequest): Promise<RawAnswer> {
    const { as, signedBy = as ?? 'none' } = request
    const { port } = this.authority.api
    const identity = request.identity ?? (as === undefined ? undefined : this.#tlsOf(as))
    const signature =
      signedBy === 'none'
        ? {}
        : signRawRequest(request, { token: await this.token(signedBy), port, clock: this.clock })
    const headers = { ...signature, ...request.headers }
    return rawRequest(port, { ...request, headers, ...(identity && { identity }) })
  }

  async token(folder: string): Promise<KeptToken> {
    const member = openMember({ clock: this.clock, random: systemRandom }, { folder })
    assert.ok(member, `${folder} holds a credential`)
    try {
      const kept = readKeptToken(folder)
      if (kept && kept.expiresAt > this.clock.wallMs()) return kept
      const client = await member.connectAuthority(5000)
      await client.request('GET', '/v1/objects')
      client.close()
    } finally {
      member.close()
    }
    const made = readKeptToken(folder)
    assert.ok(made, `${folder} got a token`)
    return made
  }

  async authorityIdentity(): Promise<Presented> {
    const options = { directory: join(this.stateFolder, 'keys'), unlock: { kind: 'file' } } as const
    const keys = openKeyStore({ random: systemRandom }, options)
    const key = keys
      .require('tls')
      .tlsPrivateKeyPem()
      .use((pem) => Buffer.from(pem))
    keys.close()
    const socket = connectTls({
      host: '127.0.0.1',
      port: this.authority.api.port,
      rejectUnauthorized: false,
    })
    await once(socket, 'secureConnect')
    const cert = socket.getPeerX509Certificate()?.toString()
    socket.destroy()
    assert.ok(cert)
    return { cert, key }
  }

  #tlsOf(folder: string): Presented {
    const known = this.#presented.get(folder) ?? tlsOf(folder)
    this.#presented.set(folder, known)
    return known
  }

  async end(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.running.stop().catch(() => undefined)))
    await this.stopAuthority().catch(() => undefined)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Joins from a folder, as `kosd node --join` does. */
export async function joinFolder(of: {
  readonly folder: string
  readonly line: JoinLine
  readonly clock: Clock
}): Promise<Membership | Refusal> {
  const deps = { clock: of.clock, random: systemRandom }
  const keys = openMemberKeys(deps, of.folder)
  try {
    return await joinAuthority(deps, {
      folder: of.folder,
      keys,
      line: of.line,
      mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      addresses: [],
    })
  } finally {
    keys.close()
  }
}

/** What a request is signed with, and when. */
export interface RawSigner {
  readonly token: KeptToken
  readonly port: number
  readonly clock: Clock
  /** 16 bytes; fresh ones by default. */
  readonly nonce?: Uint8Array
}

/** The header fields that sign a request of {@link rawRequest}. */
export function signRawRequest(
  { method, path, body, headers }: RawRequest,
  { token, port, clock, nonce = systemRandom.bytes(16) }: RawSigner,
): Readonly<Record<string, string>> {
  const host = headers?.['host'] ?? `127.0.0.1:${port}`
  const targetUri = requestTarget(String(host), path)
  const signer = { handle: token.handle, secret: token.secret, now: clock.wallMs(), nonce }
  return signRequest({ method, targetUri, body }, signer)
}

/** What TLS presents. */
export interface Presented {
  readonly cert: string
  readonly key: Buffer
}

/** Certificate chain and key of the credential in a folder, as it is now. */
export function tlsOf(folder: string): Presented {
  const member = openMember({ clock: createJumpClock(), random: systemRandom }, { folder })
  assert.ok(member, `${folder} holds a credential`)
  const { certificateChainPem: cert, privateKeyPem } = member.certificateIdentity()
  const key = privateKeyPem.use((pem) => Buffer.from(pem))
  member.close()
  return { cert, key }
}

/** Sends one request over a connection of its own. */
export function rawRequest(port: number, request: RawRequest): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>()
  const { method, path, body, identity } = request
  const outgoing = httpsRequest(
    {
      host: '127.0.0.1',
      port,
      method,
      path,
      agent: false,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      ...identity,
      headers: {
        ...(body && { 'content-length': String(body.length) }),
        ...request.headers,
      },
    },
    (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.once('error', reject)
      incoming.once('end', () => {
        const bytes = Buffer.concat(chunks)
        const text = bytes.toString('utf8')
        const { code, rule } = problemOf(text)
        const status = incoming.statusCode ?? 0
        resolve({ status, code, rule, text, bytes, headers: incoming.headers })
      })
    },
  )
  outgoing.once('error', reject)
  outgoing.end(body)
  return promise
}

function problemOf(text: string): { code: string | undefined; rule: string | undefined } {
  try {
    const value = JSON.parse(text) as Readonly<Record<string, unknown>>
    const { code, rule } = value
    return {
      code: typeof code === 'string' ? code : undefined,
      rule: typeof rule === 'string' ? rule : undefined,
    }
  } catch {
    // Refusals of EST are text.
    const [, code, rule] = /^(KOS_[A-Z0-9_]+) \(([^)]*)\): /.exec(text) ?? []
    return { code, rule }
  }
}

/** Waits until a node has its session with the authority. */
export function connected(node: TestNode): Promise<void> {
  return eventually(() => node.running.link.isConnected, `${node.name} is connected`)
}

/** Waits until something holds; the bound is for broken code, no measurement. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  what: string = 'the condition',
): Promise<void> {
  for (let turn = 0; turn < 4000; turn++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`never: ${what}`)
}
