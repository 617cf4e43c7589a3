import { readFileSync, realpathSync } from 'node:fs'
import { isRefusal, parseJson, validate, z } from '../../foundation/base/index.ts'
import { catalogErrors } from './errors.ts'
import {
  type ArgumentPlace,
  type ArgumentRule,
  MAX_PROGRAM_ARGUMENTS,
} from './process-arguments.ts'
import { MAX_PATTERN_LENGTH, patternProblem } from './user-pattern.ts'
import { trustProblem } from './user-trust.ts'

/** A program that `process.run` may start. */
export interface AllowedProgram {
  /** Absolute, without symbolic link. */
  readonly path: string
  readonly places: readonly ArgumentPlace[]
  readonly environment: Readonly<Record<string, string>>
  readonly readOnlyPaths: readonly string[]
  /** Most bytes of standard input; 0: it takes none. */
  readonly maxInputBytes: number
  /** Bounds below those of the profile; what is not named is the profile's. */
  readonly limits: ProgramBounds
}

/** What a program file can make smaller than the profile has it. */
export interface ProgramBounds {
  readonly wallMs?: number | undefined
  readonly cpuSeconds?: number | undefined
  readonly maxOutputBytes?: number | undefined
  readonly maxMemoryBytes?: number | undefined
  readonly maxProcesses?: number | undefined
  readonly maxFileBytes?: number | undefined
  readonly maxOpenFiles?: number | undefined
}

/** The programs that a node runs, by the name that callers use. */
export type AllowedPrograms = ReadonlyMap<string, AllowedProgram>

/** Names of programs: what policy rules compare, so nothing that could look like another. */
export const PROGRAM_NAME: RegExp = /^[a-z][a-z0-9-]{0,31}$/
const MAX_FILE_BYTES = 65_536
const MAX_PROGRAMS = 64
const DEFAULT_MAX_LENGTH = 256
const MAX_ARGUMENT_LENGTH = 4096

const bound = (most: number): z.ZodOptional<z.ZodInt> => z.int().min(1).max(most).optional()
const argumentText = z.string().max(MAX_ARGUMENT_LENGTH)
const once = {
  optional: z.boolean().default(false),
  /** So many times at most; further ones are optional. */
  repeat: z.int().min(1).max(MAX_PROGRAM_ARGUMENTS).default(1),
}
const placeSchema = z.union([
  z.strictObject({ literal: argumentText, ...once }),
  z.strictObject({ enum: z.array(argumentText).min(1).max(64), ...once }),
  z.strictObject({
    pattern: z.string().min(1).max(MAX_PATTERN_LENGTH),
    maxLength: z.int().min(1).max(MAX_ARGUMENT_LENGTH).default(DEFAULT_MAX_LENGTH),
    ...once,
  }),
])
const MIB = 1024 * 1024
const limitsSchema = z.strictObject({
  wallMs: bound(300_000),
  cpuSeconds: bound(300),
  maxOutputBytes: bound(4 * MIB),
  maxMemoryBytes: bound(1024 * MIB),
  maxProcesses: bound(64),
  maxFileBytes: bound(64 * MIB),
  maxOpenFiles: bound(256),
})
const absolutePath = z.string().min(2).max(4096).startsWith('/')
const programSchema = z.strictObject({
  path: absolutePath,
  arguments: z.array(placeSchema).max(MAX_PROGRAM_ARGUMENTS).default([]),
  environment: z
    .record(z.string().regex(/^[A-Z_][A-Z0-9_]{0,63}$/), z.string().max(1024))
    .default({}),
  readOnlyPaths: z.array(absolutePath).max(16).default([]),
  maxInputBytes: z.int().min(0).max(16_384).default(0),
  limits: limitsSchema.default({}),
})
const fileSchema = z
  .record(z.string().regex(PROGRAM_NAME), programSchema)
  .refine((programs) => Object.keys(programs).length <= MAX_PROGRAMS)

type ProgramSpecification = z.infer<typeof programSchema>

/** What a program is checked against beside its own form. */
export interface ProgramChecks {
  /** User of the daemon. */
  readonly userId: number
  /** Folders that no program may see, nor anything that contains them: the state of the daemon. */
  readonly secretFolders: readonly string[]
}

/**
 * Reads the file of allowed programs strictly: one JSON object, name → program.
 *
 * **Security:** file, programs and paths must be such that nobody but root and the daemon's own user
 * can change them. Symbolic links are followed now, once; the run refuses any that appear later.
 *
 * @param file - its path
 * @param checks - user of the daemon, folders that stay secret
 * @returns the programs, in place of {@link DEFAULT_PROGRAMS}
 * @throws {@link KosError} KOS_CATALOG_PROGRAMS naming the place in the file and what is wrong there
 */
export function readAllowedPrograms(file: string, checks: ProgramChecks): AllowedPrograms {
  const untrusted = trustProblem(file, checks.userId, 'file')
  if (untrusted !== undefined) throw wrong(file, '', untrusted)
  const parsed = parseJson(readFileSync(file, 'utf8'), MAX_FILE_BYTES)
  if (isRefusal(parsed)) throw wrong(file, '', `is no strict ${parsed.rule}`)
  const valid = validate(fileSchema, parsed.value)
  if (isRefusal(valid)) throw wrong(file, '', `is not in the accepted form at ${valid.rule}`)
  const programs = Object.entries(valid.value).map(([name, specification]) => {
    const report = (at: string, problem: string): Error => wrong(file, `${name}.${at}`, problem)
    return [name, allowedProgram(specification, checks, report)] as const
  })
  return new Map(programs)
}

type Report = (at: string, problem: string) => Error

function allowedProgram(
  specification: ProgramSpecification,
  checks: ProgramChecks,
  report: Report,
): AllowedProgram {
  const { environment, maxInputBytes, limits } = specification
  const path = soundPath(specification.path, checks, (problem) => report('path', problem))
  const untrusted = trustProblem(path, checks.userId, 'file')
  if (untrusted !== undefined) throw report('path', untrusted)
  const readOnlyPaths = specification.readOnlyPaths.map((one, index) =>
    soundPath(one, checks, (problem) => report(`readOnlyPaths.${index}`, problem)),
  )
  const isVisible = ['/usr', ...readOnlyPaths].some((place) => path.startsWith(`${place}/`))
  return Object.freeze({
    path,
    places: specification.arguments.flatMap((place, index) =>
      placesOf(place, (problem) => report(`arguments.${index}`, problem)),
    ),
    environment,
    // A program outside /usr is at least visible itself.
    readOnlyPaths: isVisible ? readOnlyPaths : [...readOnlyPaths, path],
    maxInputBytes,
    limits,
  })
}

/** The path without symbolic links, when only root and the daemon's user can change what is there. */
function soundPath(
  path: string,
  { userId, secretFolders }: ProgramChecks,
  report: (problem: string) => Error,
): string {
  const untrusted = trustProblem(path, userId, 'any')
  if (untrusted !== undefined) throw report(untrusted)
  const real = realpathSync(path)
  if (real === '/') throw report('is everything')
  for (const secret of secretFolders) {
    if (`${secret}/`.startsWith(`${real}/`) || real.startsWith(`${secret}/`)) {
      throw report('would show the state of the daemon')
    }
  }
  return real
}

function placesOf(
  place: ProgramSpecification['arguments'][number],
  report: (problem: string) => Error,
): ArgumentPlace[] {
  const rule = ruleOf(place, report)
  return Array.from({ length: place.repeat }, (_, index) => ({
    rule,
    isOptional: place.optional || index > 0,
  }))
}

function ruleOf(
  place: ProgramSpecification['arguments'][number],
  report: (problem: string) => Error,
): ArgumentRule {
  if ('literal' in place) return { kind: 'enum', values: new Set([place.literal]) }
  if ('enum' in place) return { kind: 'enum', values: new Set(place.enum) }
  const problem = patternProblem(place.pattern)
  if (problem !== undefined) throw report(`has a pattern that ${problem}`)
  const pattern = new RegExp(place.pattern, 'u')
  return { kind: 'pattern', pattern, maxLength: place.maxLength }
}

function wrong(file: string, place: string, problem: string): Error {
  const reason = `${place === '' ? 'the file' : place} ${problem}`
  return catalogErrors.error('KOS_CATALOG_PROGRAMS', { file, reason })
}

const options = (...values: readonly string[]): ArgumentPlace => ({
  rule: { kind: 'enum', values: new Set(values) },
  isOptional: true,
})

const program = (path: string, places: readonly ArgumentPlace[]): AllowedProgram =>
  Object.freeze({
    path,
    places,
    environment: {},
    readOnlyPaths: [],
    maxInputBytes: 0,
    limits: {},
  })

/**
 * What a node runs without a file of its own: four programs that only look, and show no more than
 * `system.info` and `system.status` do. Enough to try `process.run`, and nothing to regret: an
 * operator who may run programs still gets no shell, no file and no way to change anything.
 */
export const DEFAULT_PROGRAMS: AllowedPrograms = new Map([
  ['date', program('/usr/bin/date', [options('-u', '--utc'), options('-R', '-Is', '+%s')])],
  [
    'df',
    program('/usr/bin/df', [options('-h', '-k', '-i'), options('-T'), options('/usr', '/tmp')]),
  ],
  ['uname', program('/usr/bin/uname', [options('-a', '-m', '-n', '-r', '-s', '-v', '-o')])],
  ['uptime', program('/usr/bin/uptime', [options('-p', '-s')])],
])
