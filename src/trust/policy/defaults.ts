import { isRefusal, type UnixMs } from '../../foundation/base/index.ts'
import { policyErrors } from './errors.ts'
import { type Manifest, parseManifest } from './manifest.ts'

/**
 * The manifest of a new fleet: owners may call read-only commands on their devices, nothing else is
 * open.
 *
 * @param options - `notAfter`: the last millisecond at which it counts
 * @throws {@link KosError} KOS_POLICY_MANIFEST when `notAfter` is no such number
 */
export function defaultFleetManifest(options: { readonly notAfter: UnixMs }): Manifest {
  const manifest = parseManifest({
    apiVersion: 'kos/v1',
    kind: 'fleet',
    subject: 'any',
    notAfter: options.notAfter,
    groups: {},
    rules: [
      {
        id: 'owners-read',
        effect: 'allow',
        domain: 'rpc',
        from: ['owner'],
        to: ['kind:device'],
        actions: ['>'],
        effects: 'read',
      },
    ],
  })
  if (isRefusal(manifest)) {
    throw policyErrors.error('KOS_POLICY_MANIFEST', { rule: manifest.rule })
  }
  return manifest
}
