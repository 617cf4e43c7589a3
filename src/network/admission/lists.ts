import { BlockList, isIP } from 'node:net'
import { refuse, type Refusal } from '../../foundation/base/index.ts'
import { parseSource, type Source } from './address.ts'
import { admissionErrors } from './errors.ts'

/** Address lists; entries are addresses or CIDR prefixes such as `192.0.2.0/24`. */
export interface AddressLists {
  /** Never admitted and never dialled; wins over `allow`. */
  readonly block: readonly string[]
  /** May use the reserved lane. Every other limit holds for them too. */
  readonly allow: readonly string[]
  /** Whether sources that are not on `allow` are refused. */
  readonly allowOnly: boolean
}

/** No list: nobody is blocked, nobody is preferred. */
export const NO_LISTS: AddressLists = Object.freeze({ block: [], allow: [], allowOnly: false })

/** Lists in the form in which they are asked. */
export interface CompiledLists {
  refusalOf(source: Source): Refusal | undefined
  allows(source: Source): boolean
}

/**
 * Compiles lists.
 *
 * @throws {@link KosError} KOS_ADMISSION_LIMITS when an entry is neither address nor prefix
 */
export function compileLists(lists: AddressLists): CompiledLists {
  const block = compile(lists.block)
  const allow = compile(lists.allow)
  const allows = (source: Source): boolean => allow.check(source.address, source.family)
  return {
    allows,
    refusalOf: (source) => {
      if (block.check(source.address, source.family)) {
        return refuse('KOS_ADMISSION_BLOCKED', 'block-list')
      }
      return lists.allowOnly && !allows(source)
        ? refuse('KOS_ADMISSION_NOT_ALLOWED', 'allow-list')
        : undefined
    },
  }
}

function compile(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) add(list, entry)
  return list
}

function add(list: BlockList, entry: string): void {
  const slash = entry.indexOf('/')
  const address = slash < 0 ? entry : entry.slice(0, slash)
  const version = isIP(address)
  const maxBits = version === 4 ? 32 : 128
  const bits = slash < 0 ? maxBits : prefixLength(entry.slice(slash + 1))
  // An IPv4-mapped entry would never match, because sources are normalised to IPv4 first.
  const mapped = version === 6 && parseSource(address)?.family === 'ipv4'
  if (version === 0 || bits > maxBits || mapped || address.includes('%')) {
    throw admissionErrors.error('KOS_ADMISSION_LIMITS', { name: 'address list', entry })
  }
  list.addSubnet(address, bits, version === 4 ? 'ipv4' : 'ipv6')
}

function prefixLength(text: string): number {
  return /^(?:0|[1-9][0-9]{0,2})$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY
}
