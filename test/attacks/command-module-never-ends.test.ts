/** Attack: a module throws, loops, eats memory, or never answers; the daemon must not care. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCommand } from '../kit/commands.ts'
import { moduleCommand, sandbox } from '../kit/user-commands.ts'
import { temporaryFolder } from '../kit/temporary.ts'

const CASES: readonly (readonly [body: string, rule: RegExp])[] = [
  ['for (;;);', /^program\/wall-time$/],
  ['process.on("SIGTERM", () => {}); for (;;);', /^program\/wall-time$/],
  ['throw new Error("s3cret")', /^program\/exit-1$/],
  [
    'const kept = []; for (;;) kept.push(new Array(1e5).fill(1))',
    /^program\/(?:exit-\d+|signal-\w+)$/,
  ],
  ['process.exit(7)', /^program\/exit-7$/],
  ['process.kill(process.pid, "SIGKILL")', /^program\/signal-SIGKILL$/],
  [
    'const { writeSync } = await import("node:fs"); for (;;) writeSync(1, "x".repeat(1e5))',
    /^program\/output$/,
  ],
  ['process.stdout.write("{}")', /^program\/output-not-json$/],
]

test('each ends as a failure that says how, within its bounds', async (context) => {
  const folder = temporaryFolder(context)
  const programs = await sandbox(context)
  if (!programs) return
  for (const [body, rule] of CASES) {
    const text = `export async function run() { ${body}; return { value: 'done' } }`
    // Memory needs time to be eaten; what loops shall not have it.
    const timeoutMs = rule.source.includes('wall-time') ? 1000 : 30_000
    const changes = { limits: { timeoutMs, memoryMiB: 32, cpuSeconds: 60 } }
    const result = await runCommand(moduleCommand(text, { folder, programs, changes }), {
      value: 'x',
    })
    assert.equal(result['code'], 'KOS_CATALOG_PROGRAM', body)
    assert.match(String(result['rule']), rule, body)
    assert.ok(!JSON.stringify(result).includes('s3cret'))
  }
})
