import type { AlertIntake } from './alert-intake.ts'
import type { Route } from './http-types.ts'
import { alertRoutes } from './routes-alerts.ts'
import { caRoutes } from './routes-ca.ts'
import { credentialRoutes } from './routes-credentials.ts'
import { enrolmentRoutes } from './routes-enrolment.ts'
import { estRoutes } from './routes-est.ts'
import { MAX_LATE_OFFER_BYTES } from './late-offers.ts'
import { lockRoutes } from './routes-locks.ts'
import { operatorRoutes } from './routes-operator.ts'
import { pskRoutes } from './routes-psk.ts'
import { raiseRoutes } from './routes-raise.ts'
import { recoveryRoutes } from './routes-recovery.ts'
import { sessionRoutes } from './routes-session.ts'
import { userRoutes } from './routes-users.ts'
import { standbyRoutes } from './routes-standby.ts'
import { tokenRoutes } from './routes-tokens.ts'
import type { AuthorityServices } from './services.ts'

/** The whole HTTP API: what is not here is answered with 404. */
export function apiRoutes(services: AuthorityServices, alerts: AlertIntake): readonly Route[] {
  return [
    ...enrolmentRoutes(services),
    ...estRoutes(services),
    ...alertRoutes(alerts),
    ...sessionRoutes(services),
    ...operatorRoutes(services),
    ...tokenRoutes(services),
    ...userRoutes(services),
    ...raiseRoutes(services),
    ...lockRoutes(services),
    ...pskRoutes(services),
    ...standbyRoutes(services),
    ...caRoutes(services),
    ...recoveryRoutes(services.lateOffers, MAX_LATE_OFFER_BYTES),
    ...credentialRoutes(services),
  ]
}
