/** Programs in the real sandbox of this host; where there is none, a test skips with the reason. */
import { readdirSync, readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import assert from 'node:assert/strict'
import type { ProgramResult, ProgramRun } from '../../src/commands/catalog/index.ts'
import {
  createProgramRunner,
  DEFAULT_PROBE_OPTIONS,
  type SandboxRunner,
  systemProbeHost,
} from '../../src/commands/sandbox/index.ts'
import {
  type Clock,
  isRefusal,
  type LogFields,
  type Refusal,
  systemClock,
} from '../../src/foundation/base/index.ts'

/** A bound for broken code, no measurement. */
const PATIENCE_MS = 60_000
const MIB = 1024 * 1024

/** A sandbox of one test. */
export interface TestSandbox {
  readonly runner: SandboxRunner
  /** Names and fields of what it logged. */
  readonly events: (readonly [name: string, fields: LogFields])[]
  /** Runs a program with small limits, but for what the test changes. */
  run(change: Partial<ProgramRun>): Promise<ProgramResult | Refusal>
  /** Runs a shell script: the hostile program of most tests. It must start. */
  script(text: string, change?: Partial<ProgramRun>): Promise<ProgramResult>
}

/**
 * Starts the sandbox of this host, closed after the test.
 *
 * @returns `undefined` when this host has none; the test was skipped with the reason
 */
export async function openSandbox(
  context: TestContext,
  options: { readonly clock?: Clock; readonly maxRuns?: number } = {},
): Promise<TestSandbox | undefined> {
  const events: TestSandbox['events'] = []
  const log = { event: (name: string, fields: LogFields = {}) => void events.push([name, fields]) }
  const runner = createProgramRunner(
    { host: systemProbeHost, clock: options.clock ?? systemClock, log },
    { probe: DEFAULT_PROBE_OPTIONS, maxRuns: options.maxRuns ?? 2 },
  )
  context.after(() => runner.close())
  const { refusal } = await runner.report
  if (refusal) {
    context.skip(`no sandbox on this host: ${refusal.code} (${refusal.rule})`)
    return undefined
  }
  const run = (change: Partial<ProgramRun>): Promise<ProgramResult | Refusal> =>
    runner.run({ ...QUIET, signal: new AbortController().signal, ...change })
  return {
    runner,
    events,
    run,
    script: async (text, change = {}) => {
      const ended = await run({ program: '/usr/bin/sh', arguments: ['-c', text], ...change })
      assert.ok(!isRefusal(ended), JSON.stringify(ended))
      return ended
    },
  }
}

/** Small limits; the wall time is one that no correct test meets. */
export const TEST_LIMITS: ProgramRun['limits'] = Object.freeze({
  wallMs: PATIENCE_MS,
  cpuSeconds: 10,
  maxOutputBytes: 65_536,
  maxMemoryBytes: 256 * MIB,
  maxProcesses: 16,
  maxFileBytes: MIB,
  maxOpenFiles: 64,
})

const QUIET: Omit<ProgramRun, 'signal'> = {
  program: '/usr/bin/true',
  arguments: [],
  environment: { PATH: '/usr/bin' },
  input: new Uint8Array(),
  readOnlyPaths: [],
  limits: TEST_LIMITS,
}

/** What a run printed, as text. */
export function printed({ stdout, stderr }: ProgramResult): { out: string; err: string } {
  return { out: Buffer.from(stdout).toString(), err: Buffer.from(stderr).toString() }
}

/** Processes of this machine whose command line holds a text that no other test uses. */
export function processesWith(marker: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        return text.includes(marker) && Number(pid) !== process.pid
      } catch {
        return false
      }
    })
    .map(Number)
}

/** Waits until something holds; fails when it never does. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += 20) {
    assert.ok(waitedMs < PATIENCE_MS, `never: ${what}`)
    await sleep(20)
  }
}
