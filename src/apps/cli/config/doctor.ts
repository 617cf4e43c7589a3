import { join } from 'node:path'
import { KosError } from '../../../foundation/base/index.ts'
import type { CheckView } from '../../authority/index.ts'
import { type CliContext, stateFolder } from '../context.ts'
import { CONFIG_FILE } from '../daemon-config.ts'
import { readConfigFile } from './file.ts'
import { readConfiguration } from './read.ts'
import type { DaemonRole } from './schema.ts'
import { sealingCommand } from './shown.ts'

/**
 * Looks at the configurations of this machine's daemons, where they can be read: with a bad one the next
 * start fails. No secret is opened.
 */
export function configurationChecks({
  environment,
}: Pick<CliContext, 'environment'>): readonly CheckView[] {
  const roles: readonly DaemonRole[] = ['authority', 'node']
  return roles.flatMap((role) => {
    const folder = stateFolder(environment, role)
    const check = (state: CheckView['state'], detail: string): CheckView[] => {
      return [{ name: 'configuration', state, detail: `kosd ${role}: ${detail}` }]
    }
    try {
      const said = sayOf(role, folder)
      return said === undefined ? [] : check(said.isGood ? 'ok' : 'failed', said.text)
    } catch (error) {
      // Of somebody else.
      if (!(error instanceof KosError)) return []
      return check('failed', `${String(error.details['at'])}: ${String(error.details['problem'])}`)
    }
  })
}

function sayOf(
  role: DaemonRole,
  folder: string,
): { readonly isGood: boolean; readonly text: string } | undefined {
  const path = join(folder, CONFIG_FILE)
  const file = readConfigFile(path)
  if (!file) return undefined
  const { settings, secrets, problems } = readConfiguration(file.text, role)
  const [first] = problems
  if (first) {
    return { isGood: false, text: `${path}:${first.line}:${first.column}: ${first.problem}` }
  }
  const plain = secrets.filter(({ isSealed }) => !isSealed).length
  if (plain > 0) {
    return { isGood: false, text: `not sealed: ${plain}: ${sealingCommand({ folder, path })}` }
  }
  const count = Object.keys(settings ?? {}).filter((name) => name !== 'secrets').length
  return { isGood: true, text: `settings ${count}, secrets ${secrets.length}, all sealed` }
}
