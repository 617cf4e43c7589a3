import { setTimeout as sleep } from 'node:timers/promises'
import { isRefusal, type Refusal } from '../../../foundation/base/index.ts'
import { type AlertList, alertList, type AlertView } from '../../authority/index.ts'
import type { AuthorityClient } from '../../node/index.ts'
import { readAnswer } from '../answers.ts'
import type { CommandInput } from '../command-line.ts'
import type { CliContext } from '../context.ts'
import { withAuthority } from '../credential.ts'
import {
  EXIT,
  paint,
  printable,
  printJson,
  printJsonLine,
  printRefusal,
  printTable,
  relativeTime,
} from '../output.ts'

const FOLLOW_INTERVAL_MS = 1000

/** `kosctl alerts` */
export function alerts(context: CliContext, input: CommandInput): Promise<number> {
  return withAuthority(context, async (client) => {
    const list = await readAlerts(client, 0)
    if (isRefusal(list)) return refusedExit(context, list)
    if (input.flag('follow')) return follow(context, client, list)
    printAlerts(context, list)
    return EXIT.ok
  })
}

async function readAlerts(client: AuthorityClient, after: number): Promise<AlertList | Refusal> {
  return readAnswer(await client.request('GET', `/v1/alerts?after=${after}`), alertList)
}

function refusedExit(context: CliContext, refusal: Refusal): number {
  printRefusal(context.terminal, 'alerts', refusal)
  return EXIT.refused
}

async function follow(
  context: CliContext,
  client: AuthorityClient,
  first: AlertList,
): Promise<number> {
  const { signal } = context
  for (let list = first, last = 0; ;) {
    for (const alert of list.alerts) printFollowed(context, alert)
    last = list.alerts.at(-1)?.number ?? last
    // Not the context's clock: its timers do not keep a process alive.
    await sleep(FOLLOW_INTERVAL_MS, undefined, signal && { signal }).catch(() => undefined)
    if (signal?.aborted) return EXIT.ok
    const next = await readAlerts(client, last)
    if (isRefusal(next)) return refusedExit(context, next)
    list = next
  }
}

function printFollowed({ terminal }: CliContext, alert: AlertView): void {
  if (terminal.isJson) {
    printJsonLine(terminal, alert)
    return
  }
  const at = new Date(alert.receivedAt).toISOString()
  const cells = [at, alert.source, trustText(alert), claimText(alert), alert.kind, alert.text]
  terminal.out(cells.map(printable).join('  '))
}

/** Prints alerts as a table or as JSON, harmless for a terminal whatever an authority sent. */
export function printAlerts({ terminal, clock }: CliContext, list: AlertList): void {
  if (terminal.isJson) {
    printJson(terminal, list)
    return
  }
  const now = clock.wallMs()
  printTable(
    terminal,
    ['RECEIVED', 'SOURCE', 'TRUST', 'CALLS ITSELF', 'KIND', 'TEXT'],
    list.alerts.map((alert) => [
      relativeTime(alert.receivedAt, now),
      alert.source,
      trustText(alert),
      claimText(alert),
      alert.kind,
      alert.text,
    ]),
  )
  const { dropped, refused } = list
  if (dropped + refused === 0) return
  terminal.err(`${paint(terminal, 'yellow', 'warning')}  ${dropped} dropped, ${refused} refused`)
}

function trustText({ trust, attributedTo }: AlertView): string {
  return attributedTo === undefined ? trust : `${trust}: ${attributedTo}`
}

function claimText({ device }: AlertView): string {
  return device ?? '-'
}
