import { calcCommand } from './calc.ts'
import type { Command } from './command.ts'
import { echoCommand } from './echo.ts'
import { filesFetchCommand } from './files-fetch.ts'
import { filesListCommand } from './files-list.ts'
import { checkRoots, type FileRoot } from './files-path.ts'
import { filesReadCommand } from './files-read.ts'
import { NO_PROGRAMS, type ProcessOptions, processRunCommand } from './process-run.ts'
import { systemInfoCommand, systemStatusCommand, type SystemPort } from './system.ts'

/**
 * The commands that every daemon offers.
 *
 * @param deps - where the system commands get their answers
 * @param options - the folders that the files commands may reach; a node shares its `share` folder
 * under the name `share`, an empty list shares nothing
 * and the programs of `process.run`; without them it is a definition that refuses every run
 * @returns calc, echo, files.fetch, files.list, files.read, process.run, system.info and system.status
 * @throws {@link KosError} KOS_CATALOG_ROOT when a folder is malformed
 */
export function createBuiltins(
  deps: { readonly system: SystemPort },
  options: { readonly fileRoots: readonly FileRoot[]; readonly programs?: ProcessOptions },
): readonly Command[] {
  const roots = checkRoots(options.fileRoots)
  return [
    calcCommand,
    echoCommand,
    filesFetchCommand(roots),
    filesListCommand(roots),
    filesReadCommand(roots),
    processRunCommand(options.programs ?? NO_PROGRAMS),
    systemInfoCommand(deps.system),
    systemStatusCommand(deps.system),
  ]
}
