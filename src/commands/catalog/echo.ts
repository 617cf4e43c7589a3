import { z } from '../../foundation/base/index.ts'
import { bytesSchema, type Command, defineCommand } from './command.ts'

const MAX_ECHO_BYTES = 8192

const value = (): z.ZodType<string | Uint8Array> =>
  z.union([z.string().max(MAX_ECHO_BYTES), bytesSchema(MAX_ECHO_BYTES)])

/** `echo`: returns its argument; proves a path end to end and measures it. */
export const echoCommand: Command = defineCommand({
  name: 'echo',
  domain: 'rpc',
  summary: 'Returns what it was given',
  description:
    'Returns a text or bytes of at most 8,192 bytes unchanged. Use it to check that a session, ' +
    'the permissions and the audit trail work from end to end.',
  argumentSchema: z.strictObject({ value: value() }),
  resultSchema: z.strictObject({ value: value() }),
  positional: ['value'],
  permission: 'echo',
  effects: 'read',
  limits: {
    maxArgumentBytes: MAX_ECHO_BYTES + 64,
    maxResultBytes: MAX_ECHO_BYTES + 64,
    timeoutMs: 1000,
    concurrency: 1024,
  },
  examples: [{ purpose: 'Say hello.', arguments: { value: 'hello' }, result: { value: 'hello' } }],
  run: (_context, args) => args,
})
