export function ensureModules(root: string): Promise<void>
