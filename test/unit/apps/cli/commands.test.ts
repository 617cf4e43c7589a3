/** `kosctl commands`: files are checked and placed, peers are asked. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { main } from '../../../../src/apps/cli/main.ts'
import { peerWords } from '../../../../src/apps/cli/peer-words.ts'
import type { CallResult } from '../../../../src/network/session/index.ts'
import { captureTerminal, type Ran, startFabric, testWorld } from '../../../kit/fabric.ts'
import { commandFile, objectSchema } from '../../../kit/user-commands.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

async function kosctl(...args: readonly string[]): Promise<Ran> {
  const terminal = captureTerminal()
  const code = await main(args, terminal, testWorld({}))
  return { code, ...terminal.printed }
}

function write(context: TestContext, file: unknown): { folder: string; path: string } {
  const folder = temporaryFolder(context)
  const path = join(folder, 'draft.json')
  writeFileSync(path, typeof file === 'string' ? file : JSON.stringify(file), { mode: 0o600 })
  return { folder, path }
}

describe('validate', () => {
  test('a good file is named', async (context) => {
    const { path } = write(context, commandFile())
    assert.deepEqual(await kosctl('commands', 'validate', path), {
      code: 0,
      out: 'valid  say.word\n',
      err: '',
    })
  })

  test('every problem is printed with its place', async (context) => {
    const { path } = write(context, commandFile({ name: 'echo', positional: ['other'] }))
    const first = await kosctl('commands', 'validate', path)
    assert.equal(first.code, 1)
    assert.match(
      first.err,
      /^invalid {2}.*draft\.json\n {2}\/name {2}is the name of a built-in command\n$/,
    )
    const broken = write(
      context,
      commandFile({ positional: ['other'], run: { program: '/no/such' } }),
    )
    const { code, out } = await kosctl('commands', 'validate', broken.path, '--json')
    assert.equal(code, 1)
    const { valid, problems } = JSON.parse(out) as {
      readonly valid: boolean
      readonly problems: readonly { readonly pointer: string }[]
    }
    assert.equal(valid, false)
    assert.deepEqual(
      problems.map(({ pointer }) => pointer),
      ['/positional/0', '/run/program', '/run/program'],
    )
  })

  test('a file that is missing is said so', async () => {
    const { code, err } = await kosctl('commands', 'validate', '/no/such.json')
    assert.equal(code, 1)
    assert.match(err, /KOS_CLI_FILE/)
  })
})

describe('add', () => {
  const module = commandFile({
    name: 'own.module',
    run: { module: './own.mjs' },
    result: objectSchema({ text: { type: 'string' } }),
  })

  test('places file and module, for the owner alone', async (context) => {
    const { folder, path } = write(context, module)
    const state = join(folder, 'state')
    const nowhere = await kosctl('commands', 'add', path, '--state', state)
    assert.match(nowhere.err, /KOS_CLI_FILE|is missing|does not exist/)
    mkdirSync(state)
    writeFileSync(join(folder, 'own.mjs'), 'export const run = () => 1', { mode: 0o600 })
    const added = await kosctl('commands', 'add', path, '--state', state)
    assert.deepEqual([added.code, added.err], [0, ''])
    const commands = join(state, 'commands')
    assert.deepEqual(readdirSync(commands), ['own.mjs', 'own.module.json'])
    assert.equal(readFileSync(join(commands, 'own.module.json'), 'utf8'), JSON.stringify(module))
    for (const name of readdirSync(commands)) {
      assert.equal(statSync(join(commands, name)).mode & 0o777, 0o600)
    }
    // Again, with another text: it is replaced.
    writeFileSync(join(folder, 'own.mjs'), 'export const run = () => 2')
    const again = await kosctl('commands', 'add', path, '--commands', commands, '--json')
    assert.deepEqual(JSON.parse(again.out), {
      name: 'own.module',
      file: join(commands, 'own.module.json'),
    })
    assert.equal(readFileSync(join(commands, 'own.mjs'), 'utf8'), 'export const run = () => 2')
  })

  test('places nothing of a bad file, and no module over that of another command', async (context) => {
    const { folder, path } = write(context, '{')
    const bad = await kosctl('commands', 'add', path, '--state', folder)
    assert.deepEqual([bad.code, bad.out], [1, ''])
    assert.deepEqual(readdirSync(folder), ['draft.json'])
    mkdirSync(join(folder, 'commands'))
    writeFileSync(join(folder, 'commands', 'own.mjs'), 'another')
    writeFileSync(join(folder, 'own.mjs'), 'export const run = () => 1', { mode: 0o600 })
    writeFileSync(path, JSON.stringify(module))
    const taken = await kosctl('commands', 'add', path, '--state', folder, '--json')
    assert.equal(taken.code, 1)
    assert.match(taken.out, /is the name of another module/)
    assert.deepEqual(readdirSync(join(folder, 'commands')), ['own.mjs'])
  })
})

test('a peer lists, shows and runs what it was given', async (context) => {
  const fabric = await startFabric(context)
  const { folder, running } = await fabric.addNode('camera-1')
  const { path } = write(context, commandFile())
  await fabric.kosctl(['commands', 'add', path, '--state', folder])
  writeFileSync(join(folder, 'commands', 'bad.json'), '{', { mode: 0o600 })
  running.reloadCommands()
  const list = await fabric.kosctl(['commands', 'list', 'camera-1'])
  assert.equal(list.code, 0, list.err)
  assert.match(list.out, /^say\.word +say +read +file +Says a word$/m)
  assert.match(list.out, /^refused {2}bad\.json: \/ is not strict JSON: malformed$/m)
  const json = await fabric.kosctl(['commands', 'list', 'camera-1', '--json'])
  assert.deepEqual(Object.keys(JSON.parse(json.out) as object), ['commands', 'refused'])

  const shown = await fabric.kosctl(['commands', 'show', 'camera-1', 'say.word'])
  assert.match(shown.out, /^call +kosctl exec camera-1 say\.word WORD$/m)
  assert.match(shown.out, /^argument +word \{"type":"string"/m)
  const asJson = await fabric.kosctl(['commands', 'show', 'camera-1', 'say.word', '--json'])
  const { argumentSchema } = JSON.parse(asJson.out) as { readonly argumentSchema: object }
  assert.ok('properties' in argumentSchema)
  const unknown = await fabric.kosctl(['commands', 'show', 'camera-1', 'no.such'])
  assert.deepEqual([unknown.code, unknown.out], [1, ''])

  const said = await fabric.kosctl(['exec', 'camera-1', 'say.word', 'hello world'])
  assert.deepEqual([said.code, said.out], [0, 'hello world\n'], said.err)
  const missing = await fabric.kosctl(['exec', 'camera-1', 'no.such', 'word'])
  assert.match(missing.err, /catalog\/unknown-command/)
  const many = await fabric.kosctl(['exec', 'camera-1', 'say.word', 'a', 'b'])
  assert.equal(many.code, 2)
  assert.match(many.err, /say\.word takes word/)
})

describe('words of a command that only the peer knows', () => {
  const answer = (value: unknown) => (): Promise<CallResult> =>
    Promise.resolve({ status: 'ok', value, origin: 'peer' })
  const schema = {
    properties: {
      n: { type: 'integer' },
      b: { type: 'boolean' },
      t: { type: 'string' },
      x: {},
      l: { type: 'array' },
    },
  }

  test('take their types from its schema', async () => {
    const value = {
      positional: ['n', 'b', 't', 'x', 'y', 'l'],
      argumentSchema: JSON.stringify(schema),
    }
    assert.deepEqual(await peerWords(answer(value), 'own'), {
      name: 'own',
      positional: [
        ['n', 'number'],
        ['b', 'boolean'],
        ['t', 'string'],
        ['x', 'string'],
        ['y', 'string'],
        ['l', 'array'],
      ],
    })
  })

  test('a description that is not understood, or not given, asks for names', async () => {
    for (const value of [
      null,
      {},
      { positional: [], argumentSchema: '{' },
      { positional: 1, argumentSchema: '{}' },
    ]) {
      await assert.rejects(peerWords(answer(value), 'own'), { code: 'KOS_CLI_USAGE' })
    }
    const refused = {
      status: 'refused',
      code: 'KOS_POLICY_DENIED',
      rule: 'default-deny',
      origin: 'peer',
    } as const
    await assert.rejects(
      peerWords(() => Promise.resolve(refused), 'own'),
      { code: 'KOS_CLI_USAGE' },
    )
    const lost = {
      status: 'failed',
      code: 'KOS_SESSION_LOST',
      rule: 'lost',
      origin: 'local',
    } as const
    assert.equal(await peerWords(() => Promise.resolve(lost), 'own'), lost)
  })
})
