import { styleText } from 'node:util'
import { type Finished, kosctl, type Place } from './processes.ts'

/** A step whose outcome is not the expected one ends the demo with an error. */
export class StoryError extends Error {}

/** What a step is expected to do. */
export interface Expectation {
  readonly code: number
  /** Text that must stand in what it prints. */
  readonly shows?: string
}

/** Prints a headline of the story. */
export function chapter(text: string): void {
  process.stdout.write(`\n${colour('bold', text)}\n`)
}

/** Prints a remark. */
export function remark(text: string): void {
  process.stdout.write(`${colour('dim', text)}\n`)
}

/** Prints a command line as a person would type it. */
export function typed(text: string): void {
  process.stdout.write(`${colour('cyan', '$')} ${text}\n`)
}

/** Prints what a program printed, indented. */
export function printed(text: string): void {
  for (const line of text.trimEnd().split('\n')) process.stdout.write(`  ${line}\n`)
}

/** Runs one `kosctl` command as part of the story, and checks how it ended. */
export async function step(
  place: Place,
  command: { readonly args: readonly string[]; readonly shown?: string; readonly input?: string },
  expected: Expectation,
): Promise<Finished> {
  typed(command.shown ?? `kosctl ${command.args.map(quoted).join(' ')}`)
  const finished = await kosctl(place, command.args, command.input)
  printed(finished.out + finished.err)
  const text = finished.out + finished.err
  if (finished.code !== expected.code) {
    throw new StoryError(`expected exit code ${expected.code}, got ${finished.code}`)
  }
  if (expected.shows !== undefined && !text.includes(expected.shows)) {
    throw new StoryError(`expected to read: ${expected.shows}`)
  }
  return finished
}

function quoted(word: string): string {
  return /^[A-Za-z0-9_./:=@-]+$/.test(word) ? word : `'${word}'`
}

function colour(style: 'bold' | 'dim' | 'cyan', text: string): string {
  return process.stdout.isTTY && process.env['NO_COLOR'] === undefined
    ? styleText(style, text)
    : text
}
