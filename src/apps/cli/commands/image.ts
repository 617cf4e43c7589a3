import type { CliCommand } from '../command-line.ts'
import type { CliContext } from '../context.ts'

const seal: CliCommand<CliContext> = {
  path: ['image', 'seal'],
  summary:
    'prepare a node’s state folder for an image: every copy makes keys of its own at first boot',
  usage: '--state FOLDER (--join - | --join-file FILE) [--name TEMPLATE] [--psk] [--json]',
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    state: {
      type: 'string',
      value: 'FOLDER',
      summary: 'state folder inside the image: /mnt/var/lib/kos/node',
    },
    join: { type: 'string', value: 'LINE', summary: 'the join line; "-" reads it' },
    'join-file': { type: 'string', value: 'FILE', summary: 'read the join line from a file' },
    name: {
      type: 'string',
      value: 'TEMPLATE',
      summary: 'what each copy asks to be called: camera-{serial}, {hostname}',
    },
    psk: { type: 'boolean', summary: 'the copies are sensors (SEC-1)' },
    json: { type: 'boolean', summary: 'print JSON' },
  },
  examples: [
    'kosctl token create --uses 200 --name-prefix camera- | kosctl image seal --state /mnt/var/lib/kos/node --join -',
  ],
  run: async (context, input) => (await import('./image-run.ts')).seal(context, input),
}

/** `kosctl image …` */
export const imageCommands: readonly CliCommand<CliContext>[] = [seal]
