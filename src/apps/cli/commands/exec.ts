import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const exec: CliCommand<CliContext> = {
  path: ['exec'],
  summary: 'run a command on a peer, straight over mutual TLS 1.3',
  usage: 'PEER COMMAND [ARGUMENT …]',
  minPositionals: 2,
  maxPositionals: 34,
  options: {
    args: { type: 'string', value: 'JSON', summary: 'the arguments as a JSON object' },
    deadline: { type: 'string', value: 'DURATION', summary: 'longest wait, at most 5m (10s)' },
    identity: {
      type: 'string',
      value: 'FOLDER',
      summary: 'act as the principal of another state folder, for example a node’s',
    },
    stream: {
      type: 'boolean',
      summary: 'take output as it comes, on standard output; the result goes to standard error',
    },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    "kosctl exec camera-1 calc '1+2'",
    'kosctl exec camera-1 files.read /etc/shadow',
    'kosctl exec camera-1 files.fetch share/day.mp4 >day.mp4',
    'kosctl exec camera-1 process.run uptime --stream',
    'kosctl exec camera-1 echo --args \'{"value":"hello"}\' --json',
  ],
  run: async (context, input) => (await import('./exec-run.ts')).exec(context, input),
}

/** `kosctl exec …` */
export const execCommands: readonly CliCommand<CliContext>[] = [exec]
