import { refuse } from '../../foundation/base/index.ts'
import { json, refused, type Route } from './http-types.ts'
import type { AuthorityServices } from './services.ts'

const PAGE = 500

/** Routes of credentials: what there is, and how old it is. */
export function credentialRoutes(services: AuthorityServices): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/credentials',
      guard: 'report',
      maxBytes: 0,
      handle: ({ query }) => {
        const page = services.credentials.page(query['after'], PAGE)
        return page ? json(page) : refused(refuse('KOS_AUTHORITY_REQUEST', 'credentials/after'))
      },
    },
  ]
}
