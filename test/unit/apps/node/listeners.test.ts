/** Which listeners a principal opens, what the directory says of them, and where peers are dialled. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isRefusal, refuse, type Refusal } from '../../../../src/foundation/base/index.ts'
import { profileOf, type ProfileName } from '../../../../src/foundation/profiles/index.ts'
import {
  type HostPort,
  listenerAddresses,
  openListeners,
  parseHostPort,
  routesTo,
} from '../../../../src/apps/node/index.ts'
import { eventually, startFabric } from '../../../kit/fabric.ts'
import { startRogue } from '../../../kit/rogue.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const host = '127.0.0.1'

describe('openListeners', () => {
  const plan = {
    floor: profileOf('SEC-2'),
    listen: { host, port: 9402 },
    isPortFixed: true,
    possible: ['SEC-2', 'SEC-3', 'SEC-4'] satisfies ProfileName[],
  }

  test('opens the own floor first, the others as far apart as the default ports', async (context) => {
    const tried: (readonly [ProfileName, readonly number[]])[] = []
    const open = await openListeners(
      ({ name }, candidates) => {
        tried.push([name, candidates.map(({ port }) => port)])
        return Promise.resolve({ host, port: candidates[0]?.port ?? 0 })
      },
      { ...plan, folder: temporaryFolder(context) },
    )
    assert.ok(!isRefusal(open))
    assert.deepEqual(tried, [
      ['SEC-2', [9402]],
      ['SEC-3', [9403, 0]],
      ['SEC-4', [9404, 0]],
    ])
    const said = listenerAddresses(open, ({ port }) => [`192.0.2.7:${port}`])
    assert.deepEqual(said, { 'SEC-3': ['192.0.2.7:9403'], 'SEC-4': ['192.0.2.7:9404'] })
  })

  test('remembers a free port it had to take, and takes free ones beside a free one', async (context) => {
    const folder = temporaryFolder(context)
    const ports: number[][] = []
    const listen = (_profile: unknown, candidates: readonly HostPort[]): Promise<HostPort> => {
      ports.push(candidates.map(({ port }) => port))
      return Promise.resolve({ host, port: candidates[0]?.port || 40_000 })
    }
    const wanted = ['SEC-3'] as const
    const own = { ...plan, folder, wanted, listen: { host, port: 0 } }
    await openListeners(listen, own)
    await openListeners(listen, own)
    assert.deepEqual(ports, [[0], [0], [0], [40_000, 0]])
  })

  test('goes no further than the first that does not open, and opens none the floor cannot have', async (context) => {
    const folder = temporaryFolder(context)
    const tried: ProfileName[] = []
    const listen = ({ name }: { readonly name: ProfileName }): Promise<HostPort | Refusal> => {
      tried.push(name)
      return Promise.resolve(refuse('KOS_TRANSPORT_SELF_TEST', 'group'))
    }
    const failed = await openListeners(listen, { ...plan, folder })
    assert.ok(isRefusal(failed) && failed.rule === 'group')
    assert.deepEqual(tried, ['SEC-2'])
    const foreign = await openListeners(listen, { ...plan, folder, wanted: ['SEC-1'] })
    assert.ok(isRefusal(foreign) && foreign.rule === 'listeners: SEC-1')
    assert.deepEqual(tried, ['SEC-2'])
  })
})

describe('routesTo', () => {
  const entry = {
    kind: 'device',
    profile: 'SEC-2',
    addresses: ['192.0.2.7:7402', 'nonsense'],
    listeners: { 'SEC-3': ['192.0.2.7:7403'] },
  } as const

  test('dials the listener of the stricter floor', () => {
    const at = { host: '192.0.2.7' }
    assert.deepEqual(routesTo('SEC-2', entry), [{ ...at, port: 7402, profile: 'SEC-2' }])
    assert.deepEqual(routesTo('SEC-3', entry), [{ ...at, port: 7403, profile: 'SEC-3' }])
    assert.deepEqual(routesTo('SEC-2', { ...entry, profile: 'SEC-3' }), [
      { ...at, port: 7402, profile: 'SEC-3' },
    ])
  })

  test('knows of no way where there is none', () => {
    assert.deepEqual(routesTo('SEC-3', { ...entry, listeners: undefined }), [])
    const refused = routesTo('SEC-4', entry)
    assert.ok(isRefusal(refused))
    assert.equal(refused.rule, 'matrix: no-listener')
  })

  test('reaches the authority on the listener of the own floor', () => {
    const authority = {
      ...entry,
      kind: 'authority',
      listeners: { 'SEC-1': ['192.0.2.7:7401'] },
    } as const
    const routes = routesTo('SEC-1', authority)
    assert.deepEqual(routes, [{ host: '192.0.2.7', port: 7401, profile: 'SEC-1' }])
  })
})

test('the signed directory names every listener; a member on another than its own is refused', async (context) => {
  const fabric = await startFabric(context)
  const { running } = await fabric.addNode('camera')
  const { directory } = running.member.fabric
  assert.deepEqual([...running.listeners.keys()], ['SEC-2', 'SEC-3'])
  await eventually(() => directory.byName('camera')?.listeners?.['SEC-3'] !== undefined)
  const port = running.listeners.get('SEC-3')?.port
  assert.deepEqual(directory.byName('camera')?.listeners?.['SEC-3'], [`127.0.0.1:${port}`])
  const authority = directory.byName('authority')
  assert.deepEqual(Object.keys({ ...authority?.listeners }).toSorted(), ['SEC-1', 'SEC-3', 'SEC-4'])
  const at = parseHostPort(authority?.listeners?.['SEC-3']?.[0] ?? '')
  assert.ok(at && authority)
  const { runtime } = await startRogue(context, fabric, { name: 'client' })
  const met = await runtime.dial({ ...at, profile: 'SEC-3' }, authority.uri)
  assert.ok(isRefusal(met))
  assert.ok(['KOS_SESSION_LISTENER', 'KOS_SESSION_CLOSED'].includes(met.code), met.code)
})
