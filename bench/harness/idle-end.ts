/**
 * One process of the idle suite: `node bench/harness/idle-end.ts <kos|tls> <server|client> <fleet>`,
 * driven over IPC. A server keeps sessions, a client opens them and keeps them alive.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createSecureContext, createServer } from 'node:tls'
import { profileOf } from '../../src/foundation/profiles/index.ts'
import { createKosClient } from '../contenders/kos-parts.ts'
import { benchRuntime } from '../contenders/kos-runtime.ts'
import { clientOptions, connectTls, listen, portOf, serverOptions } from '../contenders/tls.ts'
import { loadMember, type MemberRole, must } from './fleet.ts'

const PROFILE = profileOf('SEC-2')
/** PING and SEAL as they are on the wire. */
const HEARTBEAT_BYTES = 66
const AT_ONCE = 4
/** Every process has sources of its own; many connections share none of them. */
const SOURCES_PER_NET = 250

/** What the suite asks for. */
export type IdleRequest =
  | { readonly kind: 'listen' }
  | {
      readonly kind: 'open'
      readonly port: number
      readonly count: number
      readonly net: number
    }
  | { readonly kind: 'memory' }
  | { readonly kind: 'beats' }

/** What a process takes at one moment, after everything was collected that can be. */
export interface IdleMemory {
  readonly residentBytes: number
  readonly heapBytes: number
  /** Sessions of a server. */
  readonly sessions: number
}

/** CPU so far, with counting itself on neither side of a window that lies between two readings. */
export interface IdleBeats {
  /** Where this reading ends a window. */
  readonly endUs: number
  /** Where this reading begins one. */
  readonly beginUs: number
  /** Heartbeats that a server got so far. */
  readonly heartbeats: number
}

const [contender = '', role = '', fleet = ''] = process.argv.slice(2)
const member = loadMember(fleet, role as MemberRole)
let heartbeats = (): number => 0
let sessions = (): number => 0

async function listenTls(): Promise<number> {
  let [echoed, open] = [0, 0]
  const server = createServer(serverOptions(member), (socket) => {
    open += 1
    socket.on('error', () => socket.destroy())
    socket.on('data', (bytes) => {
      echoed += 1
      socket.write(bytes)
    })
  })
  await listen(server)
  heartbeats = () => echoed
  sessions = () => open
  return portOf(server)
}

async function listenKos(): Promise<number> {
  const runtime = benchRuntime(member, {
    onCall: () => ({ status: 'refused', code: 'KOS_CATALOG_UNKNOWN' }),
  })
  heartbeats = () =>
    [...runtime.sessions].reduce((sum, open) => sum + (open.session.stats?.sealsReceived ?? 0), 0)
  sessions = () => runtime.sessions.size
  return must(await runtime.listen(PROFILE, [{ host: '0.0.0.0', port: 0 }])).port
}

async function open({ port, count, net }: IdleRequest & { kind: 'open' }): Promise<number> {
  const one = contender === 'kos' ? kosOpener(port, net) : tlsOpener(port)
  let started = 0
  const lane = async (): Promise<void> => {
    while (started < count) {
      const index = started++
      const source = `127.${net + Math.floor(index / SOURCES_PER_NET)}.0.${1 + (index % SOURCES_PER_NET)}`
      await one(source)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return count
}

function kosOpener(port: number, net: number): (source: string) => Promise<unknown> {
  const directory = join(fleet, `idle-client-${net}`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const dial = createKosClient({ member, directory }, port)
  return async (source) => {
    const session = await dial(source)
    void session.closed.then(({ code, rule }) => {
      throw new Error(`a session ended: ${code} ${rule}`)
    })
  }
}

function tlsOpener(port: number): (source: string) => Promise<unknown> {
  const { host, rejectUnauthorized, checkServerIdentity, ...context } = clientOptions(member)
  const secureContext = createSecureContext(context)
  const heartbeat = Buffer.alloc(HEARTBEAT_BYTES, 1)
  return async (localAddress) => {
    const options = { host, port, rejectUnauthorized, checkServerIdentity, secureContext }
    const socket = await connectTls({ ...options, localAddress })
    socket.on('data', () => undefined)
    socket.on('close', () => {
      throw new Error('a connection ended')
    })
    setInterval(() => socket.write(heartbeat), PROFILE.pingIntervalMs)
  }
}

/** Pages that hold nothing any more count for nobody: they are given back before memory is read. */
function memory(): IdleMemory {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (how: object) => void
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  const { rss, heapUsed } = process.memoryUsage()
  return { residentBytes: rss, heapBytes: heapUsed, sessions: sessions() }
}

function beats(): IdleBeats {
  const endUs = cpuUs()
  const counted = heartbeats()
  return { endUs, beginUs: cpuUs(), heartbeats: counted }
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

async function perform(request: IdleRequest): Promise<unknown> {
  switch (request.kind) {
    case 'listen':
      return contender === 'kos' ? listenKos() : listenTls()
    case 'open':
      return open(request)
    case 'memory':
      return memory()
    case 'beats':
      return beats()
  }
}

process.on('message', (request: IdleRequest) => {
  perform(request).then(
    (value) => process.send?.({ value }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.on('disconnect', () => process.exit(0))
