/**
 * The main job as a story: an authority, four nodes in processes of their own, a command from peer to
 * peer, refusals with their reasons, and the audit log that proves it all.
 *
 *   npm start             tells the story and stays up until interrupted
 *   npm start -- --once   tells it, stops everything, exits 0; 1 when anything went otherwise
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Daemon, kosctl, type Place, program, startDaemon } from './processes.ts'
import { chapter, printed, remark, step, StoryError, typed } from './story.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const isOnce = process.argv.includes('--once')
const daemons: Daemon[] = []

async function main(): Promise<void> {
  // The programs are built before anything is timed.
  const built = spawnSync(program('kosctl'), ['--version'], { encoding: 'utf8' })
  if (built.status !== 0) throw new StoryError(`the programs cannot be built: ${built.stderr}`)
  const place = preparePlace()
  try {
    await tell(place)
    if (!isOnce) await stayUp(place)
  } finally {
    await stopAll()
    if (isOnce) rmSync(place.folder, { recursive: true, force: true })
  }
}

function preparePlace(): Place {
  if (isOnce) return { folder: mkdtempSync(join(tmpdir(), 'kos-demo-')) }
  const folder = join(ROOT, '.kos-demo')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { mode: 0o700 })
  return { folder }
}

async function tell(place: Place): Promise<void> {
  await startFabric(place)
  await talk(place)
  await allowPeers(place)
  await prove(place)
}

async function startFabric(place: Place): Promise<void> {
  chapter('1  An authority and four nodes')
  const begin = performance.now()
  typed('kosd authority')
  const authority = await startDaemon(place, {
    name: 'authority',
    args: ['authority', '--listen', '127.0.0.1:0', '--session', '127.0.0.1:0'],
    input: '',
    readyText: 'pin ',
  })
  daemons.push(authority)
  printed(authority.out)
  await joinNode(place, { name: 'camera-1', kind: 'device' })
  const firstMs = performance.now() - begin
  const second = performance.now()
  await joinNode(place, { name: 'camera-2', kind: 'device' })
  const secondMs = performance.now() - second
  await joinNode(place, { name: 'gateway-1', kind: 'device' })
  await joinNode(place, { name: 'assistant-1', kind: 'agent' })
  remark(
    `from nothing to the first identity: ${seconds(firstMs)}; the second device: ${seconds(secondMs)}`,
  )
  await waitUntilConnected(place, 4)
  await step(place, { args: ['devices'] }, { code: 0, shows: 'assistant-1' })
}

async function joinNode(
  place: Place,
  node: { readonly name: string; readonly kind: string },
): Promise<void> {
  const args = ['token', 'create', '--name', node.name]
  if (node.kind !== 'device') args.push('--kind', node.kind)
  typed(`kosctl ${args.join(' ')} | kosd node --join -`)
  const token = await kosctl(place, args)
  if (token.code !== 0) throw new StoryError(token.err)
  const daemon = await startDaemon(place, {
    name: node.name,
    args: ['node', '--join', '-', '--state', stateOf(place, node.name), '--listen', '127.0.0.1:0'],
    input: token.out,
    readyText: 'joined ',
  })
  daemons.push(daemon)
  printed(daemon.out.split('\n')[0] ?? '')
}

function stateOf(place: Place, name: string): string {
  return join(place.folder, 'state', name)
}

/** Nodes report their addresses on their session with the authority. */
async function waitUntilConnected(place: Place, count: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const { out } = await kosctl(place, ['devices', '--json'])
    if ([...out.matchAll(/"connected": true/g)].length >= count) return
  }
  throw new StoryError('the nodes did not connect to their authority')
}

async function talk(place: Place): Promise<void> {
  chapter('2  The operator runs commands, straight on the peers')
  await step(place, { args: ['exec', 'camera-1', 'calc', '1+2'] }, { code: 0, shows: '3' })
  await step(place, { args: ['exec', 'camera-2', 'system.info'] }, { code: 0, shows: 'SEC-2' })
  chapter('3  A forbidden command is refused, with the rule that decided')
  const forbidden = ['exec', 'camera-1', 'files.read', '/etc/shadow']
  await step(place, { args: forbidden }, { code: 3, shows: 'rule' })
}

async function allowPeers(place: Place): Promise<void> {
  chapter('4  Peers run one another’s commands as far as a signed manifest allows')
  const asGateway = ['exec', 'camera-1', 'calc', '6*7', '--identity', stateOf(place, 'gateway-1')]
  const shown = 'kosctl exec camera-1 calc 6*7 --identity gateway-1'
  await step(place, { args: asGateway, shown }, { code: 3, shows: 'rule' })
  remark('Nothing is open but what owners may read. The operator adds one rule:')
  const rule = {
    id: 'gateway-calculates',
    effect: 'allow',
    domain: 'rpc',
    from: ['name:gateway-1'],
    to: ['kind:device'],
    actions: ['calc'],
  }
  printed(JSON.stringify(rule))
  await applyRule(place, rule)
  await step(place, { args: asGateway, shown }, { code: 0, shows: '42' })
  const asAssistant = [
    'exec',
    'camera-1',
    'calc',
    '6*7',
    '--identity',
    stateOf(place, 'assistant-1'),
  ]
  remark('The rule names the gateway, so the AI agent stays out:')
  const agent = 'kosctl exec camera-1 calc 6*7 --identity assistant-1'
  await step(place, { args: asAssistant, shown: agent }, { code: 3, shows: 'rule' })
}

async function applyRule(place: Place, rule: object): Promise<void> {
  const { out } = await kosctl(place, ['policy', 'show'])
  const manifest = JSON.parse(out) as { rules: object[] }
  const file = join(place.folder, 'fleet.json')
  writeFileSync(file, JSON.stringify({ ...manifest, rules: [...manifest.rules, rule] }, null, 2))
  const shown = 'kosctl policy apply fleet.json'
  await step(place, { args: ['policy', 'apply', file], shown }, { code: 0, shows: 'in force' })
  // The manifest is pushed; a node that has it answers otherwise than before.
  for (let tries = 0; tries < 50; tries++) {
    const args = ['exec', 'camera-1', 'calc', '1', '--identity', stateOf(place, 'gateway-1')]
    if ((await kosctl(place, args)).code === 0) return
  }
  throw new StoryError('the manifest did not reach the node')
}

async function prove(place: Place): Promise<void> {
  chapter('5  A removed device is cut off')
  await step(place, { args: ['devices', 'remove', 'camera-2'] }, { code: 0, shows: 'removed' })
  const asRemoved = ['exec', 'camera-1', 'calc', '1', '--identity', stateOf(place, 'camera-2')]
  const shown = 'kosctl exec camera-1 calc 1 --identity camera-2'
  await step(place, { args: asRemoved, shown }, { code: 4 })
  chapter('6  The audit log proves it all')
  await waitForAudit(place)
  await step(place, { args: ['audit', 'tail', '--count', '40'] }, { code: 0, shows: 'refused' })
  await step(place, { args: ['audit', 'verify'] }, { code: 0, shows: 'verified' })
}

/** Nodes forward their logs every two seconds. */
async function waitForAudit(place: Place): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    const { out } = await kosctl(place, ['audit', 'tail', '--count', '200'])
    if (out.includes('gateway-calculates') && out.includes('files.read')) return
  }
  throw new StoryError('the nodes did not forward their audit logs')
}

async function stayUp(place: Place): Promise<void> {
  chapter('The fabric stays up')
  process.stdout.write(`  In another terminal, in this folder:

    export KOS_CONFIG=${join(place.folder, 'config').replace(ROOT, './')}
    bin/kosctl devices
    bin/kosctl exec camera-1 system.status

  Ctrl-C stops everything.
`)
  const { promise, resolve } = Promise.withResolvers<void>()
  const alive = setInterval(() => undefined, 1 << 30)
  process.once('SIGINT', () => resolve())
  process.once('SIGTERM', () => resolve())
  await promise
  clearInterval(alive)
  process.stdout.write('\nstopping\n')
}

async function stopAll(): Promise<void> {
  for (const daemon of daemons.toReversed()) await daemon.stop()
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(
      `\nnpm start failed: ${error instanceof Error ? error.message : String(error)}\n`,
    )
    process.exit(1)
  },
)
