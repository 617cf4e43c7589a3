/**
 * Writes `docs/command.schema.json`, and the generated part of `docs/commands.md` from the built-in commands:
 * `node tools/boot.js run tools/commands-doc.ts`. A test holds the file equal to the catalog.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Command,
  commandFileJsonSchema,
  createBuiltins,
  createCatalog,
  describingCommands,
  policyExplainCommand,
  readHostInfo,
  readHostStatus,
} from '../src/commands/catalog/index.ts'

const PAGE = join(import.meta.dirname, '../docs/commands.md')
const SCHEMA = join(import.meta.dirname, '../docs/command.schema.json')
const BEGIN = '<!-- catalog: written by tools/commands-doc.ts -->\n'
const END = '<!-- end of catalog -->\n'

/** The JSON Schema of a command file, as it stands in `docs/`. */
export function commandSchemaFile(): string {
  return `${JSON.stringify(commandFileJsonSchema(), undefined, 2)}\n`
}

/** The built-in commands as a node offers them; their answers do not matter here. */
export function documentedCommands(): readonly Command[] {
  const status = { daemonUptimeMs: 0, residentBytes: 0, sessions: 0, runningCalls: 0 }
  const system = {
    status: () => ({ ...readHostStatus(), ...status, auditHealthy: true, locksFreshBy: '-' }),
    info: () => ({ ...readHostInfo(), kosVersion: '0', profile: 'SEC-2' as const }),
  }
  const fileRoots = [{ name: 'share', directory: '/var/lib/kos/share' }]
  const commands = { list: () => [], userNames: () => new Set<string>(), refused: () => [] }
  return createCatalog([
    ...createBuiltins({ system }, { fileRoots }),
    ...describingCommands(commands),
    policyExplainCommand({ explain: notHere }),
  ]).list()
}

function notHere(): never {
  throw new TypeError('a definition is not run by its documentation')
}

/** The catalog as Markdown: one table of all, then one section per command. */
export function catalogSection(commands: readonly Command[]): string {
  const head =
    '| command | permission | effects | arguments | result | time | at once |\n' +
    '|---|---|---|---|---|---|---|\n'
  const rows = commands.map(
    ({ name, permission, effects, limits }) =>
      `| \`${name}\` | \`${permission}\` | ${effects} | ${bytes(limits.maxArgumentBytes)} | ` +
      `${bytes(limits.maxResultBytes)} | ${limits.timeoutMs / 1000} s | ${limits.concurrency} |\n`,
  )
  return `${head}${rows.join('')}\n${commands.map(commandSection).join('\n')}`
}

/** The page with its generated part replaced. */
export function commandsPage(page: string, commands: readonly Command[]): string {
  const [before, rest] = page.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new TypeError('the page lost its markers')
  return `${before}${BEGIN}\n${catalogSection(commands)}\n${END}${after}`
}

function commandSection(command: Command): string {
  const { name, summary, description, examples, positional } = command
  const lines = [`### \`${name}\``, '', `${summary}. ${description}`, '']
  lines.push(
    '| argument | schema |',
    '|---|---|',
    ...schemaRows(command.argumentJsonSchema, positional),
  )
  lines.push(
    '',
    '| result | schema |',
    '|---|---|',
    ...schemaRows(command.resultJsonSchema, []),
    '',
  )
  for (const { purpose, arguments: args, result } of examples) {
    const shown = result ? ` → \`${JSON.stringify(result)}\`` : ''
    lines.push(`- ${purpose} \`${JSON.stringify(args)}\`${shown}`)
  }
  return `${lines.join('\n')}\n`
}

function schemaRows(
  schema: Command['argumentJsonSchema'],
  positional: readonly string[],
): string[] {
  const properties = Object.entries(schema['properties'] as Record<string, object>)
  const required = (schema['required'] ?? []) as readonly string[]
  if (properties.length === 0) return ['| – | none |']
  return properties.map(([name, property]) => {
    const place = positional.indexOf(name)
    const notes = [
      ...(place >= 0 ? [`position ${place + 1}`] : []),
      ...(required.includes(name) ? [] : ['optional']),
    ]
    const shown = JSON.stringify(property).replaceAll('|', '\\|')
    return `| \`${name}\`${notes.length > 0 ? ` (${notes.join(', ')})` : ''} | \`${shown}\` |`
  })
}

function bytes(count: number): string {
  return `${count.toLocaleString('en-US')} B`
}

if (import.meta.main) {
  writeFileSync(SCHEMA, commandSchemaFile())
  writeFileSync(PAGE, commandsPage(readFileSync(PAGE, 'utf8'), documentedCommands()))
}
