import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const show: CliCommand<CliContext> = {
  path: ['policy', 'show'],
  summary: 'print the fleet manifest in force, as JSON',
  usage: '[--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: { json: { type: 'boolean', summary: 'print JSON, as without it' } },
  examples: ['kosctl policy show > fleet.json'],
  run: async (context) => (await import('./policy-run.ts')).show(context),
}

const apply: CliCommand<CliContext> = {
  path: ['policy', 'apply'],
  summary: 'sign a fleet manifest and put it in force on every node',
  usage: 'FILE [--json]',
  minPositionals: 1,
  maxPositionals: 1,
  options: { json: { type: 'boolean', summary: 'print JSON' } },
  examples: ['kosctl policy apply fleet.json', 'kosctl policy apply - < fleet.json'],
  run: async (context, input) => (await import('./policy-run.ts')).apply(context, input),
}

const explain: CliCommand<CliContext> = {
  path: ['policy', 'explain'],
  summary: 'say whether a call is allowed, by which rule of which layer, and what would change it',
  usage: '--from PRINCIPAL --to PRINCIPAL | --on PEER COMMAND [ARGUMENT … | JSON]',
  minPositionals: 1,
  maxPositionals: 33,
  options: {
    from: {
      type: 'string',
      value: 'PRINCIPAL',
      summary: 'who calls: name, id, kind/id, or role/id for a user with that role alone',
    },
    to: { type: 'string', value: 'PRINCIPAL', summary: 'who is called' },
    on: {
      type: 'string',
      value: 'PEER',
      summary:
        'ask this peer about a call to itself: its own manifest and commands; --from may be left out',
    },
    manifest: {
      type: 'string',
      value: 'FILE',
      summary: 'ask this draft instead of the manifest in force; - reads standard input',
    },
    args: { type: 'string', value: 'JSON', summary: 'the arguments as a JSON object' },
    root: {
      type: 'string',
      value: 'NAME=FOLDER',
      multiple: true,
      summary: 'where a shared folder of the target lies, for share/… paths; repeatable',
    },
    domain: { type: 'string', value: 'DOMAIN', summary: 'rpc (default), bus, file, memory, …' },
    effects: {
      type: 'string',
      value: 'EFFECTS',
      summary: 'read or change, for an action that kosctl does not know',
    },
    permission: {
      type: 'string',
      value: 'NAME',
      summary: 'permission of such an action; the action itself by default',
    },
    rules: { type: 'string', value: 'N', summary: 'how many rules are listed per layer (20)' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl policy explain --from operator/ada --to camera-1 files.read \'{"path":"/etc/shadow"}\'',
    'kosctl policy explain --from camera-2 --to camera-1 calc 1+2 --manifest draft.json',
    'kosctl policy explain --on camera-1 log.tail 5',
  ],
  run: async (context, input) => {
    const peer = input.text('on')
    return peer === undefined
      ? (await import('./policy-explain.ts')).explain(context, input)
      : (await import('./policy-explain-on.ts')).explainOn(context, input, peer)
  },
}

/** `kosctl policy …` */
export const policyCommands: readonly CliCommand<CliContext>[] = [show, apply, explain]
