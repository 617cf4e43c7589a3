import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRefusal, type Refusal } from '../../../foundation/base/index.ts'
import {
  type BatchCreated,
  batchCreated,
  type BatchRefused,
  batchRefused,
} from '../../authority/index.ts'
import { parseAnswer, type RequestBody } from '../../node/index.ts'
import { jsonBody, readAnswer } from '../answers.ts'
import { type ListedDevice, readDeviceList } from '../batch-rows.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { withAuthority } from '../credential.ts'
import { type CsvProblem, formatCsv, MAX_CSV_BYTES } from '../csv.ts'
import { cliErrors } from '../errors.ts'
import { EXIT, paint, parseDuration, printable, printJson, printRefusal } from '../output.ts'
import { readAtMost } from '../read-at-most.ts'

/** `kosctl token batch` */
export async function batch(context: CliContext, input: CommandInput): Promise<number> {
  const [file = ''] = input.positionals
  const lifeMs = parseDuration(input.text('ttl') ?? '24h')
  if (lifeMs === undefined) {
    throw cliErrors.error('KOS_CLI_USAGE', { reason: '--ttl is a duration such as 24h or 7d' })
  }
  const listed = readDeviceList(readFile(context, file))
  if ('problems' in listed) return refusedRows(context, file, listed.problems)
  // Made before anything is created: secrets are shown once, and need a place.
  const folder = outFolder(input)
  const body = jsonBody({ lifeMs, tokens: listed.map(({ device }) => device) })
  const answer = await ask(context, body).catch((error: unknown) => {
    if (folder !== undefined) rmdirSync(folder)
    throw error
  })
  const isRefused = isRefusal(answer) || 'rows' in answer
  if (isRefused && folder !== undefined) rmdirSync(folder)
  if (isRefusal(answer)) {
    printRefusal(context.terminal, 'token batch', answer)
    return EXIT.refused
  }
  if ('rows' in answer) return refusedRows(context, file, problemsOf(answer, listed))
  show(context, answer, folder)
  return EXIT.ok
}

function ask(
  context: CliContext,
  body: RequestBody,
): Promise<BatchCreated | BatchRefused | Refusal> {
  return withAuthority(context, async (client) => {
    const answered = await client.request('POST', '/v1/tokens/batch', body)
    const rows = answered.status === 409 ? parseAnswer(answered, batchRefused) : undefined
    return rows && !isRefusal(rows) ? rows : readAnswer(answered, batchCreated)
  })
}

function readFile(context: CliContext, file: string): Uint8Array {
  if (file === '-') return Buffer.from(context.readInput())
  // What is too long says so where everything of the form is checked.
  return readAtMost(file, MAX_CSV_BYTES) ?? new Uint8Array(MAX_CSV_BYTES + 1)
}

function problemsOf(
  { rows }: BatchRefused,
  listed: readonly ListedDevice[],
): readonly CsvProblem[] {
  return rows.map(({ index, rule, remedy }) => ({
    line: listed[index]?.line ?? 0,
    reason: [rule, ...(remedy === undefined ? [] : [remedy])].join(': '),
  }))
}

/** Every row that cannot be, as compilers say it; nothing was created. */
function refusedRows(
  { terminal }: CliContext,
  file: string,
  problems: readonly CsvProblem[],
): number {
  if (terminal.isJson) {
    terminal.err(JSON.stringify({ refused: 'token batch', file, problems }))
    return EXIT.refused
  }
  terminal.err(`${paint(terminal, 'red', 'refused')}  token batch: nothing was created`)
  for (const { line, reason } of problems) {
    terminal.err(`  ${printable(`${file}:${line}: ${reason}`)}`)
  }
  return EXIT.refused
}

/** The folder of `--out`, which must be new: no line of another batch is overwritten. */
function outFolder(input: CommandInput): string | undefined {
  const out = input.text('out') ?? '-'
  if (out === '-') return undefined
  mkdirSync(out, { mode: 0o700 })
  return out
}

function show({ terminal }: CliContext, created: BatchCreated, folder: string | undefined): void {
  const { batch: id, tokens } = created
  if (folder === undefined) {
    if (terminal.isJson) printJson(terminal, created)
    else {
      terminal.out(formatCsv([['name', 'join-line'], ...tokens.map(rowOf)]).trimEnd())
      terminal.err(`batch ${printable(id)}: ${tokens.length} join lines, shown this once`)
    }
    return
  }
  try {
    for (const { name, joinLine } of tokens) {
      writeFileSync(join(folder, `${name}.join`), `${joinLine}\n`, { mode: 0o600, flag: 'wx' })
    }
  } catch (error) {
    terminal.err(`not all lines were written: kosctl token revoke --batch ${printable(id)}`)
    throw error
  }
  if (terminal.isJson) printJson(terminal, { batch: id, folder, files: tokens.length })
  else terminal.out(`batch ${printable(id)}: ${tokens.length} join lines in ${folder}`)
}

function rowOf({ name, joinLine }: BatchCreated['tokens'][number]): readonly string[] {
  return [name, joinLine]
}
