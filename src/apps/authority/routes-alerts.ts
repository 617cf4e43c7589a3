import { refuse } from '../../foundation/base/index.ts'
import { MAX_ALERT_BYTES } from '../node/index.ts'
import type { AlertIntake } from './alert-intake.ts'
import { json, type Route, type RouteAnswer, type RouteCall } from './http-types.ts'

/** Routes of alerts: anybody may raise one, operators read them. */
export function alertRoutes(alerts: AlertIntake): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/alerts',
      guard: 'public',
      isUnrecorded: true,
      maxBytes: MAX_ALERT_BYTES,
      handle: (call) => take(alerts, call),
    },
    {
      method: 'GET',
      path: '/v1/alerts',
      guard: 'operator',
      maxBytes: 0,
      handle: ({ query }) => list(alerts, query['after']),
    },
  ]
}

/** The sender learns that it was heard, and not what became of it. */
function take(alerts: AlertIntake, { body, source }: RouteCall): RouteAnswer {
  const refusal = alerts.take(body, source)
  if (!refusal) return json({ taken: true }, 201)
  return { kind: 'refused', refusal, status: refusal.retryAfterMs === undefined ? 400 : 429 }
}

function list(alerts: AlertIntake, after: string = '0'): RouteAnswer {
  if (!/^[0-9]{1,15}$/.test(after)) {
    const refusal = refuse('KOS_AUTHORITY_REQUEST', 'query/after')
    return { kind: 'refused', refusal, status: 400 }
  }
  return json(alerts.list(Number(after)))
}
