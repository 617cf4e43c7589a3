/** Attack: what a program writes to standard error tells a caller more than its author wanted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandContext, runCommand } from '../kit/commands.ts'
import { commandFile, moduleCommand, sandbox, userCommand } from '../kit/user-commands.ts'
import { temporaryFolder } from '../kit/temporary.ts'

const examples = [{ purpose: 'x', arguments: { word: 'x' } }]
/** Says a word and its opinion of it, and ends as it is told. */
const talker = (changes: object): object =>
  commandFile({
    examples,
    run: {
      program: '/usr/bin/perl',
      arguments: ['-e', 'print "out"; print STDERR "s3cret"; exit $ARGV[0]', '{word}'],
      ...changes,
    },
  })

test('nothing of it is told where the file does not say so, however the run ends', async (context) => {
  const programs = await sandbox(context)
  if (!programs) return
  for (const word of ['0', '3', '200']) {
    const result = await runCommand(userCommand(talker({}), programs), { word })
    assert.ok(!JSON.stringify(result).includes('s3cret'))
    assert.deepEqual(
      result['text'] ?? result['rule'],
      word === '0' ? 'out' : `program/exit-${word}`,
    )
  }
})

test('where it does, result and failure have it', async (context) => {
  const programs = await sandbox(context)
  if (!programs) return
  const command = userCommand(talker({ stderr: 'result' }), programs)
  assert.deepEqual(await runCommand(command, { word: '0' }), { text: 'out', stderr: 's3cret' })
  const failed = await runCommand(command, { word: '3' })
  assert.deepEqual([failed['rule'], failed['remedy']], ['program/exit-3', 'It said: s3cret'])
})

test('an error of a module is told by its message, and only where the file says so', async (context) => {
  const programs = await sandbox(context)
  if (!programs) return
  const folder = temporaryFolder(context)
  const text = 'export function run() { throw new TypeError("no s3cret here") }'
  const hidden = moduleCommand(text, { folder, programs })
  assert.equal((await runCommand(hidden, { value: 'x' }))['remedy'], undefined)
  const member = { type: 'string' }
  const told = moduleCommand(text, {
    folder,
    programs,
    changes: {
      run: { module: './module.mjs', stderr: 'result' },
      result: {
        type: 'object',
        properties: { value: member, stderr: member },
        required: ['value', 'stderr'],
        additionalProperties: false,
      },
    },
  })
  const failed = await runCommand(told, { value: 'x' })
  assert.equal(failed['remedy'], 'It said: TypeError: no s3cret here')
})

test('a stream is standard output alone, as the program writes it', async (context) => {
  const programs = await sandbox(context)
  if (!programs) return
  const file = { ...talker({ stderr: 'result' }), streams: true }
  let streamed = ''
  const emit = async (bytes: Uint8Array): Promise<void> => {
    streamed += Buffer.from(bytes).toString()
    await Promise.resolve()
  }
  const command = userCommand(file, programs)
  const result = await runCommand(command, { word: '0' }, { ...commandContext(), emit })
  assert.deepEqual([streamed, result], ['out', { text: '', stderr: 's3cret' }])
})
