import { isRefusal, refuse, type Refusal } from '../../foundation/base/index.ts'
import type { PeerFacts } from '../../foundation/pipeline/index.ts'
import { profileOf } from '../../foundation/profiles/index.ts'
import type {
  Catalog,
  PolicyAnswer,
  PolicyExplainPort,
  PolicyQuestion,
} from '../../commands/catalog/index.ts'
import { type PolicyEngine, type SubjectFacts, subjectFacts } from '../../trust/policy/index.ts'
import { explainedSubject } from './explain-subject.ts'
import type { Member } from './member.ts'
import { directoryFacts } from './policy-facts.ts'

/** What a node answers questions about its policy from. */
export interface PolicyExplainerDeps {
  readonly member: Pick<Member, 'fabric' | 'membership'>
  readonly engine: PolicyEngine
  /** The catalog in force, own commands included. */
  catalog(): Catalog
}

/**
 * Explains calls to this node by the manifest that it has loaded and the commands that it offers now:
 * what the node would do, not what the authority thinks that it would.
 */
export function createPolicyExplainer(deps: PolicyExplainerDeps): PolicyExplainPort {
  return { explain: (question, asker) => explain(deps, question, asker) }
}

function explain(
  deps: PolicyExplainerDeps,
  question: PolicyQuestion,
  asker: PeerFacts,
): PolicyAnswer | Refusal {
  const { engine, member } = deps
  const catalog = deps.catalog()
  const command = catalog.get(question.command)
  if (!command || command.domain !== 'rpc') {
    return refuse('KOS_CATALOG_UNKNOWN', 'catalog/unknown-command', {
      remedy: 'List the commands of the device: kosctl commands list PEER',
    })
  }
  const from = callerOf(member, question.from, asker)
  if (isRefusal(from)) return from
  const { principal, profile } = member.membership
  const request = {
    from: from.facts,
    to: factsOf(member, principal, profileOf(profile)),
    domain: 'rpc',
    action: command.name,
    catalogEntry: command,
  } as const
  const canonical = catalog.canonicalise(command, question.arguments ?? {})
  const isKnown = !isRefusal(canonical)
  const { suggestion, ...explanation } = engine.explain(
    isKnown ? { ...request, arguments: canonical.arguments } : request,
    question.rules,
  )
  const said = isKnown ? command.confine?.(canonical.arguments) : canonical
  // Without arguments it is asked what holds for any.
  const refused = question.arguments === undefined && !isKnown ? undefined : said
  return {
    ...explanation,
    ...(suggestion && { suggestion: JSON.stringify(suggestion) }),
    ...(refused && { refused: refusedText(refused) }),
    notes: from.note === undefined ? [] : [from.note],
  }
}

function refusedText({ code, rule, remedy }: Refusal): NonNullable<PolicyAnswer['refused']> {
  return { code, rule, ...(remedy !== undefined && { remedy }) }
}

/** Who asks counts with what its session proved; anybody else with what the directory says. */
function callerOf(
  member: PolicyExplainerDeps['member'],
  name: string | undefined,
  asker: PeerFacts,
): { readonly facts: SubjectFacts; readonly note?: string } | Refusal {
  if (name === undefined) return { facts: factsOf(member, asker.principal, asker.floor) }
  return (
    explainedSubject(member, name) ??
    refuse('KOS_NODE_UNKNOWN_PRINCIPAL', 'policy/from', {
      remedy: 'Name a principal of the directory, kind/id, or role/id.',
    })
  )
}

function factsOf(
  { fabric }: PolicyExplainerDeps['member'],
  principal: PeerFacts['principal'],
  floor: PeerFacts['floor'],
): SubjectFacts {
  return subjectFacts(principal, floor, directoryFacts(fabric.directory.byUri(principal.uri)))
}
