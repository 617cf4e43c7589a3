import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'

/** Where Linux says the serial number of a machine: PCs, then boards with a device tree. */
const SERIAL_FILES = ['/sys/class/dmi/id/product_serial', '/proc/device-tree/serial-number']

/** What a name may be made of. */
export interface NameFacts {
  hostname(): string
  serial(): string
}

const OWN_FACTS: NameFacts = { hostname: () => hostname().split('.')[0] ?? '', serial: ownSerial }

/**
 * Makes the name that a device asks for when it joins: `{hostname}` and `{serial}` stand for what this
 * machine says of itself, and what no name may hold becomes a hyphen.
 *
 * @param template - for example `camera-{serial}`
 * @param facts - of this machine by default
 * @returns at most 63 lower-case letters, digits and inner hyphens; `undefined` when nothing is left
 */
export function wantedName(template: string, facts: NameFacts = OWN_FACTS): string | undefined {
  const text = template
    .replaceAll('{hostname}', () => facts.hostname())
    .replaceAll('{serial}', () => facts.serial())
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replaceAll(/^-|-$/g, '')
  return name === '' ? undefined : name
}

function ownSerial(): string {
  for (const file of SERIAL_FILES) {
    try {
      return readFileSync(file, 'latin1').replaceAll('\0', '').trim()
    } catch {
      // Another kind of machine, or not for this user to read.
    }
  }
  return ''
}
