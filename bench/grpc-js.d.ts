/**
 * The part of `@grpc/grpc-js` that is used here. It stands in for the package's own types, so that
 * types and lint of this repository do not need the packages of the benchmark.
 */
declare module '@grpc/grpc-js' {
  export type Serialize = (value: Buffer) => Buffer

  export interface MethodDefinition {
    readonly path: string
    readonly requestStream: boolean
    readonly responseStream: boolean
    readonly requestSerialize: Serialize
    readonly requestDeserialize: Serialize
    readonly responseSerialize: Serialize
    readonly responseDeserialize: Serialize
  }

  export type ServiceDefinition = Readonly<Record<string, MethodDefinition>>
  export type UnaryHandler = (
    call: { readonly request: Buffer },
    done: (error: Error | null, value?: Buffer) => void,
  ) => void

  export class Server {
    addService(service: ServiceDefinition, handlers: Readonly<Record<string, UnaryHandler>>): void
    bindAsync(
      address: string,
      credentials: ServerCredentials,
      done: (error: Error | null, port: number) => void,
    ): void
    forceShutdown(): void
  }

  export class ServerCredentials {
    static createSsl(
      roots: Buffer,
      pairs: readonly { readonly private_key: Buffer; readonly cert_chain: Buffer }[],
      checkClient: boolean,
    ): ServerCredentials
  }

  export class ChannelCredentials {}

  export const credentials: {
    createSsl(
      roots: Buffer,
      key: Buffer,
      chain: Buffer,
      verify: { checkServerIdentity(): undefined },
    ): ChannelCredentials
  }

  export class Client {
    constructor(
      address: string,
      credentials: ChannelCredentials,
      options: Readonly<Record<string, string | number>>,
    )
    makeUnaryRequest(
      ...parts: [
        path: string,
        serialize: Serialize,
        deserialize: Serialize,
        argument: Buffer,
        done: (error: Error | null, answer?: Buffer) => void,
      ]
    ): unknown
    close(): void
  }
}
