import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type PolicyErrorCode =
  | 'KOS_POLICY_CEILING'
  | 'KOS_POLICY_DENIED'
  | 'KOS_POLICY_EXPIRED'
  | 'KOS_POLICY_FACTS'
  | 'KOS_POLICY_MANIFEST'
  | 'KOS_POLICY_MANIFEST_CYCLE'
  | 'KOS_POLICY_MANIFEST_EXPIRED'
  | 'KOS_POLICY_MANIFEST_LAYER'
  | 'KOS_POLICY_MANIFEST_OLDER'
  | 'KOS_POLICY_MANIFEST_SIGNATURE'
  | 'KOS_POLICY_MANIFEST_SIZE'
  | 'KOS_POLICY_NOT_ALLOWED'
  | 'KOS_POLICY_NO_MANIFEST'
  | 'KOS_POLICY_RATE'
  | 'KOS_POLICY_REQUEST'

/** The errors and refusal codes of this room. */
export const policyErrors: ErrorTable<PolicyErrorCode> = defineErrors({
  KOS_POLICY_CEILING: {
    message: 'The security profile of a participant does not permit this.',
    hint: 'A manifest cannot grant more than the profile; raise the profile of the device.',
    retry: 'never',
  },
  KOS_POLICY_DENIED: {
    message: 'A policy rule denies this.',
    hint: 'Remove or narrow the deny rule that the refusal names.',
    retry: 'never',
  },
  KOS_POLICY_EXPIRED: {
    message: 'A policy manifest that applies here has expired.',
    hint: 'Publish a newer manifest for the layer that the refusal names.',
    retry: 'later',
  },
  KOS_POLICY_FACTS: {
    message: 'The facts about a principal contradict its proven identity or have no valid form.',
    hint: 'This is a bug in kOS: report it with the log of the daemon.',
    retry: 'never',
  },
  KOS_POLICY_MANIFEST: {
    message: 'The policy manifest does not have the required form.',
    hint: 'Correct the field that the rule names; docs/policy.md describes the format.',
    retry: 'never',
  },
  KOS_POLICY_MANIFEST_CYCLE: {
    message: 'The groups of the policy manifest contain one another.',
    hint: 'Break the cycle at the group that the rule names.',
    retry: 'never',
  },
  KOS_POLICY_MANIFEST_EXPIRED: {
    message: 'The policy manifest has already expired.',
    hint: 'Sign it again with a later notAfter, and check the clock of this machine.',
    retry: 'never',
  },
  KOS_POLICY_MANIFEST_LAYER: {
    message: 'The policy manifest belongs to another layer or subject.',
    hint: 'Load it where its kind and subject belong.',
    retry: 'never',
  },
  KOS_POLICY_MANIFEST_OLDER: {
    message: 'The policy manifest is older than the one in force.',
    hint: 'Sign it again with a higher number.',
    retry: 'never',
  },
  KOS_POLICY_MANIFEST_SIGNATURE: {
    message: 'The policy manifest is not signed by the policy key.',
    hint: 'Sign it with the policy key of this fleet; the log names the check.',
    retry: 'never',
  },
  KOS_POLICY_MANIFEST_SIZE: {
    message: 'The policy manifest is larger than the limits allow.',
    hint: 'Use groups, roles and patterns instead of single rules.',
    retry: 'never',
  },
  KOS_POLICY_NOT_ALLOWED: {
    message: 'No policy rule allows this.',
    hint: 'Add an allow rule as the remedy says.',
    retry: 'never',
  },
  KOS_POLICY_NO_MANIFEST: {
    message: 'There is no fleet manifest, so nothing is allowed.',
    hint: 'Publish a fleet manifest signed by the policy key.',
    retry: 'later',
  },
  KOS_POLICY_RATE: {
    message: 'The rate that the policy rule grants is used up.',
    hint: 'Wait as long as the refusal says, or raise the limits of the rule.',
    retry: 'later',
  },
  KOS_POLICY_REQUEST: {
    message: 'The request cannot be decided by policy.',
    hint: 'Use a well-formed action of a domain that manifests decide.',
    retry: 'never',
  },
})
