import { readFileSync } from 'node:fs'

/** Linux counts the time of a process in hundredths of a second. */
const TICK_US = 10_000
/** Places of user and system time behind the name of the program. @see proc(5) */
const [USER_AT, SYSTEM_AT] = [11, 12]

/** User and system time of another process in microseconds; 0 when there is none. */
export function processCpuUs(pid: number | undefined): number {
  if (pid === undefined) return 0
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[USER_AT]) + Number(fields[SYSTEM_AT])) * TICK_US
}
