/** The table of sockets in docs/profiles.md, held against what the running programs have open. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Place, programPath } from '../kit/processes.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/profiles.md'), 'utf8')
const skip = process.platform === 'linux' ? false : 'needs /proc'

interface Row {
  readonly program: string
  readonly socket: string
  readonly what: string
}

/** The rows of the documented table. */
function documented(): readonly Row[] {
  const table = page.slice(page.indexOf('| program | socket | what |'))
  return table
    .slice(0, table.indexOf('\n\n'))
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([, program = '', socket = '', what = '']) => ({ program, socket, what }))
}

function namesOf(program: string, socket: string): readonly string[] {
  return documented()
    .filter((row) => row.program.split(', ').includes(program) && row.socket === socket)
    .map(({ what }) => what)
    .toSorted()
}

interface Open {
  /** Ports of listening TCP sockets. */
  readonly tcpListening: readonly number[]
  /** Remote ports of connections that this process made. */
  readonly tcpConnected: readonly number[]
  /** Paths of Unix sockets that have one; the others are unnamed pairs. */
  readonly unix: readonly string[]
  /** Sockets of any other kind, for example UDP. */
  readonly others: number
}

const LISTEN = '0A'

/** What a process has open: /proc/PID/net is that of its network, so the inodes decide. */
function openSockets(pid: number): Open {
  const inodes = new Set<string>()
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1]
    if (inode !== undefined) inodes.add(inode)
  }
  const rows = (name: string): string[][] =>
    readFileSync(`/proc/${pid}/net/${name}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
  const tcp = ['tcp', 'tcp6'].flatMap(rows).filter((row) => inodes.delete(row[9] ?? ''))
  const unix = rows('unix').filter((row) => inodes.delete(row[6] ?? ''))
  const port = (address: string = ''): number => Number.parseInt(address.split(':')[1] ?? '', 16)
  const listening = tcp.filter((row) => row[3] === LISTEN).map((row) => port(row[1]))
  return {
    tcpListening: listening,
    tcpConnected: tcp
      .filter((row) => row[3] !== LISTEN && !listening.includes(port(row[1])))
      .map((row) => port(row[2])),
    unix: unix.flatMap((row) => (row[7] === undefined ? [] : [row[7]])),
    others: inodes.size,
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

/** Name → port of what a daemon printed: `api`, `crl`, and a profile per session listener. */
function printedPorts(out: string): ReadonlyMap<number, string> {
  const ports = new Map<number, string>()
  const api = /^authority +\S+:(\d+)$/m.exec(out)
  if (api) ports.set(Number(api[1]), 'api')
  for (const [, port] of out.matchAll(/^crl +http:\/\/[^/]+:(\d+)\//gm)) {
    ports.set(Number(port), 'crl')
  }
  const listeners = /^listeners +(.+)$/m.exec(out)?.[1] ?? ''
  for (const [, name = '', port] of listeners.matchAll(/(SEC-\d) [^ ,]+:(\d+)/g)) {
    ports.set(Number(port), name)
  }
  return ports
}

function named(ports: readonly number[], names: ReadonlyMap<number, string>): readonly string[] {
  return ports.map((port) => names.get(port) ?? `port ${port}`).toSorted()
}

test(
  'every socket that runs stands in the table, and the other way round',
  { skip },
  async (context) => {
    const place = new Place(context)
    const authority = await place.startAuthority('--crl', `${place.host}:0`)
    const node = await place.join('camera')
    const agent = await startAgent(context, place)
    const ofAuthority = printedPorts(authority.out)
    const ofNode = printedPorts(node.out)

    const atAuthority = openSockets(authority.pid)
    assert.deepEqual(
      named(atAuthority.tcpListening, ofAuthority),
      namesOf('kosd authority', 'listens'),
    )
    assert.deepEqual(atAuthority.tcpConnected, [])
    assert.deepEqual([atAuthority.unix, atAuthority.others], [[], 0])

    const atNode = openSockets(node.pid)
    assert.deepEqual(named(atNode.tcpListening, ofNode), namesOf('kosd node', 'listens'))
    // The session with the authority stays; the API is asked now and then.
    const connected = named(atNode.tcpConnected, ofAuthority).map((name) =>
      name === 'SEC-2' ? 'session' : name,
    )
    assert.ok(connected.includes('session'), connected.join())
    const mayConnect = namesOf('kosd node', 'connects')
    assert.deepEqual(
      connected.filter((name) => !mayConnect.includes(name)),
      [],
    )
    assert.deepEqual([atNode.unix, atNode.others], [[], 0])

    const atAgent = openSockets(agent)
    assert.deepEqual(atAgent.tcpListening, [])
    assert.deepEqual(atAgent.unix, [join(place.config, 'agent', 'socket')])
    assert.deepEqual(namesOf('kosctl agent', 'listens'), ['agent'])
    assert.equal(atAgent.others, 0)
  },
)

/** The agent of the operator in a process of its own; resolves with its pid once it listens. */
async function startAgent(context: TestContext, place: Place): Promise<number> {
  const child = spawn(programPath('kosctl'), ['agent', '--json'], { env: place.environment })
  context.after(() => child.kill('SIGTERM'))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  assert.ok(child.pid !== undefined)
  return child.pid
}
