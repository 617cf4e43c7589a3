/** Attack: an alert tries to write to the operator's terminal, in every field and every spelling. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printAlerts } from '../../src/apps/cli/commands/alerts-run.ts'
import { systemRandom } from '../../src/foundation/base/index.ts'
import { KOSCTL } from '../../src/apps/cli/main.ts'
import { captureTerminal, startFabric, testWorld } from '../kit/fabric.ts'

const ESCAPES = [
  '\u001b[2J\u001b[H',
  '\u001b]0;title\u0007',
  '\u009b31m',
  '\r',
  '\n',
  '\b\b',
  '\u0000',
  '\u007f',
  '\u202e',
  '\u2066',
  '\u2028',
]

test('an alert with control characters is refused before it is kept', async (context) => {
  const fabric = await startFabric(context)
  const time = fabric.clock.wallMs()
  for (const escape of ESCAPES) {
    for (const field of ['kind', 'text', 'device'] as const) {
      const alert = { kind: 'alarm', text: 'text', device: 'cellar', time }
      const body = Buffer.from(JSON.stringify({ ...alert, [field]: `a${escape}b` }))
      const { status } = await fabric.request({ method: 'POST', path: '/v1/alerts', body })
      // After the burst the rate speaks first.
      assert.ok(status === 400 || status === 429, JSON.stringify([field, escape, status]))
    }
  }
  const shown = await fabric.kosctl(['alerts', '--json'])
  assert.deepEqual((JSON.parse(shown.out) as { alerts: unknown[] }).alerts, [])
})

test('an authority that passes them on still does not reach the terminal', () => {
  for (const isJson of [false, true]) {
    const terminal = captureTerminal({ isJson })
    const context = { ...testWorld({ random: systemRandom }), terminal, program: KOSCTL }
    const [kind, text, device, source] = [0, 1, 2, 3].map((n) => `${n}${ESCAPES.join('')}`)
    printAlerts(context, {
      alerts: [
        {
          number: 1,
          receivedAt: 1,
          source: source ?? '',
          prefix: '',
          trust: 'unauthenticated',
          kind: kind ?? '',
          text: text ?? '',
          device,
          time: 1,
        },
      ],
      dropped: 0,
      refused: 0,
      since: 1,
    })
    const { out } = terminal.printed
    assert.match(out, /1/)
    // oxlint-disable-next-line no-control-regex -- that is what must not come through
    assert.doesNotMatch(out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e\u2066]/)
  }
})
