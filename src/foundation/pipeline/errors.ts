import { defineErrors, type ErrorTable } from '../base/index.ts'

type PipelineErrorCode = 'KOS_PIPELINE_ENFORCED' | 'KOS_PIPELINE_FORGED' | 'KOS_PIPELINE_SKIPPED'

/** The errors of this room: a refusal of enforcement modules, and bugs of ours. */
export const pipelineErrors: ErrorTable<PipelineErrorCode> = defineErrors({
  KOS_PIPELINE_ENFORCED: {
    message: 'An enforcement module that the profile is configured with refuses.',
    hint: 'The rule names module and demand; the operator configures them with --enforcement.',
    retry: 'later',
  },
  KOS_PIPELINE_FORGED: {
    message: 'A request stage was not made by the room that owns it.',
    hint: 'This is a bug in kOS: report it with the log of the daemon.',
    retry: 'never',
  },
  KOS_PIPELINE_SKIPPED: {
    message: 'A request skipped a stage of its checks.',
    hint: 'This is a bug in kOS: report it with the log of the daemon.',
    retry: 'never',
  },
})
