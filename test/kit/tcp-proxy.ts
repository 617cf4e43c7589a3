/** A TCP relay that a test can make deaf in one direction: what was sent is received, but not answered. */
import { connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** A relay in front of one server. */
export interface TcpProxy {
  readonly port: number
  /** Whether an answer is being held back. */
  readonly isHolding: boolean
  /** Cuts every connection and, from now on, passes everything. */
  release(): void
  /** Takes no new connection, or takes them again; those that stand go on. */
  refuse(isRefusing: boolean): void
}

/** Where the relay stands, and how many client bytes it takes until it holds back answers. */
export interface TcpProxyOptions {
  readonly host: string
  readonly to: { readonly host: string; readonly port: number }
  /**
   * Bytes of the client after the server's first ones, in all: from there on nothing of the server is
   * passed.
   */
  readonly holdAfterBytes: number
}

/** Starts a relay; it ends with the test. */
export async function startTcpProxy(
  context: TestContext,
  options: TcpProxyOptions,
): Promise<TcpProxy> {
  const open = new Set<Socket>()
  let isHolding = false
  let isReleased = false
  let isRefusing = false
  const server = createServer((near) => {
    if (isRefusing) return void near.destroy()
    const far = connect(options.to)
    let answered = false
    let bytes = 0
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        open.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', (chunk) => {
      if (answered) bytes += chunk.length
      if (!isReleased && bytes >= options.holdAfterBytes) isHolding = true
      far.write(chunk)
    })
    far.on('data', (chunk) => {
      answered = true
      if (!isHolding) near.write(chunk)
    })
  })
  const release = (): void => {
    isReleased = true
    isHolding = false
    for (const socket of open) socket.destroy()
  }
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen({ host: options.host, port: 0 }, resolve)
  await promise
  context.after(() => {
    server.close()
    release()
  })
  const address = server.address()
  if (typeof address !== 'object' || !address) throw new TypeError('no address')
  return {
    port: address.port,
    get isHolding(): boolean {
      return isHolding
    },
    release,
    refuse: (refuses) => {
      isRefusing = refuses
    },
  }
}
