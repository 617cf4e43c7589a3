import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

/** `kosctl devices raise`, and the same by the word for one device. */
export const raiseCommands: readonly CliCommand<CliContext>[] = ['devices', 'device'].map(
  (word) => ({
    path: [word, 'raise'],
    summary: 'let a device show the evidence of a stricter profile; there is no way down',
    usage: 'NAME --profile PROFILE [--ttl DURATION] [--json]',
    minPositionals: 1,
    maxPositionals: 1,
    options: {
      profile: { type: 'string', value: 'PROFILE', summary: 'the stricter profile' },
      ttl: { type: 'string', value: 'DURATION', summary: 'how long the line is good (10m)' },
      json: { type: 'boolean', summary: 'print JSON' },
    },
    examples: [`kosctl ${word} raise camera-1 --profile SEC-3 | kosd node --raise -`],
    run: async (context, input) => (await import('./raise-run.ts')).raise(context, input),
  }),
)
