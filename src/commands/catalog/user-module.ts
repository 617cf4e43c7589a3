import type { CommandContext } from './command.ts'

/**
 * What runs in the process of a module: reads one JSON document from standard input, imports the
 * module from its text, and writes the result as JSON. What the module prints goes to standard error,
 * so that nothing but its result is taken for one.
 */
const HARNESS = `
const { readFileSync } = require('node:fs')
const { Console } = require('node:console')
const given = JSON.parse(readFileSync(0, 'utf8'))
globalThis.console = new Console(process.stderr, process.stderr)
import('data:text/javascript;base64,' + given.module)
  .then((module) => module.run(given.arguments, given.context))
  .then((result) => {
    process.stdout.write(JSON.stringify(result), () => process.exit(0))
  })
  .catch((error) => {
    // The message last: it is what a caller may be told.
    process.stderr.write([error?.stack, error].join('\\n'), () => process.exit(1))
  })
`

/** Address space beside the heap that Node itself reserves. */
const NODE_ADDRESS_SPACE_BYTES = 1024 * 1024 * 1024
const MIB = 1024 * 1024
/** Threads of Node itself. */
const NODE_PROCESSES = 16

/**
 * The command line of a module's process. Inside the sandbox Node adds its own permissions: no files,
 * no processes, no threads, no network, no code from texts, no machine code made at run time.
 *
 * @param heapMiB - bound of the heap
 */
export function moduleArguments(heapMiB: number): readonly string[] {
  return [
    '--permission',
    '--jitless',
    '--disallow-code-generation-from-strings',
    '--disable-proto=throw',
    '--no-warnings',
    `--max-old-space-size=${heapMiB}`,
    '--eval',
    HARNESS,
  ]
}

/**
 * Bounds that a process of Node needs beyond those of its module.
 *
 * @param heapMiB - bound of the heap
 * @param processes - as the file or the profile bounds them
 */
export function moduleNeeds(
  heapMiB: number,
  processes: number,
): { readonly maxMemoryBytes: number; readonly maxProcesses: number } {
  return {
    maxMemoryBytes: NODE_ADDRESS_SPACE_BYTES + heapMiB * MIB,
    maxProcesses: Math.max(processes, NODE_PROCESSES),
  }
}

/** What a module's process reads: the module itself, the arguments and what it may know of the call. */
export function moduleInput(
  moduleText: string,
  args: Readonly<Record<string, unknown>>,
  context: CommandContext,
): Uint8Array {
  const { callId, traceId, deadlineMs, peer } = context
  return Buffer.from(
    JSON.stringify({
      module: Buffer.from(moduleText).toString('base64'),
      arguments: args,
      context: { callId, traceId, deadlineMs, peer: peer.principal.uri },
    }),
  )
}
