/** js-libp2p: a connection over TCP that is authenticated (Noise XX) and muxed (yamux), then closed. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p } from 'libp2p'
import type { ClientEnd, EndSetup, ServerEnd } from '../harness/contender.ts'

type Address = ReturnType<Libp2p['getMultiaddrs']>[number]

const NODES = 8
/** Where the server tells its peer id, beside the folder of the client. */
const PEER_FILE = join('..', 'libp2p-server', 'peer-id')
/** Far above what is dialled: the limits for unknown peers would count refusals instead. */
const UNLIMITED = Object.freeze({
  maxConnections: 1_000_000,
  maxIncomingPendingConnections: 1_000_000,
  inboundConnectionThreshold: 1_000_000_000,
})

/** A node with a fresh Ed25519 identity and the defaults of every part. */
function createNode(listen: string[]): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: UNLIMITED,
  })
}

export async function startServer({ directory }: EndSetup): Promise<ServerEnd> {
  const node = await createNode(['/ip4/127.0.0.1/tcp/0'])
  writeFileSync(join(directory, PEER_FILE), node.peerId.toString())
  const port = /\/tcp\/(\d+)/.exec(String(node.getMultiaddrs()[0]))?.[1]
  if (port === undefined) throw new Error('the server does not listen')
  return { port: Number(port), close: () => node.stop() }
}

export async function startClient({ directory }: EndSetup, port: number): Promise<ClientEnd> {
  const peer = readFileSync(join(directory, PEER_FILE), 'utf8')
  const address = await parseAddress(`/ip4/127.0.0.1/tcp/${port}/p2p/${peer}`)
  // A node joins dials of one peer into one connection: each dial in flight has a node of its own.
  const nodes = await Promise.all(Array.from({ length: NODES }, () => createNode([])))
  const idle = [...nodes]
  return {
    operate: async () => {
      const node = idle.pop()
      if (!node) throw new Error(`more than ${NODES} in flight`)
      await connectOnce(node, { address, peer })
      idle.push(node)
    },
    close: async () => void (await Promise.all(nodes.map(async (node) => node.stop()))),
  }
}

async function connectOnce(
  node: Libp2p,
  to: { readonly address: Address; readonly peer: string },
): Promise<void> {
  const connection = await node.dial(to.address)
  const { remotePeer, encryption, multiplexer, status } = connection
  if (remotePeer.toString() !== to.peer) throw new Error(`another peer: ${remotePeer.toString()}`)
  if (status !== 'open' || encryption !== '/noise' || multiplexer !== '/yamux/1.0.0') {
    throw new Error(`not what is compared: ${status} ${encryption} ${multiplexer}`)
  }
  await connection.close()
  if (node.getConnections().length > 0) throw new Error('the next dial would find this connection')
}

/** The parser is libp2p's own: a node that announces an address appends only its peer id to it. */
async function parseAddress(text: string): Promise<Address> {
  const node = await createLibp2p({ start: false, addresses: { announce: [text] } })
  const address = node.getMultiaddrs()[0]?.decapsulate(`/p2p/${node.peerId.toString()}`)
  if (address?.toString() !== text) throw new Error(`not an address: ${text}`)
  return address
}
