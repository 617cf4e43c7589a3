/**
 * The part of the metadata reflection API that `@peculiar/x509` asks its user to provide, for classes
 * alone: where they are registered, once. Import it before.
 */
const metadata = new WeakMap<object, Map<unknown, unknown>>()

function ownMetadata(key: unknown, target: object): unknown {
  return metadata.get(target)?.get(key)
}

Object.assign(Reflect, {
  getOwnMetadata: ownMetadata,
  getMetadata: (key: unknown, target: object): unknown => {
    for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object) {
      const value = ownMetadata(key, at)
      if (value !== undefined) return value
    }
    return undefined
  },
  defineMetadata: (key: unknown, value: unknown, target: object): void => {
    let own = metadata.get(target)
    if (own === undefined) metadata.set(target, (own = new Map()))
    own.set(key, value)
  },
  metadata: () => (): void => undefined,
})
