import { isRefusal, Secret } from '../../../foundation/base/index.ts'
import type { ValueKeys } from '../../../trust/keys/index.ts'
import type { CommandInput } from '../command-line.ts'
import { withDraft } from '../config/draft.ts'
import { configTarget, type ConfigTarget, storeConfig } from '../config/place.ts'
import { type ConfigSecret, readConfiguration } from '../config/read.ts'
import {
  openSecret,
  plainProblem,
  sealedProblem,
  textOf,
  withValueKeys,
} from '../config/secrets.ts'
import { changeValues, type Replacement } from '../config/text.ts'
import type { ConfigProblem } from '../config/yaml.ts'
import type { CliContext } from '../context.ts'
import { EXIT, paint, printJson } from '../output.ts'
import { printProblems } from './config-run.ts'
import { sealing } from './config-set.ts'

/** Name of a secret → how it was sealed, and what that is. */
type Opened = ReadonlyMap<string, { readonly sealed: string; readonly plain: string }>

/** `kosctl config edit` */
export function edit(context: CliContext, input: CommandInput): Promise<number> {
  const target = configTarget(context, input)
  const { opened, text } = openForEditing(target)
  return withDraft(context, text, async (draft) => {
    for (;;) {
      await draft.edit()
      const edited = draft.read()
      if (edited === text) return said(context, target, 'nothing changed')
      const sealed = sealEdited({ target, opened }, edited)
      if (typeof sealed === 'string') {
        storeConfig(context, target, sealed)
        return said(context, target, 'written')
      }
      printProblems(context, draft.path, sealed)
      if (!isToGoOn(context)) {
        said(context, target, 'left as it was')
        return EXIT.failed
      }
    }
  })
}

function said({ terminal }: CliContext, { path }: ConfigTarget, done: string): number {
  if (terminal.isJson) printJson(terminal, { file: path, done })
  else terminal.out(`${paint(terminal, done === 'written' ? 'green' : 'yellow', done)}  ${path}`)
  return EXIT.ok
}

function isToGoOn(context: CliContext): boolean {
  using answer = context.prompt?.('edit again? [Y/n] ')
  return answer !== undefined && !/^[nq]/i.test(textOf(answer))
}

/** What does not open stays as it is: it can be replaced or taken out. */
function openForEditing(target: ConfigTarget): { readonly opened: Opened; readonly text: string } {
  const { secrets, problems } = readConfiguration(target.text, target.role)
  const sealed = problems.length === 0 ? secrets.filter(({ isSealed }) => isSealed) : []
  const opened = new Map<string, { sealed: string; plain: string }>()
  if (sealed.length > 0) {
    withValueKeys(target.unlock, target.folder, (keys) => {
      for (const secret of sealed) {
        const plain = openSecret(keys, secret)
        if (isRefusal(plain)) continue
        opened.set(secret.name, { sealed: secret.text, plain: textOf(plain) })
        plain[Symbol.dispose]()
      }
    })
  }
  const replacements = [...opened].map(([name, { plain }]) => ({
    path: ['secrets', name],
    value: plain,
  }))
  return { opened, text: changeValues(target.text, replacements) }
}

/** The edited text with its secrets sealed, those that did not change as they were; or what is wrong. */
function sealEdited(
  { target, opened }: { readonly target: ConfigTarget; readonly opened: Opened },
  edited: string,
): string | readonly ConfigProblem[] {
  const { secrets, problems } = readConfiguration(edited, target.role)
  if (problems.length > 0) return problems
  const kept = secrets.flatMap(({ path, name, text }): Replacement[] => {
    const before = opened.get(name)
    return before?.plain === text ? [{ path, value: before.sealed }] : []
  })
  const others = secrets.filter(({ name, text }) => opened.get(name)?.plain !== text)
  const wrong = others.filter(({ isSealed }) => !isSealed).flatMap(plainProblems)
  if (wrong.length > 0) return wrong
  if (others.length === 0) return changeValues(edited, kept)
  return sealing(target, (keys) => {
    const moved = others
      .filter(({ isSealed }) => isSealed)
      .flatMap((secret) => sealedProblem(keys, secret) ?? [])
    if (moved.length > 0) return moved
    const fresh = others.filter(({ isSealed }) => !isSealed)
    return changeValues(edited, [...kept, ...fresh.map((secret) => seal(keys, secret))])
  })
}

function plainProblems({ text, name, line, column }: ConfigSecret): readonly ConfigProblem[] {
  using plain = Secret.take(Buffer.from(text))
  const problem = plainProblem(plain)
  return problem === undefined ? [] : [{ line, column, problem: `"${name}" ${problem}` }]
}

function seal(keys: ValueKeys, { path, text }: ConfigSecret): Replacement {
  using plain = Secret.take(Buffer.from(text))
  return { path, value: keys.seal(path, plain) }
}
