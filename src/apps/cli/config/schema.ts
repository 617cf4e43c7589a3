import { parseTrustDomain, z } from '../../../foundation/base/index.ts'
import { PROFILE_NAMES } from '../../../foundation/profiles/index.ts'
import { type JsonSchema, SECRET_NAME } from '../../../commands/catalog/index.ts'
import { DEFAULT_ADMISSION_LIMITS } from '../../../network/admission/index.ts'
import { parseHostPort } from '../../node/index.ts'
import { isHost } from '../host-names.ts'

/** Which daemon a configuration is for. */
export type DaemonRole = 'authority' | 'node'

/** Most secrets of one configuration. */
export const MAX_SECRETS = 128
/** A sealed value of the longest secret; a plain one is shorter. */
const MAX_SECRET_LENGTH = 32 * 1024

const line = (max: number): z.ZodString =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^\P{Cc}*$/u, 'must hold no control characters')
const hostPort = (example: string): z.ZodString =>
  line(300).refine((text) => parseHostPort(text) !== undefined, {
    message: `must be host:port, such as ${example}`,
  })
const path = (what: string): z.ZodString =>
  line(4096).describe(`${what}; relative to the folder of this file`)
const PIN = /^[A-Za-z0-9_-]{43}$/

const common = {
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error'])
    .optional()
    .describe('What the log shows: debug, info, warn or error (warn)'),
  listeners: z
    .array(z.enum(PROFILE_NAMES))
    .max(8)
    .optional()
    .describe('Session listeners beside the own floor’s, such as [SEC-2, SEC-3] (all it may have)'),
  enforcement: path('File of enforcement modules').optional(),
  fips: z.boolean().optional().describe('Run on an OpenSSL FIPS provider alone, or not at all'),
  fipsConfig: path('OpenSSL configuration that activates it').optional(),
  passphraseFile: path('File of mode 0600 with the passphrase of the keys').optional(),
  secrets: z
    .record(
      z.string().regex(SECRET_NAME, 'must be lower-case letters, digits, "-" and "_"'),
      z.string().min(1).max(MAX_SECRET_LENGTH),
    )
    .refine((secrets) => Object.keys(secrets).length <= MAX_SECRETS, {
      message: `must be at most ${MAX_SECRETS}`,
    })
    .optional()
    .describe('Secrets by name, sealed: kosctl config set secrets.NAME'),
}

const authority = {
  listen: hostPort('0.0.0.0:7400').optional().describe('HTTP API (127.0.0.1:7400)'),
  session: hostPort('0.0.0.0:7402').optional().describe('Session listener (127.0.0.1:7402)'),
  crl: hostPort('0.0.0.0:7480')
    .optional()
    .describe('Revocation lists over plain HTTP (127.0.0.1:7480)'),
  advertise: line(262)
    .refine(isHost, { message: 'must be a host name or an address' })
    .optional()
    .describe('Name or address that devices are told'),
  devicesPerAddress: z
    .number()
    .refine(isDeviceCount, { message: `must be 1 to ${DEFAULT_ADMISSION_LIMITS.connectionsTotal}` })
    .optional()
    .describe('How many devices may come from one address (16)'),
  trustDomain: line(255)
    .refine((text) => parseTrustDomain(text) !== undefined, { message: 'must be a DNS name' })
    .optional()
    .describe('Trust domain (kos.internal)'),
}

const node = {
  listen: hostPort('0.0.0.0:7402').optional().describe('Session listener (127.0.0.1:7402)'),
  advertise: hostPort('192.0.2.7:7402').optional().describe('Address that peers are told'),
  share: path('Folder offered to files.list and files.read').optional(),
  commands: path('Folder of command files').optional(),
  programs: path('Programs that process.run may start').optional(),
  standby: z
    .boolean()
    .optional()
    .describe('Vouch for the lock list while the authority is away, once it is permitted'),
  joinFile: path('File of the join line, for the first start').optional(),
  psk: z
    .boolean()
    .optional()
    .describe('Join as a sensor (SEC-1): a pre-shared key, no certificate, no listener'),
  authority: hostPort('fabric.example:7400')
    .optional()
    .describe('Without joining: where alerts go (needs pin)'),
  pin: z
    .string()
    .regex(PIN, 'must be what "kosd authority" prints')
    .optional()
    .describe('Without joining: pin of that authority'),
}

const schemas = {
  authority: z.strictObject({ ...common, ...authority }),
  node: z.strictObject({ ...common, ...node }),
} as const

/** What a configuration sets, by name; checked by {@link settingsSchema}. */
export type Settings = Readonly<
  Record<string, string | number | boolean | readonly string[] | undefined>
> & {
  readonly secrets?: Readonly<Record<string, string>>
}

/** Settings whose values are paths. */
export const PATH_SETTINGS: ReadonlySet<string> = new Set([
  'enforcement',
  'fipsConfig',
  'passphraseFile',
  'share',
  'commands',
  'programs',
  'joinFile',
])

/** What a daemon takes. */
export function settingsSchema(role: DaemonRole): z.ZodType<object> {
  return schemas[role]
}

/** The daemons that know a setting. */
export function rolesOf(name: string): readonly DaemonRole[] {
  const roles: readonly DaemonRole[] = ['authority', 'node']
  return roles.filter((role) => Object.hasOwn(schemas[role].shape, name))
}

/** Names of all settings that a daemon takes. */
export function settingNames(role: DaemonRole): readonly string[] {
  return Object.keys(schemas[role].shape)
}

/** Whether the value at a path is a secret. */
export function isSecretPath([section, ...rest]: readonly string[]): boolean {
  return section === 'secrets' && rest.length === 1
}

/**
 * The JSON Schema of a configuration, for editors: the settings of both daemons, those of one alone
 * named so. It is wider than what a daemon checks.
 */
export function configJsonSchema(): JsonSchema {
  const properties = { ...propertiesOf('authority'), ...propertiesOf('node') }
  for (const [name, property] of Object.entries(properties)) {
    const roles = rolesOf(name)
    if (roles.length === 2) {
      properties[name] = mergeOf(propertiesOf('authority')[name], property)
    } else properties[name] = { ...property, description: told(property, roles) }
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Configuration of kosd',
    type: 'object',
    properties,
    additionalProperties: false,
  }
}

interface Property {
  readonly description?: string
}

function propertiesOf(role: DaemonRole): Record<string, Property> {
  const { properties } = z.toJSONSchema(schemas[role], { io: 'input' })
  return { ...(properties as Record<string, Property>) }
}

function told({ description = '' }: Property, roles: readonly DaemonRole[]): string {
  return `${roles.map((role) => `kosd ${role}`).join(', ')}: ${description}`
}

/** The same form for both daemons, which may mean something else to each. */
function mergeOf(one: Property | undefined, other: Property): Property {
  if (!one || one.description === other.description) return other
  const description = `${told(one, ['authority'])}; ${told(other, ['node'])}`
  return { ...one, ...other, description }
}

function isDeviceCount(count: number): boolean {
  const { connectionsTotal } = DEFAULT_ADMISSION_LIMITS
  return Number.isInteger(count) && count >= 1 && count <= connectionsTotal
}
