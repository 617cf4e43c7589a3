import { relative } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { run } from 'node:test'
import { spec } from 'node:test/reporters'

type TestsStream = ReturnType<typeof run>

/** The parts of node's test events that are read here. */
interface TestEvent {
  readonly type: string
  readonly data: {
    readonly name?: string
    readonly message?: string
    readonly nesting?: number
    readonly file?: string
    readonly entryFile?: string
    readonly skip?: string | boolean
    readonly success?: boolean
    readonly duration_ms?: number
    readonly counts?: { readonly tests: number; readonly failed: number }
    readonly details?: {
      readonly type?: string
      readonly duration_ms?: number
      readonly error?: { readonly failureType?: string }
    }
  }
}

/**
 * Prints one line per file, every skip with its reason and every failure in full, then node's own
 * closing lines.
 *
 * @returns whether every file ran tests and all of them passed
 */
export async function report(
  events: TestsStream,
  to: {
    readonly root: string
    /** Paths of files that stand as suites in a batch. */
    readonly files?: readonly string[]
    readonly output: Writable
  },
): Promise<boolean> {
  let passed = true
  const batched = batchedFiles(new Set(to.files))
  const shown = async function* (): AsyncGenerator<TestEvent> {
    for await (const event of events as AsyncIterable<TestEvent>) {
      const file = batched(event)
      if (failsRun(event) || file?.tests === 0) passed = false
      if (file) yield line(`${file.tests > 0 && file.passed ? '✔' : '✖'} ${file.text}`)
      if (!isBatch(event)) yield* show(event, to.root)
    }
  }
  await pipeline(Readable.from(shown()), new spec(), to.output, { end: false })
  return passed
}

/** How a file in a batch ended. */
interface BatchedFile {
  readonly tests: number
  readonly passed: boolean
  readonly text: string
}

/** Counts the tests of the files of batches; the suite of a file is told after all that is in it. */
function batchedFiles(files: ReadonlySet<string>): (event: TestEvent) => BatchedFile | undefined {
  const counts = new Map<string, number>()
  return ({ type, data }) => {
    const { entryFile, name = '', nesting = 0, details } = data
    if (entryFile === undefined || (type !== 'test:pass' && type !== 'test:fail')) return undefined
    const tests = counts.get(entryFile) ?? 0
    if (details?.type !== 'suite') counts.set(entryFile, tests + 1)
    if (nesting > 0 || details?.type !== 'suite' || !files.has(name)) return undefined
    counts.set(entryFile, 0)
    const duration = Math.round(details.duration_ms ?? 0)
    const passed = type === 'test:pass'
    return { tests, passed, text: `${name} (${tests} tests, ${duration} ms)` }
  }
}

/** The closing line of a batch: those of its files have said it. */
function isBatch({ type, data }: TestEvent): boolean {
  return type === 'test:summary' && /-and-[0-9]+\.test\.mjs$/.test(data.file ?? '')
}

/** A failed or empty run, or a file without a test: node passes the latter as one test. */
function failsRun(event: TestEvent): boolean {
  if (event.type === 'test:summary') return !event.data.success || event.data.counts?.tests === 0
  return isEmptyFile(event)
}

function isEmptyFile({ type, data }: TestEvent): boolean {
  return type === 'test:pass' && data.nesting === 0 && data.entryFile === undefined
}

/** Turns one event into what node's spec reporter is to print for it. */
function* show(event: TestEvent, root: string): Generator<TestEvent> {
  const { type, data } = event
  if (type === 'test:fail' && data.details?.error?.failureType !== 'subtestsFailed') {
    const flat = { ...data, nesting: 0 }
    yield { type: 'test:start', data: flat }
    yield { type, data: flat }
  } else if (type === 'test:pass' && data.skip !== undefined) {
    yield line(`﹣ ${data.name} # ${data.skip === true ? 'no reason given' : data.skip}`)
  } else if (type === 'test:summary' && data.file !== undefined) {
    const { tests = 0 } = data.counts ?? {}
    const mark = data.success && tests > 0 ? '✔' : '✖'
    const duration = Math.round(data.duration_ms ?? 0)
    yield line(`${mark} ${relative(root, data.file)} (${tests} tests, ${duration} ms)`)
  } else if (isEmptyFile(event)) {
    yield line(`✖ ${relative(root, data.name ?? '')} has no test`)
  } else if (OTHERS.has(type)) {
    yield event
  }
}

const OTHERS: ReadonlySet<string> = new Set([
  'test:diagnostic',
  'test:stdout',
  'test:stderr',
  'test:summary',
])

function line(text: string): TestEvent {
  return { type: 'test:stdout', data: { message: `${text}\n` } }
}
