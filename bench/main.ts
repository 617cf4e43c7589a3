/**
 * What kOS costs beside what users would pick instead: `npm run bench -- [suite …] [options]`.
 * `docs/performance.md` says what each row means.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ensureModules } from '../tools/boot/modules.js'
import { createFleet } from './harness/fleet.ts'
import type { ProcessOptions } from './harness/processes.ts'
import { type Report, renderReport } from './harness/report.ts'
import type { Effort } from './harness/rounds.ts'
import { measureAdmission } from './suites/admission.ts'
import { measureAudit } from './suites/audit.ts'
import { measureBackup } from './suites/backup.ts'
import { measureCaRotation } from './suites/ca-rotation.ts'
import { measureCli } from './suites/cli.ts'
import { measureChange } from './suites/change.ts'
import { measureEcho } from './suites/echo.ts'
import { measureEnrolment } from './suites/enrolment.ts'
import { measureFirstIdentity } from './suites/first-identity.ts'
import { measureIdle } from './suites/idle.ts'
import { measureIssuance } from './suites/issuance.ts'
import { measureLock } from './suites/lock.ts'
import { measurePolicy } from './suites/policy.ts'
import { measureProcessRun } from './suites/process-run.ts'
import { measureRekey } from './suites/rekey.ts'
import { measureRenewalStorm } from './suites/renewal-storm.ts'
import { measureSession } from './suites/session.ts'

type Suite = (processes: ProcessOptions, effort: Effort) => Promise<Report>

const SUITES: Readonly<Record<string, Suite>> = {
  echo: measureEcho,
  admission: measureAdmission,
  audit: measureAudit,
  backup: measureBackup,
  'ca-rotation': measureCaRotation,
  cli: measureCli,
  change: measureChange,
  enrolment: measureEnrolment,
  idle: measureIdle,
  issuance: measureIssuance,
  lock: measureLock,
  policy: measurePolicy,
  'process-run': measureProcessRun,
  rekey: measureRekey,
  'renewal-storm': measureRenewalStorm,
  session: measureSession,
  'first-identity': measureFirstIdentity,
}

const USAGE = `usage: npm run bench -- [${Object.keys(SUITES).join(' | ')}] [--rounds 5] [--ms 400] [--json] [--only kos,raw] [--in-flight 64] [--profile <folder>]`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '400' },
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    'in-flight': { type: 'string' },
    profile: { type: 'string' },
  },
})

function positive(text: string): number {
  const value = Number(text)
  if (!(Number.isSafeInteger(value) && value > 0)) throw new Error(USAGE)
  return value
}

async function main(): Promise<void> {
  const effort: Effort = { rounds: positive(values.rounds), durationMs: positive(values.ms) }
  const names = positionals.length > 0 ? positionals : Object.keys(SUITES)
  const suites = names.map((name) => {
    const suite = SUITES[name]
    if (!suite) throw new Error(USAGE)
    return suite
  })
  await ensureModules(import.meta.dirname)
  const fleet = mkdtempSync(join(tmpdir(), 'kos-bench-'))
  try {
    createFleet(fleet)
    const processes = {
      fleet,
      only: values.only?.split(','),
      inFlight: values['in-flight']?.split(',').map(positive),
      profileDirectory: values.profile,
    }
    const reports: Report[] = []
    for (const suite of suites) {
      const report = await suite(processes, effort)
      reports.push(report)
      if (!values.json) console.log(renderReport(report))
    }
    if (values.json) console.log(JSON.stringify(reports, undefined, 2))
  } finally {
    rmSync(fleet, { recursive: true, force: true })
  }
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
