import { defineErrors, type ErrorTable } from '../base/index.ts'

type CodecErrorCode =
  | 'KOS_CODEC_CBOR'
  | 'KOS_CODEC_COSE'
  | 'KOS_CODEC_DER'
  | 'KOS_CODEC_HTTP'
  | 'KOS_CODEC_X509'

/** The errors of this room; `details.rule` names the violated rule, `details.offset` the byte. */
export const codecErrors: ErrorTable<CodecErrorCode> = defineErrors({
  KOS_CODEC_CBOR: {
    message: 'The data is not deterministic CBOR within the limits.',
    hint: 'Encode it by RFC 8949 section 4.2.1 and keep the named limit.',
    retry: 'never',
  },
  KOS_CODEC_COSE: {
    message: 'The signed or authenticated message is not acceptable.',
    hint: 'Check that sender and receiver use the same keys and context; the log names the check.',
    retry: 'never',
  },
  KOS_CODEC_DER: {
    message: 'The data is not strict DER within the limits.',
    hint: 'Encode it by the distinguished encoding rules and keep the named limit.',
    retry: 'never',
  },
  KOS_CODEC_HTTP: {
    message: 'The structured header field or HTTP signature is malformed.',
    hint: 'Write it by RFC 8941 and RFC 9421 and keep the named limit.',
    retry: 'never',
  },
  KOS_CODEC_X509: {
    message: 'The certificate or certificate request is not in the accepted form.',
    hint: 'Issue it again as RFC 5280 version 3, or RFC 2986 for a request.',
    retry: 'never',
  },
})
