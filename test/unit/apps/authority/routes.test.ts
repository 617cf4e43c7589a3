/** Every route of the HTTP API against everybody who may knock. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { AlertIntake } from '../../../../src/apps/authority/alert-intake.ts'
import { apiRoutes } from '../../../../src/apps/authority/routes.ts'
import type { AuthorityServices } from '../../../../src/apps/authority/services.ts'
import { type RawAnswer, startFabric, type TestFabric } from '../../../kit/fabric.ts'

type Role = 'viewer' | 'auditor' | 'approver' | 'operator'
type Knocker = 'nobody' | 'foreigner' | 'device' | 'roleless' | Role
type Everybody = Knocker | 'admin'

const KNOCKERS: readonly Everybody[] = [
  'nobody',
  'foreigner',
  'device',
  'roleless',
  'viewer',
  'auditor',
  'approver',
  'operator',
  'admin',
]
const MEMBERS: readonly Everybody[] = KNOCKERS.slice(2)
/** Who has any role reads what a viewer reads. */
const READERS: readonly Everybody[] = KNOCKERS.slice(4)
const KIB = 1024

interface Row {
  readonly method: string
  readonly path: string
  readonly guard: string
  readonly maxBytes: number
  /** Who gets past the guard. */
  readonly passes: readonly Everybody[]
  /** A body that changes nothing. */
  readonly body?: string
}

/** The whole API. A route that is not here fails the first test. */
const TABLE: readonly Row[] = [
  row('GET /v1/health', 'public', KNOCKERS),
  row('GET /v1/bundle', 'public', KNOCKERS),
  { ...row('POST /v1/join', 'proof', KNOCKERS), maxBytes: 16 * KIB, body: 'x' },
  { ...row('POST /v1/login', 'proof', KNOCKERS), maxBytes: 16 * KIB, body: 'x' },
  { ...row('POST /v1/join/psk', 'proof', KNOCKERS), maxBytes: 16 * KIB, body: 'x' },
  { ...row('POST /v1/renew', 'proof', KNOCKERS), maxBytes: 16 * KIB, body: 'x' },
  row('GET /.well-known/est/cacerts', 'public', KNOCKERS),
  row('GET /.well-known/est/csrattrs', 'public', KNOCKERS),
  { ...est('simpleenroll', 'proof'), passes: KNOCKERS },
  { ...est('simplereenroll', 'member'), passes: MEMBERS },
  { ...est('serverkeygen', 'public'), passes: KNOCKERS },
  { ...est('fullcmc', 'public'), passes: KNOCKERS },
  { ...row('POST /v1/alerts', 'public', KNOCKERS), maxBytes: 4 * KIB, body: 'x' },
  row('GET /v1/alerts', 'operator', ['operator', 'admin']),
  { ...row('POST /v1/session', 'member', MEMBERS), maxBytes: KIB, body: 'x' },
  row('GET /v1/sessions', 'viewer', READERS),
  row('DELETE /v1/sessions/:handle', 'operator', ['operator', 'admin']),
  row('GET /v1/principals', 'viewer', READERS),
  row('GET /v1/principals/:name', 'viewer', READERS),
  {
    ...row('PATCH /v1/principals/:name', 'operator', ['operator', 'admin']),
    maxBytes: 16 * KIB,
    body: '{}',
  },
  row('GET /v1/objects', 'member', MEMBERS),
  row('GET /v1/manifest', 'viewer', READERS),
  { ...row('PUT /v1/manifest', 'admin', ['admin']), maxBytes: 12 * KIB * KIB, body: '{}' },
  row('GET /v1/audit', 'auditor', ['auditor', 'admin']),
  row('GET /v1/audit/verify', 'auditor', ['auditor', 'admin']),
  row('GET /v1/audit/members', 'auditor', ['auditor', 'admin']),
  row('GET /v1/checks', 'viewer', READERS),
  {
    ...row('POST /v1/tokens', 'operator', ['operator', 'admin']),
    maxBytes: 16 * KIB,
    body: '{}',
  },
  {
    ...row('POST /v1/tokens/batch', 'operator', ['operator', 'admin']),
    maxBytes: KIB * KIB,
    body: '{}',
  },
  row('GET /v1/tokens', 'viewer', READERS),
  row('GET /v1/tokens/:id', 'viewer', READERS),
  row('DELETE /v1/tokens/batch/:id', 'operator', ['operator', 'admin']),
  row('DELETE /v1/tokens/:id', 'operator', ['operator', 'admin']),
  row('GET /v1/users', 'viewer', READERS),
  { ...row('POST /v1/users', 'admin', ['admin']), maxBytes: 4 * KIB, body: '{}' },
  { ...row('PATCH /v1/users/:name', 'admin', ['admin']), maxBytes: 4 * KIB, body: '{}' },
  row('DELETE /v1/users/:name', 'admin', ['admin']),
  {
    ...row('POST /v1/principals/:name/raise', 'operator', ['operator', 'admin']),
    maxBytes: KIB,
    body: '{}',
  },
  { ...row('POST /v1/raise', 'proof', KNOCKERS), maxBytes: 16 * KIB, body: 'x' },
  ...['lock', 'unlock'].map((verb) => ({
    ...row(`POST /v1/principals/:name/${verb}`, 'operator', ['operator', 'admin']),
    maxBytes: 4 * KIB,
    body: '{}',
  })),
  row('DELETE /v1/principals/:name', 'operator', ['operator', 'admin']),
  row('POST /v1/principals/:name/rotate-psk', 'operator', ['operator', 'admin']),
  row('GET /v1/standbys', 'viewer', READERS),
  { ...row('POST /v1/principals/:name/standby', 'admin', ['admin']), maxBytes: KIB, body: '{}' },
  row('DELETE /v1/principals/:name/standby', 'admin', ['admin']),
  row('GET /v1/ca', 'viewer', READERS),
  row('POST /v1/ca/prepare', 'admin', ['admin']),
  row('POST /v1/ca/activate', 'admin', ['admin']),
  row('POST /v1/ca/taint', 'admin', ['admin']),
  { ...row('POST /v1/ca/revoke', 'admin', ['admin']), maxBytes: KIB, body: '{}' },
  { ...row('POST /v1/ca/request', 'admin', ['admin']), maxBytes: KIB, body: '{}' },
  row('DELETE /v1/ca/request', 'admin', ['admin']),
  { ...row('POST /v1/ca/answer', 'admin', ['admin']), maxBytes: 64 * KIB, body: 'x' },
  row('GET /v1/ca/csr/:of', 'admin', ['admin']),
  row('GET /v1/ca/chain', 'viewer', READERS),
  { ...row('POST /v1/ca/chain', 'admin', ['admin']), maxBytes: 128 * KIB, body: '{}' },
  row('DELETE /v1/ca/chain', 'admin', ['admin']),
  row('GET /v1/recovery', 'public', KNOCKERS),
  { ...row('POST /v1/recovery', 'proof', KNOCKERS), maxBytes: 16 * KIB * KIB, body: 'x' },
  row('GET /v1/credentials', 'report', ['auditor', 'operator', 'admin']),
  row('POST /v1/principals/:name/rotate', 'operator', ['operator', 'admin']),
  {
    ...row('POST /v1/credentials/:name/revoke', 'operator', ['operator', 'admin']),
    maxBytes: 4 * KIB,
    body: '{}',
  },
]

function est(name: string, guard: string): Row {
  return { ...row(`POST /.well-known/est/${name}`, guard, []), maxBytes: 8 * KIB, body: 'x' }
}

function row(head: string, guard: string, passes: readonly Everybody[]): Row {
  const [method = '', path = ''] = head.split(' ')
  return { method, path, guard, passes, maxBytes: 0 }
}

/** A name that nobody has, so that whoever gets through changes nothing. */
function pathOf({ path }: Row): string {
  return path.replace(/:(name|id|handle)/, 'nobody')
}

test('the table is the whole API', () => {
  const routes = apiRoutes({} as AuthorityServices, {} as AlertIntake)
  assert.deepEqual(
    routes.map(({ method, path, guard, maxBytes }) => ({ method, path, guard, maxBytes })),
    TABLE.map(({ method, path, guard, maxBytes }) => ({ method, path, guard, maxBytes })),
  )
})

describe('guards', () => {
  let fabric: TestFabric
  let folders: Record<Knocker | 'admin', string | undefined>

  const ends: (() => Promise<void>)[] = []
  after(() => Promise.all(ends.map((end) => end())))

  before(async () => {
    const suite = { after: (end: () => Promise<void>) => void ends.push(end) }
    fabric = await startFabric(suite)
    const foreign = await startFabric(suite)
    const device = await fabric.addNode('camera-1')
    const users = await fabric.addUsers({
      roleless: [],
      viewer: ['viewer'],
      auditor: ['auditor'],
      operator: ['operator'],
      approver: ['approver'],
    })
    folders = {
      nobody: undefined,
      foreigner: foreign.operator,
      device: device.folder,
      roleless: users['roleless'],
      viewer: users['viewer'],
      auditor: users['auditor'],
      operator: users['operator'],
      approver: users['approver'],
      admin: fabric.operator,
    }
  })

  const knock = (who: Everybody, at: Row): Promise<RawAnswer> => {
    const as = folders[who]
    // Time for the rate of the address to recover.
    fabric.clock.advance(100)
    return fabric.request({
      method: at.method,
      path: pathOf(at),
      ...(as !== undefined && { as }),
      ...(at.body !== undefined && { body: Buffer.from(at.body) }),
    })
  }

  for (const at of TABLE) {
    test(`${at.method} ${at.path} lets in ${at.passes.join(', ')}`, async () => {
      for (const who of KNOCKERS) {
        const answer = await knock(who, at)
        const isStopped = answer.status === 403 && answer.code === 'KOS_AUTHORITY_GUARD'
        assert.equal(isStopped, !at.passes.includes(who), `${who}: ${answer.text}`)
        if (isStopped) assert.match(answer.rule ?? '', new RegExp(`^guard/${at.guard}/`))
      }
    })

    test(`${at.method} ${at.path} bounds bodies before it asks who sends them`, async () => {
      for (const who of ['nobody', 'admin'] as const) {
        fabric.clock.advance(100)
        const answer = await fabric.request({
          method: at.method,
          path: pathOf(at),
          ...(folders[who] !== undefined && { as: folders[who] }),
          // The head alone: the answer does not wait for a body that is too long.
          headers: { 'content-length': String(at.maxBytes + 1), expect: '100-continue' },
        })
        assert.equal(answer.status, 413, who)
        assert.equal(answer.headers['connection'], 'close')
      }
    })
  }

  test('a body without length is refused, whoever sends it', async () => {
    for (const as of [undefined, fabric.operator]) {
      const answer = await fabric.request({
        method: 'POST',
        path: '/v1/tokens',
        headers: { 'transfer-encoding': 'chunked' },
        ...(as !== undefined && { as }),
      })
      assert.deepEqual([answer.status, answer.rule], [411, 'body/length'])
    }
  })

  test('what has no row is refused, also with the strongest credential', async () => {
    const paths = ['/', '/v1', '/v1/principals/', '/v1//principals', '/v2/health', '/v1/people']
    for (const path of paths) {
      const answer = await fabric.request({ method: 'GET', path, as: fabric.operator })
      assert.deepEqual([answer.status, answer.code], [404, 'KOS_AUTHORITY_NOT_FOUND'], path)
    }
  })

  test('a method without a row is refused', async () => {
    const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']
    for (const path of new Set(TABLE.map(({ path }) => path))) {
      const known = TABLE.filter((at) => at.path === path).map(({ method }) => method)
      for (const method of methods.filter((name) => !known.includes(name))) {
        fabric.clock.advance(100)
        const at = row(`${method} ${path}`, '', [])
        const answer = await fabric.request({ method, path: pathOf(at), as: fabric.operator })
        assert.equal(answer.status, 404, `${method} ${path}`)
      }
    }
  })

  test('refusals are recorded, each kind once and then counted', async () => {
    const { out } = await fabric.kosctl(['audit', 'tail', '--count', '1000', '--json'])
    const entries = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    const refusals = entries.filter(
      ({ type, action, rule }) =>
        type === 'refusal' &&
        action === 'GET /v1/principals' &&
        rule === 'guard/viewer/certificate-missing',
    )
    assert.equal(refusals.length, 1)
    const ofDevice = entries.filter(
      ({ actor, action }) =>
        typeof actor === 'string' && actor.includes('/device/') && action === 'PUT /v1/manifest',
    )
    assert.equal(ofDevice.length, 1)
  })
})
