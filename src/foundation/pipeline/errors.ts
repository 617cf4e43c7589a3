import { defineErrors, type ErrorTable } from '../base/index.ts'

type PipelineErrorCode = 'KOS_PIPELINE_FORGED' | 'KOS_PIPELINE_SKIPPED'

/** The errors of this room: each is a bug of ours, never a peer's. */
export const pipelineErrors: ErrorTable<PipelineErrorCode> = defineErrors({
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
