/**
 * The least that a Node program can do over TLS: length u32, id u32, payload. No codec, no checks;
 * all frames of one tick are one write.
 */
import type { Writable } from 'node:stream'
import { createServer } from 'node:tls'
import {
  type ClientEnd,
  type EndSetup,
  payloadOf,
  requireEcho,
  type ServerEnd,
} from '../harness/contender.ts'
import { clientOptions, connectTls, listen, portOf, serverOptions } from './tls.ts'

const HEAD_BYTES = 8

/** Frames on their way out. */
class FrameWriter {
  readonly #out: Writable
  #buffer = Buffer.allocUnsafe(64 * 1024)
  #length = 0

  constructor(out: Writable) {
    this.#out = out
  }

  frame(id: number, payload: Uint8Array): void {
    const end = this.#length + HEAD_BYTES + payload.length
    if (end > this.#buffer.length) this.#flush()
    // Runs when the promises of this tick are through: by then all its frames are here.
    if (this.#length === 0) process.nextTick(() => this.#flush())
    this.#buffer.writeUInt32BE(payload.length, this.#length)
    this.#buffer.writeUInt32BE(id, this.#length + 4)
    this.#buffer.set(payload, this.#length + HEAD_BYTES)
    this.#length += HEAD_BYTES + payload.length
  }

  #flush(): void {
    if (this.#length === 0) return
    this.#out.write(Buffer.from(this.#buffer.subarray(0, this.#length)))
    this.#length = 0
  }
}

/** Cuts what arrives into frames. */
function frameReader(onFrame: (id: number, payload: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    let at = 0
    while (bytes.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + bytes.readUInt32BE(at)
      if (end > bytes.length) break
      onFrame(bytes.readUInt32BE(at + 4), bytes.subarray(at + HEAD_BYTES, end))
      at = end
    }
    rest = bytes.subarray(at)
  }
}

export async function startServer({ member }: EndSetup): Promise<ServerEnd> {
  const server = createServer(serverOptions(member), (socket) => {
    const writer = new FrameWriter(socket)
    socket.on(
      'data',
      frameReader((id, payload) => writer.frame(id, payload)),
    )
    socket.on('error', () => socket.destroy())
  })
  await listen(server)
  return { port: portOf(server), close: () => void server.close() }
}

export async function startClient({ member }: EndSetup, port: number): Promise<ClientEnd> {
  const socket = await connectTls({ ...clientOptions(member), port })
  const writer = new FrameWriter(socket)
  const waiting = new Map<number, (payload: Buffer) => void>()
  socket.on(
    'data',
    frameReader((id, payload) => {
      waiting.get(id)?.(payload)
      waiting.delete(id)
    }),
  )
  const call = (id: number, payload: Buffer): Promise<Buffer> =>
    new Promise((resolve) => {
      waiting.set(id, resolve)
      writer.frame(id, payload)
    })
  return {
    operate: async (sequence) => {
      const payload = payloadOf(sequence)
      requireEcho(payload, await call(sequence >>> 0, payload))
    },
    close: () => void socket.destroy(),
  }
}
